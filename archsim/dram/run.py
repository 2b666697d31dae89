"""Running requests through the controllers of a memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archsim.dram import layout as at
from archsim.dram.address_map import AddressMap, Decoded
from archsim.dram.jit import compiled_drive
from archsim.dram.kernel_drive import FINISHED, LOG_FULL, LOG_ROOM
from archsim.dram.kernel_tables import build_table, fresh_state
from archsim.errors import ConfigError, SimulationError

if TYPE_CHECKING:
    from archsim.dram.controller import ControllerConfig
    from archsim.dram.patterns import Requests
    from archsim.dram.standard import Standard

Ints = npt.NDArray[np.int64]

MAX_REQUESTS = 20_000_000
"""Most requests of one run; their state is held in memory."""


@dataclass(frozen=True)
class CommandLog:
    """The commands of a run, in issue order.

    Attributes
    ----------
    tick
        Issue tick, the first being 1.
    command
        Index into the standard's commands.
    channel
        Channel.
    address
        [m, levels below the channel]; -1 where a command means all.
    """

    tick: Ints
    command: Ints
    channel: Ints
    address: Ints

    def lines(self, standard: Standard, *, channels: bool = False) -> str:
        """Return one line for each command: ``tick,NAME,field,…``, with the channel first if asked.

        Fields are the levels below the channel down to the column, -1 for all.
        """
        names = [command.name for command in standard.commands]
        rows = zip(
            self.channel.tolist(),
            self.tick.tolist(),
            self.command.tolist(),
            self.address.tolist(),
            strict=True,
        )
        return "".join(
            f"{f'{channel},' if channels else ''}{tick},{names[command]},"
            f"{','.join(map(str, address))}\n"
            for channel, tick, command, address in rows
        )


@dataclass(frozen=True)
class DramRun:
    """What a run of requests gave.

    Attributes
    ----------
    ticks
        Tick of the last event: data of a read complete, or write command issued.
    arrival_ticks, done_ticks, response_ticks
        By request: accepted by its controller; data complete (write: command issued); response.
    outcome
        By request: hit, miss, conflict, forwarded or merged, as in :mod:`archsim.dram.layout`.
    counts
        Commands by name, all channels together.
    open_ticks
        Ticks in which a refresh scope had a bank open, summed over scopes and channels.
    scopes
        Refresh scopes, all channels together.
    commands
        The commands themselves, if they were asked for.
    """

    ticks: int
    arrival_ticks: Ints
    done_ticks: Ints
    response_ticks: Ints
    writes: npt.NDArray[np.bool_]
    outcome: Ints
    counts: Mapping[str, int]
    open_ticks: int
    scopes: int
    commands: CommandLog | None


def simulate_requests(
    standard: Standard,
    controller: ControllerConfig,
    requests: Requests,
    *,
    channels: int = 1,
    log_commands: bool = False,
) -> DramRun:
    """Run requests in program order through the controllers of all channels.

    Parameters
    ----------
    standard
        The devices of a channel.
    controller
        Policies.
    requests
        Blocks, directions and earliest ticks; a ``window`` of more than 0 limits the requests
        outstanding and takes the place of ``max_active_transactions``.
    channels
        Channels side by side.
    log_commands
        Whether to keep every command.

    Raises
    ------
    ConfigError
        No requests, or more than :data:`MAX_REQUESTS`; an address map that does not fit; a refresh
        policy that the standard lacks.
    """
    num = len(requests.blocks)
    if not 0 < num <= MAX_REQUESTS:
        raise ConfigError(
            "wrong number of requests", given=num, allowed=f"from 1 to {MAX_REQUESTS}"
        )
    check_policies(standard, controller)
    where = AddressMap.of(standard, controller.address_map, controller.address_xor, channels)
    decoded = where.decode(requests.blocks)
    tab = build_table(standard, controller, channels)
    if requests.window > 0:
        tab[at.T_WINDOW] = requests.window
    tab[at.T_NUM], tab[at.T_LOG] = num, int(log_commands)
    tab[at.T_RING] = int(tab[at.T_WINDOW]) + 1
    rq = _request_rows(requests, decoded)
    states = fresh_state(tab)
    reads = np.bincount(decoded.channel[~requests.writes], minlength=channels)
    states[:, at.S_RESPOND_AT] = np.concatenate(([0], np.cumsum(reads)[:-1]))
    shared = np.zeros(at.G_WIDTH, dtype=np.int64)
    log = _run_to_end(tab, states, shared, rq, 4 * num if log_commands else 0)
    return _collected(standard, tab, states, shared, rq, requests, decoded, log)


def check_policies(standard: Standard, controller: ControllerConfig) -> None:
    """Refuse policies that a standard cannot follow.

    Raises
    ------
    ConfigError
        Names the parameter.
    """
    path = "hardware.controller."
    refresh = standard.refresh
    if controller.refresh == "per-bank" and refresh.per_bank_interval_ticks is None:
        raise ConfigError(
            f"{standard.name} has no per-bank refresh",
            path=f"{path}refresh",
            given="per-bank",
            allowed=["all-bank", "none"],
        )
    for name, given, most in (
        ("refresh_max_postponed", controller.refresh_max_postponed, refresh.max_postponed),
        ("refresh_max_pulled_in", controller.refresh_max_pulled_in, refresh.max_pulled_in),
    ):
        if given > most:
            raise ConfigError(
                f"is more than {standard.name} allows",
                path=path + name,
                given=given,
                allowed=f"at most {most}",
            )
    if controller.write_low_watermark > controller.write_high_watermark:
        raise ConfigError(
            "is above the high watermark",
            path=f"{path}write_low_watermark",
            given=controller.write_low_watermark,
            allowed=f"at most {controller.write_high_watermark}",
        )


def _request_rows(requests: Requests, decoded: Decoded) -> Ints:
    rows = np.full((len(requests.blocks), at.R_WIDTH), -1, dtype=np.int64)
    rows[:, at.R_CHANNEL] = decoded.channel
    rows[:, at.R_BANK] = decoded.bank
    rows[:, at.R_ROW] = decoded.fields[:, -2]
    rows[:, at.R_COLUMN] = decoded.fields[:, -1]
    rows[:, at.R_WRITE] = requests.writes
    rows[:, at.R_BLOCK] = requests.blocks
    rows[:, at.R_EARLIEST] = requests.earliest_ticks
    rows[:, at.R_OUTCOME] = 0
    return rows


def _run_to_end(tab: Ints, states: Ints, shared: Ints, rq: Ints, room: int) -> Ints:
    """Run the kernel until every request is answered; return the log."""
    channels = len(states)
    rings = np.zeros(channels * int(tab[at.T_RING]), dtype=np.int64)
    answers = np.zeros(len(rq), dtype=np.int64)
    changed = np.zeros(channels, dtype=np.int64)
    channel_of = rq[:, at.R_CHANNEL]
    order = np.argsort(channel_of, kind="stable")
    ends = np.cumsum(np.bincount(channel_of, minlength=channels))
    states[:, at.S_CURSOR_END] = ends
    states[1:, at.S_CURSOR] = ends[:-1]
    log = np.zeros((room + 4 * (LOG_ROOM + channels), at.C_WIDTH), dtype=np.int64)
    drive = compiled_drive()
    flat = (tab, states.reshape(-1), shared, rq.reshape(-1), rings, answers)
    while True:
        tab[at.T_LOG_ROOM] = len(log)
        status = drive(*flat, log.reshape(-1), changed, order)
        if status == FINISHED:
            log = log[: int(shared[at.G_LOGGED])]
            asked = log[:, at.C_REQUEST] >= 0
            log[asked, at.C_REQUEST] //= at.R_WIDTH
            return log
        if status != LOG_FULL:
            raise SimulationError("the memory controller made no progress; please report the run")
        log = np.concatenate((log, np.zeros_like(log)))


def _collected(
    standard: Standard,
    tab: Ints,
    states: Ints,
    shared: Ints,
    rq: Ints,
    requests: Requests,
    decoded: Decoded,
    log: Ints,
) -> DramRun:
    ticks = int(shared[at.G_LAST])
    counts = states[:, int(tab[at.AT_COUNT]) :][:, : at.ROLES].sum(axis=0)
    names = [command.name for command in standard.commands]
    by_name = {
        name: int(counts[at.ACT if name == "ACT1" else at.ROLE_NAMES.index(name)]) for name in names
    }
    scopes = int(tab[at.T_SCOPES])
    first = int(tab[at.AT_OPEN])
    is_open = states[:, first : first + scopes] > 0
    since = states[:, int(tab[at.AT_OPEN_SINCE]) :][:, :scopes]
    open_ticks = states[:, int(tab[at.AT_OPEN_TICKS]) :][:, :scopes].sum()
    open_ticks += np.where(is_open, ticks - since, 0).sum()
    return DramRun(
        ticks=ticks,
        arrival_ticks=rq[:, at.R_ARRIVAL].copy(),
        done_ticks=rq[:, at.R_DONE].copy(),
        response_ticks=rq[:, at.R_RELEASE].copy(),
        writes=requests.writes,
        outcome=rq[:, at.R_OUTCOME].copy(),
        counts=by_name,
        open_ticks=int(open_ticks),
        scopes=scopes * len(states),
        commands=_command_log(standard, log, decoded) if tab[at.T_LOG] else None,
    )


def _command_log(standard: Standard, log: Ints, decoded: Decoded) -> CommandLog:
    """Return a log with the standard's own commands and full addresses."""
    names = [command.name for command in standard.commands]
    index = np.full(at.ROLES, -1, dtype=np.int64)
    for role, name in enumerate(at.ROLE_NAMES):
        known = "ACT1" if name == "ACT" and "ACT1" in names else name
        if known in names:
            index[role] = names.index(known)
    request = log[:, at.C_REQUEST]
    address = np.full((len(log), standard.num_fields), -1, dtype=np.int64)
    asked = request >= 0
    address[asked] = decoded.fields[request[asked]]
    wide = np.isin(log[:, at.C_COMMAND], (at.PREAB, at.REFAB))
    single = ~asked & ~wide
    address[single, : standard.bank_level] = _split(
        log[single, at.C_WHERE], standard, standard.bank_level
    )
    scope = standard.refresh.scope_level
    address[wide, :scope] = _split(log[wide, at.C_WHERE], standard, scope)
    return CommandLog(
        tick=log[:, at.C_TICK].copy(),
        command=index[log[:, at.C_COMMAND]],
        channel=log[:, at.C_CHANNEL].copy(),
        address=address,
    )


def _split(flat: Ints, standard: Standard, level: int) -> Ints:
    """Return the fields of flat node numbers of a level."""
    sizes = [item.size for item in standard.levels[1 : level + 1]]
    fields = np.zeros((len(flat), len(sizes)), dtype=np.int64)
    for place in range(len(sizes) - 1, -1, -1):
        fields[:, place] = flat % sizes[place]
        flat = flat // sizes[place]
    return fields
