"""Runs request streams through the controllers of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError
from archsim.pim import kernel_layout as at
from archsim.pim.segments import Nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Stream

POLICIES: Final[Mapping[str, int]] = {
    "first-ready": at.SERVE_FIRST_READY,
    "in-order": at.SERVE_IN_ORDER,
    "fenced": at.SERVE_FENCED,
}
"""Controllers by what they serve next."""
NEVER: Final = 1 << 62
QUEUES: Final = 4
"""Queues for which the buffer of a queue has room, before its entries move back."""


@dataclass(frozen=True)
class PimRun:
    """What a stack did.

    Attributes
    ----------
    ticks
        Last tick in which something issued.
    counts
        Commands sent in all channels, by name.
    channel_counts
        Commands by class of channels, and the first channel of each class.
    log
        int64[m, 11]: see :mod:`archsim.pim.kernel_layout`; None unless asked for.
    """

    ticks: int
    counts: Mapping[str, int]
    channel_counts: NDArray[np.int64]
    classes: tuple[int, ...]
    log: NDArray[np.int64] | None


def simulate(
    device: PimDevice, stream: Stream, *, log_commands: bool = False, fold: bool = True
) -> PimRun:
    """Run a stream from the first tick on.

    Parameters
    ----------
    device
        The stack.
    stream
        Requests of all its channels.
    log_commands
        Whether to keep every command; nothing is folded then.
    fold
        Whether to jump over requests that repeat themselves; the result is the same.
    """
    runs, classes = _classed(stream.runs)
    table, room = _table(device).copy(), device.controller.queue
    table[at.CHANNELS] = len(classes) - 1
    table[at.KEYS] = stream.keys
    table[at.LOGGING] = log_commands
    table[at.FOLDING] = fold and not log_commands
    table[at.NUM_NODES] = stream.num_nodes
    keys = stream.key_places.reshape(-1)
    table[at.KEY_PLACES : at.KEY_PLACES + len(keys)] = keys
    ticks, memory, logged, log = _drive(
        table, runs, stream, room, 4 * stream.num_requests + 1024 if log_commands else 1
    )
    if log_commands and logged > len(log):
        ticks, memory, logged, log = _drive(table, runs, stream, room, logged)
    names = [command.name for command in device.standard.commands]
    counts = memory[:, at.COUNTS : at.COUNTS + len(names)]
    total = (counts * np.diff(np.array(classes))[:, None]).sum(axis=0)
    return PimRun(
        ticks=int(ticks),
        counts={name: int(n) for name, n in zip(names, total, strict=True) if n},
        channel_counts=counts,
        classes=tuple(classes[:-1]),
        log=log[:logged] if log_commands else None,
    )


def _drive(
    table: NDArray[np.int64],
    runs: NDArray[np.int64],
    stream: Stream,
    room: int,
    log_rows: int,
) -> tuple[int, NDArray[np.int64], int, NDArray[np.int64]]:
    """Run a stream from a fresh state; return ticks, memory, rows to log, and the log."""
    from archsim.pim.kernel import drive

    log = np.full((log_rows, at.LOG_COLUMNS), at.NONE, np.int64)
    words = int(table[at.HISTORY] + table[at.NUM_WINDOWS] * at.MAX_NODES * at.MAX_WINDOW)
    memory = np.zeros((3, int(table[at.CHANNELS]), words), np.int64)
    memory[0, :, at.OPEN_ROWS : at.OPEN_ROWS + stream.keys] = at.NONE
    memory[0, :, table[at.HISTORY] :] = -at.HORIZON
    cursor = np.zeros((3, at.CURSOR), np.int64)
    cursor[0, at.ROOM] = QUEUES * room
    cursor[0, at.NEXT_REFRESH] = table[at.FIRST_REFRESH] or NEVER
    cursor[0, at.AT_CHANNEL] = runs[0, at.FIRST] if len(runs) else 0
    ticks = drive(table, memory[0], cursor[0], log, runs, stream.places, memory[1:], cursor[1:])
    return int(ticks), memory[0], int(cursor[0, at.LOGGED]), log


def _classed(runs: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """Renumber ranges of channels to classes of channels that get the same requests."""
    edges = np.unique(runs[:, at.FIRST : at.LAST + 1])
    found = runs.copy()
    found[:, at.FIRST : at.LAST + 1] = np.searchsorted(edges, runs[:, at.FIRST : at.LAST + 1])
    return found, edges.tolist()


@lru_cache(maxsize=64)
def _table(device: PimDevice) -> NDArray[np.int64]:
    """Return the table of a device, without what a stream adds."""
    standard = device.standard
    gaps: list[list[tuple[int, ...]]] = [[] for _ in range(at.MAX_DEPTH * at.MAX_COMMANDS)]
    windows: list[list[tuple[int, ...]]] = [[] for _ in range(at.MAX_DEPTH * at.MAX_COMMANDS)]
    for rule in standard.constraints:
        for previous in rule.previous:
            for following in rule.following:
                gap = standard.gap(rule, previous, following)
                line = rule.level * at.MAX_COMMANDS + previous
                if rule.window == 1:
                    gaps[line].append((following, gap))
                else:
                    windows[line].append((following, rule.window, gap))
    flat_gaps, flat_windows = _flat(gaps), _flat(windows)
    table = np.zeros(at.TABLE + len(flat_gaps) + len(flat_windows), np.int64)
    _put_numbers(device, table)
    _put_facts(device, table[at.FACTS : at.KEY_PLACES].reshape(-1, at.FACT_COLUMNS))
    table[at.RULES : at.WINDOW_RULES] = _offsets(gaps)
    table[at.WINDOW_RULES : at.TABLE] = _offsets(windows)
    table[at.GAPS] = at.TABLE
    table[at.WINDOWS] = at.TABLE + len(flat_gaps)
    table[at.NUM_WINDOWS] = len(flat_windows) // 3
    table[at.TABLE :] = [*flat_gaps, *flat_windows]
    _check_limits(device, windows)
    return table


def _check_limits(device: PimDevice, windows: list[list[tuple[int, ...]]]) -> None:
    """Refuse what the kernel has no room for."""
    of = max((row[1] for part in windows for row in part), default=1)
    far = max((row[2] for part in windows for row in part), default=0)
    for what, need, have in (
        ("commands", len(device.standard.commands), at.MAX_COMMANDS),
        ("nodes of a channel", Nodes(device).total, at.MAX_NODES),
        ("levels", device.standard.bank_level, at.MAX_LEVELS),
        ("commands in a window", of, at.MAX_WINDOW),
        ("ticks of a window", far, at.HORIZON),
    ):
        if need > have:
            raise ConfigError(
                f"{device.standard.name} has too many {what}", given=need, allowed=f"at most {have}"
            )


def _flat(parts: list[list[tuple[int, ...]]]) -> list[int]:
    return [value for part in parts for row in part for value in row]


def _offsets(parts: list[list[tuple[int, ...]]]) -> NDArray[np.int64]:
    return np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)


def _put_facts(device: PimDevice, facts: NDArray[np.int64]) -> None:
    standard, controller = device.standard, device.controller
    facts[:, at.OPENS_WITH] = facts[:, at.CLOSES_WITH] = at.NONE
    facts[:, at.SCOPE] = standard.bank_level
    facts[:, at.PARTS] = 1
    for number, command in enumerate(standard.commands):
        facts[number, at.BUS] = at.ROW if command.bus == "row" else at.COLUMN
        facts[number, at.IS_OPENING] = command.meaning.opens
        facts[number, at.IS_CLOSING] = command.meaning.closes
        facts[number, at.BROADCAST] = command.meaning.scope == "all"
        facts[number, at.ALONE] = command.name in controller.alone
        facts[number, at.MODE] = command.name in controller.register_mode
        facts[number, at.BLOCKS] = controller.host_waits.get(command.name, 0)
    for name, row in device.row_commands.items():
        number, activate = standard.command_id(name), standard.command_id(row.activate)
        facts[number, at.OPENS_WITH] = activate
        facts[number, at.CLOSES_WITH] = standard.command_id(row.precharge)
        facts[number, at.PARTS] = facts[activate, at.PARTS] = row.parts
    if controller.refresh_checks == "channel":
        for name in ("PREA", "REFab", device.moves.softmax):
            facts[standard.command_id(name), at.SCOPE] = 0


def _put_numbers(device: PimDevice, numbers: NDArray[np.int64]) -> None:
    standard, controller = device.standard, device.controller
    switch = controller.switch
    names = Nodes(device).names
    numbers[at.QUEUE_ROOM] = controller.queue
    numbers[at.HISTORY] = at.QUEUE + QUEUES * controller.queue * at.ENTRY
    numbers[at.LEVELS] = standard.bank_level + 1
    numbers[at.SCOPE_LEVEL] = standard.refresh.scope_level
    numbers[at.SCOPES] = standard.levels[1].size if standard.refresh.scope_level else 1
    if controller.refresh == "all-bank":
        numbers[at.INTERVAL] = standard.refresh.interval_ticks
        numbers[at.FIRST_REFRESH] = device.first_refresh_ticks
    numbers[at.PRECHARGE_ALL] = standard.command_id("PREA")
    numbers[at.REFRESH] = standard.command_id("REFab")
    numbers[at.SWITCH] = at.NONE if switch is None else standard.command_id(switch)
    numbers[at.STRICT] = controller.refresh_checks == "all-levels"
    numbers[at.COMMANDS] = len(standard.commands)
    numbers[at.COLUMNS] = device.columns
    numbers[at.POLICY] = POLICIES[controller.policy]
    numbers[at.BUSES] = len({command.bus for command in standard.commands})
    numbers[at.PART_LEVEL] = names.index("bankgroup") + 1 if "bankgroup" in names else at.NONE
    numbers[at.PART_RANKS] = device.sizes.get("rank", 1)
    numbers[at.PART_GROUPS] = device.sizes.get("bankgroup", 1)
