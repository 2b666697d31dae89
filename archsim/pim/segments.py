"""Request streams as runs of like requests, written by mappings and expanded for the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    command: str
    places: tuple[Place, ...]
    channels: int
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Barrier:
    """Everything before issues before anything after, activations and precharges apart."""


Segment = Macs | Moves | Barrier
BARRIER = Barrier()


@dataclass(frozen=True)
class Stream:
    """Requests in program order, by ranges of channels.

    Attributes
    ----------
    requests
        int64[n, 11], see :mod:`archsim.pim.kernel_layout`; channel ranges, not classes.
    num_nodes
        Nodes of a channel.
    keys
        Row states of a channel.
    """

    requests: NDArray[np.int64]
    num_nodes: int
    keys: int


class StreamWriter:
    """Expands segments for one device.

    Parameters
    ----------
    device
        Levels and commands.
    order
        How MACs walk; None for what suits the units.
    """

    def __init__(self, device: PimDevice, order: Order | None = None) -> None:
        self._device = device
        standard = device.standard
        sizes = device.sizes
        self._scopes = sizes.get("pseudochannel", 1)
        self._ranks, self._groups, self._banks = (
            sizes.get("rank", 1),
            sizes.get("bankgroup", 1),
            sizes["bank"],
        )
        first_rank = 1 + self._scopes
        first_group = first_rank + self._ranks
        first_bank = first_group + self._ranks * self._groups
        self._first = (first_rank, first_group, first_bank)
        self.num_nodes = first_bank + self._ranks * self._groups * self._banks
        self._row_bytes = device.columns * standard.burst_bytes
        self._mac = standard.command_id(device.unit.mac)
        self._order: Order = order or ORDERS[device.unit.placement]
        self._mac_row = np.zeros(at.WIDTH, np.int64)
        self._mac_row[at.COMMAND] = self._mac
        zero = np.zeros(1, np.int64)
        self._put_places(self._mac_row[np.newaxis], zero, zero, zero)
        self._barrier = np.zeros((1, at.WIDTH), np.int64)
        self._barrier[0, at.COMMAND] = at.BARRIER
        self._barrier[0, at.LAST] = device.channels
        self._known: dict[Segment, NDArray[np.int64]] = {}

    @property
    def keys(self) -> int:
        """Row states of a channel that change apart."""
        placement = self._device.unit.placement
        if placement == "bank":
            return 1
        if placement == "bankgroup":
            return self._banks
        return self._ranks * self._groups * self._banks

    def write(self, segments: Sequence[Segment]) -> Stream:
        """Return the requests of some segments."""
        rows = np.concatenate([self._rows(segment) for segment in segments])
        rows[0, at.ALIKE] = 0
        rows[1:, at.ALIKE] = (rows[1:, : at.ALIKE] == rows[:-1, : at.ALIKE]).all(axis=1)
        return Stream(rows, self.num_nodes, self.keys)

    def _rows(self, segment: Segment) -> NDArray[np.int64]:
        if isinstance(segment, Barrier):
            return self._barrier
        if isinstance(segment, Macs):
            return self._mac_rows(segment)
        found = self._known.get(segment)
        if found is None:
            found = self._known[segment] = self._move_rows(segment)
        return found

    def _mac_rows(self, segment: Macs) -> NDArray[np.int64]:
        index = np.arange(segment.start, segment.start + segment.count)
        columns = self._device.columns
        burst = self._device.standard.burst_bytes
        rows = np.empty((segment.count, at.WIDTH), np.int64)
        rows[:] = self._mac_row
        rows[:, at.LAST] = segment.channels
        if self._order == "column":
            index += segment.base_bytes // burst
            rows[:, at.ROW_NUMBER] = index // columns
            rows[:, at.COLUMN_NUMBER] = index % columns
            return rows
        zero = np.zeros_like(index)
        first_row = segment.base_bytes // self._row_bytes
        if self._order == "bank":
            whole = index // columns
            bank, rank, group = whole % self._banks, zero, zero
            rows[:, at.ROW_NUMBER] = whole // self._banks + first_row
            rows[:, at.COLUMN_NUMBER] = index % columns
        else:
            per_round = self._ranks * self._groups
            rank, group = index % per_round // self._groups, index % self._groups
            bank = index // per_round % self._banks
            column = index // (per_round * self._banks)
            rows[:, at.ROW_NUMBER] = column // columns + first_row
            rows[:, at.COLUMN_NUMBER] = column % columns
        self._put_places(rows, rank, group, bank)
        rows[:, at.KEY] = bank
        if self._order == "rank-group":
            rows[:, at.KEY] = rows[:, at.NODES + 3] - self._first[2]
        return rows

    def _move_rows(self, segment: Moves) -> NDArray[np.int64]:
        channels = segment.channels
        total = len(segment.places) * channels
        start = min(segment.start, total)
        stop = total if segment.stop is None else min(segment.stop, total)
        first, last = start // channels, -(-stop // channels)
        if stop <= start:
            return np.empty((0, at.WIDTH), np.int64)
        places = np.array(segment.places[first:last], np.int64)
        rows = np.zeros((last - first, at.WIDTH), np.int64)
        rows[:, at.COMMAND] = self._device.standard.command_id(segment.command)
        rows[:, at.LAST] = channels
        rows[0, at.FIRST] = start - first * channels
        rows[-1, at.LAST] = stop - (last - 1) * channels
        self._put_places(rows, places[:, 0], places[:, 1], places[:, 2])
        return rows

    def _put_places(
        self,
        rows: NDArray[np.int64],
        rank: NDArray[np.int64],
        group: NDArray[np.int64],
        bank: NDArray[np.int64],
    ) -> None:
        first_rank, first_group, first_bank = self._first
        groups = rank * self._groups + group
        rows[:, at.NODES] = 1
        rows[:, at.NODES + 1] = first_rank + rank
        rows[:, at.NODES + 2] = first_group + groups
        rows[:, at.NODES + 3] = first_bank + groups * self._banks + bank
