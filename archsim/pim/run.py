"""Runs request streams through the controllers of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from archsim.pim import kernel_layout as at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Stream


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
        int64[m, 4]: tick, command, class, request; None unless asked for.
    """

    ticks: int
    counts: Mapping[str, int]
    channel_counts: NDArray[np.int64]
    classes: tuple[int, ...]
    log: NDArray[np.int64] | None


@dataclass(frozen=True)
class _Tables:
    facts: NDArray[np.int64]
    rules: NDArray[np.int64]
    gaps: NDArray[np.int64]


def simulate(device: PimDevice, stream: Stream, *, log_commands: bool = False) -> PimRun:
    """Run a stream from the first tick on.

    Parameters
    ----------
    device
        The stack.
    stream
        Requests of all its channels.
    log_commands
        Whether to keep every command.
    """
    from archsim.pim.kernel import drive

    tables = _tables(device)
    requests, classes = _classed(stream.requests)
    numbers = np.zeros(11, np.int64)
    standard = device.standard
    numbers[at.CHANNELS] = len(classes) - 1
    numbers[at.QUEUE_ROOM] = device.controller.queue
    numbers[at.KEYS] = stream.keys
    numbers[at.LEVELS] = 5
    numbers[at.SCOPES] = device.sizes.get("pseudochannel", 1)
    if device.controller.refresh == "all-bank":
        numbers[at.INTERVAL] = standard.refresh.interval_ticks
    numbers[at.PRECHARGE_ALL] = standard.command_id("PREA")
    numbers[at.REFRESH] = standard.command_id("REFab")
    numbers[at.STRICT] = device.controller.refresh_checks == "all-levels"
    numbers[at.LOG] = log_commands
    numbers[at.COMMANDS] = len(standard.commands)
    rows = 4 * len(requests) * (len(classes) - 1) + 1024 if log_commands else 1
    log = np.empty((rows, at.LOG_COLUMNS), np.int64)
    ticks, counts, logged = drive(
        requests, tables.facts, tables.rules, tables.gaps, numbers, stream.num_nodes, log
    )
    widths = np.diff(np.array(classes))
    total = (counts * widths[:, None]).sum(axis=0)
    names = [command.name for command in standard.commands]
    return PimRun(
        ticks=int(ticks),
        counts={name: int(n) for name, n in zip(names, total, strict=True) if n},
        channel_counts=counts,
        classes=tuple(classes[:-1]),
        log=log[:logged] if log_commands else None,
    )


def _classed(requests: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """Renumber ranges of channels to classes of channels that get the same requests."""
    edges = np.unique(requests[:, at.FIRST : at.LAST + 1])
    found = requests.copy()
    found[:, at.FIRST : at.LAST + 1] = np.searchsorted(edges, requests[:, at.FIRST : at.LAST + 1])
    return found, edges.tolist()


@lru_cache(maxsize=32)
def _tables(device: PimDevice) -> _Tables:
    standard = device.standard
    commands = len(standard.commands)
    facts = np.zeros((commands, 6), np.int64)
    facts[:, at.OPENS_WITH] = facts[:, at.CLOSES_WITH] = at.NONE
    for number, command in enumerate(standard.commands):
        facts[number, at.BUS] = at.ROW if command.bus == "row" else at.COLUMN
        facts[number, at.IS_OPENING] = command.meaning.opens
        facts[number, at.IS_CLOSING] = command.meaning.closes
        facts[number, at.SCOPE] = 4
    mac = standard.command_id(device.unit.mac)
    facts[mac, at.OPENS_WITH] = standard.command_id(device.unit.activate)
    facts[mac, at.CLOSES_WITH] = standard.command_id(device.unit.precharge)
    _set_scopes(device, facts)
    gaps: list[list[tuple[int, int]]] = [[] for _ in range(5 * commands)]
    for rule in standard.constraints:
        for previous in rule.previous:
            for following in rule.following:
                gap = standard.gap(rule, previous, following)
                gaps[rule.level * commands + previous].append((following, gap))
    offsets = np.cumsum([0, *(len(part) for part in gaps)])
    flat = np.array([pair for part in gaps for pair in part], np.int64).reshape(-1, 2)
    return _Tables(facts, offsets.astype(np.int64), flat)


def _set_scopes(device: PimDevice, facts: NDArray[np.int64]) -> None:
    """Cut the levels at which commands of the whole channel are checked, as the recording does."""
    if device.controller.refresh_checks == "all-levels":
        return
    for name in ("PREA", "REFab", device.moves.softmax):
        facts[device.standard.command_id(name), at.SCOPE] = 0
