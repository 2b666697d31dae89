"""Request streams as runs of like requests, written by mappings and expanded in the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from archsim.pim import kernel_layout as at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.device import PimDevice
    from archsim.pim.vocabulary import Placement

Order = Literal["column", "bank", "rank-group"]
"""How consecutive MACs walk: along one row after another; a row in each bank of the group; or from
bank group to bank group and rank to rank first, then from bank to bank."""


ORDERS: Mapping[Placement, Order] = {
    "bank": "column",
    "bankgroup": "bank",
    "buffer": "rank-group",
}
"""How MACs walk, by where the units stand."""

ALL: int = -1
MOST_BACK = 4
"""Runs to a turn that may repeat itself: MACs, a barrier, moves of results and of a vector."""


class Place(NamedTuple):
    """Rank, bank group and bank that a move addresses."""

    rank: int
    group: int
    bank: int


@dataclass(frozen=True, slots=True)
class Macs:
    """MACs of consecutive columns from a byte address of each bank on.

    Attributes
    ----------
    base_bytes
        Where the matrix begins in each bank.
    start, count
        First column after it, and how many.
    channels
        Channels that do this, from the first.
    """

    base_bytes: int
    start: int
    count: int
    channels: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Vector moves, the same command to a list of places.

    Attributes
    ----------
    command
        Name.
    places
        One place a move.
    channels
        Channels that do this, from the first.
    start, stop
        Part of the list of (place, channel) pairs, channels fastest; `stop` None means all.
    repeat
        How often each place comes before the next.
    """

    command: str
    places: tuple[Place, ...]
    channels: int
    start: int = 0
    stop: int | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Access:
    """A command to consecutive columns from one of a row on, or so many times if it needs no row.

    Attributes
    ----------
    command
        Name.
    place
        Fields of the levels below the channel down to the bank; -1 stands for all.
    row, column
        Where it begins; it goes on in the next row.
    count
        How many.
    channels
        Channels that do this, from the first.
    """

    command: str
    place: tuple[int, ...]
    row: int
    column: int
    count: int
    channels: int


@dataclass(frozen=True, slots=True)
class Barrier:
    """Everything before issues before anything after, activations and precharges apart."""


Segment = Macs | Moves | Access | Barrier
BARRIER = Barrier()


@dataclass(frozen=True)
class Stream:
    """Requests in program order, by ranges of channels.

    Attributes
    ----------
    runs
        int64[n, 13], see :mod:`archsim.pim.kernel_layout`; channel ranges, not classes.
    places
        int64[k, 5]: places that the runs take.
    num_nodes
        Nodes of a channel.
    keys
        Row states of a channel.
    key_places
        int64[keys, 4]: nodes of the bank that stands for each.
    """

    runs: NDArray[np.int64]
    places: NDArray[np.int64]
    num_nodes: int
    keys: int
    key_places: NDArray[np.int64]

    @cached_property
    def num_requests(self) -> int:
        """Requests of all channels, barriers included."""
        widths = self.runs[:, at.LAST] - self.runs[:, at.FIRST]
        return int((widths * self.runs[:, at.COUNT]).sum())


class Nodes:
    """Nodes of a channel: levels below it down to the bank, outermost first.

    Parameters
    ----------
    device
        Levels.
    """

    def __init__(self, device: PimDevice) -> None:
        levels = device.standard.levels[1 : device.standard.bank_level + 1]
        self.names = tuple(level.name for level in levels)
        self.sizes = tuple(level.size for level in levels)
        firsts = [1]
        for depth in range(len(self.sizes)):
            firsts.append(firsts[-1] + prod(self.sizes[: depth + 1]))
        self.firsts = tuple(firsts[:-1])
        self.total = firsts[-1]

    def path(self, fields: Sequence[int]) -> tuple[int, ...]:
        """Return a node for each level; where fields say all, the first stands for them."""
        found = []
        flat = 0
        for depth, value in enumerate(fields):
            flat = flat * self.sizes[depth] + max(value, 0)
            found.append(self.firsts[depth] + flat)
        return tuple(found)

    def fields(self, nodes: Sequence[int]) -> tuple[int, ...]:
        """Return the field of each level of a path."""
        found = []
        parent = 0
        for depth, node in enumerate(nodes):
            flat = node - self.firsts[depth]
            found.append(flat - parent * self.sizes[depth])
            parent = flat
        return tuple(found)

    def of_place(self, place: Place) -> tuple[int, ...]:
        """Return the path of a place, by the names of its fields."""
        given = {"rank": place.rank, "bankgroup": place.group, "bank": place.bank}
        return self.path([given.get(name, 0) for name in self.names])


