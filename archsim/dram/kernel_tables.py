"""The kernel's read-only table: a standard's rules and a controller's policies as integers.

Levels with one node are joined with the level above: their rules are the same. Rules that only
repeat a stricter one at the same node are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, prod
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from archsim.dram import layout as at
from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.dram.controller import ControllerConfig
    from archsim.dram.standard import Standard

Ints = npt.NDArray[np.int64]

SCHEDULERS: Final = {
    "fr-fcfs": at.FRFCFS,
    "fr-fcfs-row-hit": at.FRFCFS,
    "fr-fcfs-grouped": at.GROUPED,
    "fifo": at.FIFO,
}
PAGES: Final = {
    "open": at.OPEN,
    "closed": at.CLOSE,
    "open-adaptive": at.OPEN_ADAPTIVE,
    "closed-adaptive": at.CLOSE_ADAPTIVE,
}
BUFFERS: Final = {"read-write": at.READ_WRITE, "shared": at.SHARED, "bankwise": at.BANKWISE}
REFRESHES: Final = {"none": at.NO_REFRESH, "all-bank": at.ALL_BANK, "per-bank": at.PER_BANK}
ARBITERS: Final = {"simple": at.SIMPLE, "fifo": at.QUEUED, "reorder": at.IN_ORDER}


@dataclass(frozen=True)
class Rules:
    """Rules of a standard by joined level and command, in the kernel's order of commands.

    Attributes
    ----------
    nodes
        Nodes of each joined level in a channel.
    joined
        Joined level of each of the standard's levels down to the bank.
    within, between
        By (level, earlier command): {(later command, window): ticks} within a node, and
        {later command: ticks} between the nodes under one parent.
    counted
        By (level, earlier command): the commands that count together for its windows.
    """

    nodes: tuple[int, ...]
    joined: tuple[int, ...]
    within: dict[tuple[int, int], dict[tuple[int, int], int]]
    between: dict[tuple[int, int], dict[int, int]]
    counted: dict[tuple[int, int], tuple[int, ...]]


def roles_of(standard: Standard) -> dict[int, int]:
    """Return the kernel's number of each command of a standard."""
    names = {"ACT1": at.ACT, **{name: role for role, name in enumerate(at.ROLE_NAMES)}}
    return {index: names[command.name] for index, command in enumerate(standard.commands)}


def rules_of(standard: Standard) -> Rules:
    """Return a standard's rules, the occupancy of its command buses among them."""
    roles = roles_of(standard)
    nodes, joined = _join_levels(standard)
    within: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
    between: dict[tuple[int, int], dict[int, int]] = {}
    counted: dict[tuple[int, int], tuple[int, ...]] = {}
    for rule in standard.constraints:
        level = joined[rule.level]
        for first in rule.previous:
            if rule.window > 1:
                group = tuple(sorted(roles[index] for index in rule.previous))
                if counted.setdefault((level, roles[first]), group) != group:
                    raise ConfigError(
                        f"{standard.name}: a command counts for two windows of one level",
                        given=standard.commands[first].name,
                    )
            for second in rule.following:
                ticks = standard.gap(rule, first, second)
                if ticks <= 0:
                    continue
                if rule.sibling:
                    if standard.levels[rule.level].size > 1:
                        row = between.setdefault((level, roles[first]), {})
                        row[roles[second]] = max(ticks, row.get(roles[second], 0))
                    continue
                _keep(within, level, roles[first], roles[second], rule.window, ticks)
    for first, command in enumerate(standard.commands):
        for second, other in enumerate(standard.commands):
            if command.bus == other.bus and command.ticks > 1:
                _keep(within, 0, roles[first], roles[second], 1, command.ticks)
    return Rules(nodes, joined, within, between, counted)


def _keep(
    within: dict[tuple[int, int], dict[tuple[int, int], int]],
    level: int,
    first: int,
    second: int,
    window: int,
    ticks: int,
) -> None:
    row = within.setdefault((level, first), {})
    row[second, window] = max(ticks, row.get((second, window), 0))


def _join_levels(standard: Standard) -> tuple[tuple[int, ...], tuple[int, ...]]:
    nodes: list[int] = []
    joined: list[int] = []
    total = 1
    for level in standard.levels[: standard.bank_level + 1]:
        total *= level.size
        if not nodes or level.size > 1:
            nodes.append(total)
        joined.append(len(nodes) - 1)
    return tuple(nodes), tuple(joined)