class StreamWriter:
    """Writes segments down for one device.

    Parameters
    ----------
    device
        Levels and commands.
    order
        How MACs walk; None for what suits the units.
    by_bank
        Whether rows of all banks open apart; False for as few states as MACs need.
    """

    def __init__(
        self, device: PimDevice, order: Order | None = None, *, by_bank: bool = False
    ) -> None:
        self._device = device
        self._nodes = Nodes(device)
        self._ids = {command.name: n for n, command in enumerate(device.standard.commands)}
        self._burst = device.standard.burst_bytes
        self._row_bytes = device.columns * self._burst
        self._order: Order = order or ORDERS[device.unit.placement]
        self._places: list[tuple[int, ...]] = []
        self._known: dict[object, int] = {}
        self._keys = {path: n for n, path in enumerate(self._key_paths(by_bank))}
        self._walk, self._walk_length, self._walk_repeat = self._mac_walk()
        self._moves: dict[Moves, list[list[int]]] = {}

    @property
    def keys(self) -> int:
        """Row states of a channel that change apart."""
        return len(self._keys)

    def write(self, segments: Sequence[Segment]) -> Stream:
        """Return the requests of some segments."""
        lines: list[list[int]] = []
        for segment in segments:
            if isinstance(segment, Macs):
                lines.append(self._macs(segment))
            elif isinstance(segment, Moves):
                lines += self._of_moves(segment)
            elif isinstance(segment, Access):
                lines.append(self._access(segment))
            else:
                lines.append([at.BARRIER, 1, 0, 0, 1, 1, 0, 0, self._device.channels, 0])
        runs = np.zeros((len(lines), at.WIDTH), np.int64)
        if lines:
            runs[:, : at.BACK] = lines
        runs = runs[runs[:, at.COUNT] > 0]
        mark_alike(runs, self._device.columns)
        places = np.zeros((max(1, len(self._places)), at.NODES + at.MAX_LEVELS), np.int64)
        for number, place in enumerate(self._places):
            places[number, : len(place)] = place
        keys = np.zeros((len(self._keys), at.MAX_LEVELS), np.int64)
        for number, nodes in enumerate(self._keys):
            keys[number, : len(nodes)] = nodes
        return Stream(runs.reshape(-1, at.WIDTH), places, self._nodes.total, len(self._keys), keys)

    def _key_paths(self, by_bank: bool) -> list[tuple[int, ...]]:
        """Return the path of the bank that stands for each row state."""
        ranges = [range(size) for size in self._nodes.sizes]
        placement = self._device.unit.placement
        if not (by_bank or self._device.config.mapping == "hbm-pim"):
            if placement == "bank":
                ranges = [range(1) for _ in ranges]
            elif placement == "bankgroup":
                ranges = [*(range(1) for _ in ranges[1:]), ranges[-1]]
            elif self._nodes.names[0] == "pseudochannel":
                ranges[0] = range(1)
        return [self._nodes.path(fields) for fields in product(*ranges)]

    def _key_of(self, path: tuple[int, ...]) -> int:
        """Return the row state that the bank of a path has."""
        return self._keys.get(path, 0)

    def _pattern(self, name: object, places: Sequence[tuple[int, ...]]) -> int:
        """Return where some places stand in the table; they are written there once."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = len(self._places)
            self._places += places
        return found

    def _mac_walk(self) -> tuple[int, int, int]:
        sizes = dict(zip(self._nodes.names, self._nodes.sizes, strict=True))
        ranks, groups, banks = sizes.get("rank", 1), sizes.get("bankgroup", 1), sizes["bank"]
        if self._order == "column":
            walk = [Place(0, 0, 0)]
            repeat = 1
        elif self._order == "bank":
            walk = [Place(0, 0, bank) for bank in range(banks)]
            repeat = self._device.columns
        else:
            walk = [
                Place(rank, group, bank)
                for bank in range(banks)
                for rank in range(ranks)
                for group in range(groups)
            ]
            repeat = 1
        paths = [self._nodes.of_place(place) for place in walk]
        return (
            self._pattern("macs", [(self._key_of(path), *path) for path in paths]),
            len(walk),
            repeat,
        )

    def _macs(self, segment: Macs) -> list[int]:
        start, row = segment.start, segment.base_bytes // self._row_bytes
        period = self._walk_length * self._walk_repeat
        if self._order == "column":
            start += segment.base_bytes // self._burst
            row = 0
            period = self._device.columns
        return [
            *(self._ids[self._device.unit.mac], segment.count, start),
            *(self._walk, self._walk_length, self._walk_repeat, row),
            *(0, segment.channels, period),
        ]

    def _of_moves(self, segment: Moves) -> list[list[int]]:
        found = self._moves.get(segment)
        if found is None:
            found = self._moves[segment] = self._written_moves(segment)
        return found

    def _written_moves(self, segment: Moves) -> list[list[int]]:
        channels, command = segment.channels, self._ids[segment.command]
        total = len(segment.places) * segment.repeat * channels
        start = min(segment.start, total)
        stop = total if segment.stop is None else min(segment.stop, total)
        paths = [(0, *self._nodes.of_place(place)) for place in segment.places]
        pattern = self._pattern(segment.places, paths)
        places = (pattern, len(paths), segment.repeat)
        lines = []
        while start < stop:
            at_place, channel = divmod(start, channels)
            whole = (stop - start) // channels if channel == 0 else 0
            last = channels if whole else min(channels, channel + stop - start)
            count = max(whole, 1)
            lines.append([command, count, at_place, *places, 0, channel, last, 0])
            start += count * (last - channel)
        return lines

    def _access(self, segment: Access) -> list[int]:
        path = self._nodes.path(segment.place)
        pattern = self._pattern(segment.place, [(self._key_of(path), *path)])
        return [
            *(self._ids[segment.command], segment.count, segment.column, pattern, 1, 1),
            *(segment.row, 0, segment.channels, 1),
        ]


def mark_alike(runs: NDArray[np.int64], columns: int) -> None:
    """Note which runs are like some before, in the last three columns.

    Parameters
    ----------
    runs
        int64[n, 13]; changed.
    columns
        Bursts of a row.

    Notes
    -----
    Runs are alike that have the same commands, places and channels, begin at the same column, and
    lie in the same row or whole rows further; or that lie in one row wherever they begin.
    """
    same = [at.COMMAND, at.COUNT, at.PATTERN, at.LENGTH, at.REPEAT]
    same += [at.ROW_NUMBER, at.FIRST, at.LAST]
    row = np.maximum(runs[:, at.LENGTH], 1) * columns
    first = runs[:, at.START] // row
    last = (runs[:, at.START] + runs[:, at.COUNT] - 1) // row
    uses_rows = runs[:, at.PERIOD] > 0
    for back in range(2, MOST_BACK + 1):
        if len(runs) <= 3 * back:
            return
        now, then = runs[back:], runs[:-back]
        alike = (now[:, same] == then[:, same]).all(axis=1)
        shift = now[:, at.START] - then[:, at.START]
        whole = shift % row[back:] == 0
        within = (first[back:] == last[back:]) & (first[:-back] == last[:-back])
        within &= first[back:] == first[:-back]
        alike &= np.where(uses_rows[back:], whole | within, shift == 0)
        rows = np.where(uses_rows[back:] & whole, shift // row[back:], 0)
        _mark(runs, back, alike, rows, uses_rows)


def _mark(
    runs: NDArray[np.int64],
    back: int,
    alike: NDArray[np.bool_],
    rows: NDArray[np.int64],
    uses_rows: NDArray[np.bool_],
) -> None:
    """Mark stretches of runs alike, all with the same rows further, that are longer than a turn."""
    number = back
    while number < len(runs):
        if not alike[number - back]:
            number += 1
            continue
        begin = number
        on = -1
        while number < len(runs) and alike[number - back]:
            if uses_rows[number]:
                if on not in (-1, rows[number - back]):
                    break
                on = int(rows[number - back])
            number += 1
        if number - begin >= 2 * back and not runs[begin:number, at.BACK].any():
            runs[begin:number, at.BACK] = back
            runs[begin:number, at.ALIKE] = np.arange(number - begin, 0, -1)
            runs[begin:number, at.ROWS_ON] = max(on, 0)