class _Table:
    """Collects the header and the arrays behind it."""

    def __init__(self) -> None:
        self.header = [0] * at.T_HEADER
        self.body: list[int] = []

    def add(self, place: int, values: list[int]) -> None:
        """Append an array and note where it begins."""
        self.header[place] = at.T_HEADER + len(self.body)
        self.body += values

    def array(self) -> Ints:
        """Return the table."""
        return np.array(self.header + self.body, dtype=np.int64)


def build_table(standard: Standard, controller: ControllerConfig, channels: int) -> Ints:
    """Return the table of a memory; :mod:`archsim.dram.run` fills in what a run adds."""
    rules = rules_of(standard)
    table = _Table()
    _device(table, standard, rules)
    _distances(table, rules)
    depths = _pasts(table, rules)
    _policies(table, standard, controller, channels)
    _places(table, rules, depths)
    return table.array()


def _device(table: _Table, standard: Standard, rules: Rules) -> None:
    head = table.header
    banks = rules.nodes[-1]
    scopes = prod(level.size for level in standard.levels[: standard.refresh.scope_level + 1])
    names = {command.name for command in standard.commands}
    head[at.T_LEVELS], head[at.T_BANKS] = len(rules.nodes), banks
    head[at.T_SPLIT] = int(any(command.bus == "row" for command in standard.commands))
    head[at.T_HALF] = int(standard.ticks_per_clock == 2)
    head[at.T_TWO_PART] = int("ACT2" in names)
    head[at.T_RL] = standard.read_latency_ticks
    head[at.T_AAD] = standard.timings.get("nAAD", 0)
    burst, post = standard.burst_ticks, standard.timings.get("nWCKPST", 0)
    head[at.T_WCK_RD] = standard.timings["nCL"] + burst + post
    head[at.T_WCK_WR] = standard.write_latency_ticks + burst + post
    head[at.T_SCOPES], head[at.T_SCOPE_BANKS] = scopes, banks // scopes
    head[at.T_SCOPE_LEVEL] = rules.joined[standard.refresh.scope_level]
    head[at.T_REFI] = standard.refresh.interval_ticks
    head[at.T_REFI_BANK] = standard.refresh.per_bank_interval_ticks or 0
    offsets = [sum(rules.nodes[:level]) for level in range(len(rules.nodes))]
    per_node = [banks // count for count in rules.nodes]
    table.add(at.AT_OFFSET, offsets)
    table.add(at.AT_BANKS_PER, per_node)
    fanouts = [count // above for count, above in zip(rules.nodes, (1, *rules.nodes), strict=False)]
    table.add(at.AT_FANOUT, fanouts)
    table.add(
        at.AT_PATH,
        [
            (offset + bank // each) * at.ROLES
            for bank in range(banks)
            for offset, each in zip(offsets, per_node, strict=True)
        ],
    )
    table.add(at.AT_TURN, list(range(banks // scopes)))


def _distances(table: _Table, rules: Rules) -> None:
    """Add the rules as lists, those of a (level, command) next to each other."""
    starts, entries, sibling_starts, sibling_entries = [0], [], [0], []
    later = [0] * (len(rules.nodes) * at.ROLES)
    for level in range(len(rules.nodes)):
        for command in range(at.ROLES):
            for (second, window), ticks in sorted(rules.within.get((level, command), {}).items()):
                entries += [second, ticks, window]
                later[level * at.ROLES + second] = 1
            for second, ticks in sorted(rules.between.get((level, command), {}).items()):
                sibling_entries += [second, ticks]
                later[level * at.ROLES + second] = 1
            starts.append(len(entries) // 3)
            sibling_starts.append(len(sibling_entries) // 2)
    table.add(at.AT_RULES_OF, starts)
    table.add(at.AT_RULES, entries)
    table.add(at.AT_SIBLINGS_OF, sibling_starts)
    table.add(at.AT_SIBLINGS, sibling_entries)
    table.add(at.AT_LATER, later)


def _pasts(table: _Table, rules: Rules) -> int:
    """Add where the last issue ticks of commands with windows are kept; return their number.

    Commands that count together share a place.
    """
    places, depths, total = [], [], 0
    known: dict[tuple[int, tuple[int, ...]], int] = {}
    for level, nodes in enumerate(rules.nodes):
        for command in range(at.ROLES):
            group = rules.counted.get((level, command), ())
            depth = max(
                (window for member in group for _, window in rules.within.get((level, member), {})),
                default=1,
            )
            if group and (level, group) not in known:
                known[level, group] = total
                total += nodes * depth
            places.append(known[level, group] if group else -1)
            depths.append(depth)
    table.add(at.AT_PAST_OF, places)
    table.add(at.AT_PAST_DEPTH, depths)
    return total


def _policies(
    table: _Table, standard: Standard, controller: ControllerConfig, channels: int
) -> None:
    head = table.header
    head[at.T_SCHEDULER] = SCHEDULERS[controller.scheduler]
    head[at.T_PROTECT] = int(controller.scheduler == "fr-fcfs-row-hit")
    head[at.T_CAP] = controller.row_hit_cap
    head[at.T_PAGE] = PAGES[controller.page_policy]
    head[at.T_BUFFERS] = BUFFERS[controller.buffers]
    head[at.T_ORDERED] = int(controller.buffers != "read-write")
    size = controller.request_buffer_size
    writes = controller.write_buffer_size or size
    head[at.T_READ_SIZE], head[at.T_WRITE_SIZE] = size, writes
    banks = head[at.T_BANKS] if controller.buffers == "bankwise" else 1
    head[at.T_LIST_SIZE] = max(size * banks, writes)
    head[at.T_HIGH] = floor(controller.write_high_watermark * writes + 1e-9)
    head[at.T_LOW] = ceil(controller.write_low_watermark * writes - 1e-9)
    head[at.T_FORWARD], head[at.T_MERGE] = int(controller.forwarding), int(controller.merging)
    head[at.T_REFRESH] = REFRESHES[controller.refresh]
    head[at.T_POSTPONE] = controller.refresh_max_postponed
    head[at.T_PULL_IN] = controller.refresh_max_pulled_in
    head[at.T_FIFO_RESPONSE] = int(controller.response_queue == "fifo")
    head[at.T_POSTED] = int(controller.posted_writes)
    head[at.T_CHANNELS] = channels
    head[at.T_PER_TICK] = controller.requests_per_tick or channels * standard.num_data_buses
    head[at.T_WINDOW] = controller.max_active_transactions
    head[at.T_ARBITER] = ARBITERS[controller.arbiter]


def _places(table: _Table, rules: Rules, depths: int) -> None:
    """Lay out a channel's state behind its scalars."""
    head = table.header
    banks, scopes = head[at.T_BANKS], head[at.T_SCOPES]
    refreshes = (2 * head[at.T_POSTPONE] + head[at.T_PULL_IN] + 8) * scopes * 8
    sizes = {
        at.AT_READY: sum(rules.nodes) * at.ROLES,
        at.AT_PAST: depths,
        **dict.fromkeys((at.AT_ROW, at.AT_HITS, at.AT_ACTIVE_OF, at.AT_BLOCKED), banks),
        **dict.fromkeys((at.AT_SEEN, at.AT_CONFLICT, at.AT_HELD, at.AT_TRIED), banks),
        **dict.fromkeys((at.AT_OPEN, at.AT_OPEN_SINCE, at.AT_OPEN_TICKS, at.AT_WCK_END), scopes),
        **dict.fromkeys((at.AT_ACTIVE_IN, at.AT_DEBT, at.AT_TURN_OF, at.AT_PENDING), scopes),
        at.AT_OPTIONAL: scopes,
        at.AT_LIST: 2 * head[at.T_LIST_SIZE] * at.L_WIDTH,
        at.AT_ACTIVE: (banks + 1) * at.L_WIDTH,
        at.AT_QUEUE: refreshes,
        at.AT_BANK_QUEUE: refreshes + banks,
        at.AT_COUNT: at.ROLES,
    }
    place = at.S_HEADER
    for name, size in sizes.items():
        head[name] = place
        place += size
    head[at.T_STATE] = place


def fresh_state(tab: Ints) -> Ints:
    """Return the state of all channels before the first tick."""
    channels = int(tab[at.T_CHANNELS])
    states = np.zeros((channels, int(tab[at.T_STATE])), dtype=np.int64)
    first_past, first_row = int(tab[at.AT_PAST]), int(tab[at.AT_ROW])
    states[:, first_past:first_row] = -1
    states[:, first_row : first_row + int(tab[at.T_BANKS])] = at.CLOSED
    states[:, [at.S_TICK, at.S_ROW_TICK]] = at.NEVER
    states[:, at.S_ACT2_BANK] = -1
    states[:, at.S_PAIR_TICK] = -1
    interval = at.T_REFI if tab[at.T_REFRESH] == at.ALL_BANK else at.T_REFI_BANK
    states[:, at.S_REFRESH_TICK] = tab[interval]
    return states
