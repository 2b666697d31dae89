"""A DRAM standard with one speed grade and organisation, resolved to whole ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal

from archsim.dram.vocabulary import Meaning
from archsim.errors import ConfigError, nearest

SplitBus = Literal["command", "row", "column"]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the hierarchy and its nodes under one parent."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a standard.

    Attributes
    ----------
    name, meaning
        Which it is, and what it does to banks.
    bus
        Command bus that it occupies.
    ticks
        For how long, ticks.
    """

    name: str
    bus: SplitBus
    ticks: int
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Constraint:
    """A least distance between commands that meet at a node of a level.

    Attributes
    ----------
    level
        Index of the level.
    previous, following
        Indices of the earlier and of the later commands.
    nominal_ticks
        Distance before the correction for commands of several ticks.
    window
        The distance counts from this many-th last earlier command.
    sibling
        Whether it holds between different nodes under one parent instead of within one node.
    formula, rule
        Where the distance comes from, and what standards call it.
    """

    level: int
    previous: tuple[int, ...]
    following: tuple[int, ...]
    nominal_ticks: int
    window: int
    sibling: bool
    formula: str
    rule: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """Refresh obligations.

    Attributes
    ----------
    scope_level
        Index of the level of which each node is refreshed on its own.
    interval_ticks, per_bank_interval_ticks
        Average distance of all-bank and of per-bank refreshes of one scope.
    max_postponed, max_pulled_in
        All-bank refreshes that may be owed and done ahead.
    """

    scope_level: int
    interval_ticks: int
    per_bank_interval_ticks: int | None
    max_postponed: int
    max_pulled_in: int


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of one channel.

    Attributes
    ----------
    activate_pj
        One activation with its precharge.
    read_pj, write_pj
        One burst inside the device.
    io_pj
        One burst on the interface.
    refresh_all_pj, refresh_bank_pj
        One all-bank refresh of a scope, one per-bank refresh.
    standby_open_w, standby_closed_w
        Background of one refresh scope with a bank open, with all closed.
    source
        Where the numbers are from.
    """

    activate_pj: float
    read_pj: float
    write_pj: float
    io_pj: float
    refresh_all_pj: float
    refresh_bank_pj: float
    standby_open_w: float
    standby_closed_w: float
    source: str


@dataclass(frozen=True)
class Standard:
    """A resolved standard; see the module's file form in :mod:`archsim.dram.standard_file`.

    Attributes
    ----------
    name, family, mark, notes
        Id, standard without grade, how the grade is known, what is disputed.
    clock_ps, ticks_per_clock
        Period of the command clock, and simulated ticks in it.
    levels
        Channel (size 1) down to bank, row and column; a column is one burst.
    burst_bytes
        Data of one access.
    data_bus_level
        Index of the level whose nodes own a data bus each.
    commands, constraints, refresh, energy
        What it can do, the distances to keep, refresh, energies (None: not known).
    timings
        Timings in ticks by name.
    read_latency_ticks, write_latency_ticks
        Read command to the end of its data; write command to the start of its data.
    """

    name: str
    family: str
    mark: str
    notes: tuple[str, ...]
    clock_ps: int
    ticks_per_clock: int
    levels: tuple[Level, ...]
    burst_bytes: int
    data_bus_level: int
    commands: tuple[Command, ...]
    timings: Mapping[str, int]
    constraints: tuple[Constraint, ...]
    read_latency_ticks: int
    write_latency_ticks: int
    refresh: Refresh
    energy: Energy | None
    source: str = ""
    devices: int = 1
    files: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def bank_level(self) -> int:
        """Index of the bank level; rows and columns follow."""
        return self.level_index("bank")

    @property
    def tick_ps(self) -> float:
        """Period of a tick, ps; half a picosecond is possible where a clock has two ticks."""
        return self.clock_ps / self.ticks_per_clock

    @property
    def num_fields(self) -> int:
        """Address fields of a command: the levels below the channel."""
        return len(self.levels) - 1

    @cached_property
    def num_banks(self) -> int:
        """Banks of a channel."""
        return prod(level.size for level in self.levels[: self.bank_level + 1])

    @cached_property
    def num_blocks(self) -> int:
        """Bursts that a channel stores."""
        return prod(level.size for level in self.levels)

    @cached_property
    def num_data_buses(self) -> int:
        """Data buses of a channel: 1, or one for each pseudo channel."""
        return prod(level.size for level in self.levels[: self.data_bus_level + 1])

    @property
    def capacity_bytes(self) -> int:
        """Storage of a channel."""
        return self.num_blocks * self.burst_bytes

    @property
    def burst_ticks(self) -> int:
        """Occupancy of a data bus by one burst."""
        return self.timings["nBL"]

    @property
    def peak_bytes_per_s(self) -> float:
        """Peak bandwidth of a channel, all its data buses together, B/s."""
        burst_ps = self.burst_ticks * self.tick_ps
        return self.num_data_buses * self.burst_bytes * 1e12 / burst_ps

    def time_ps(self, ticks: int) -> int:
        """Return the time of a number of ticks, ps, rounded up to a whole one."""
        return -(-ticks * self.clock_ps // self.ticks_per_clock)

    def has(self, name: str) -> bool:
        """Whether the standard has a command."""
        return any(command.name == name for command in self.commands)

    def command_id(self, name: str) -> int:
        """Return the index of a command.

        Raises
        ------
        ConfigError
            The standard has no such command.
        """
        names = [command.name for command in self.commands]
        if name not in names:
            raise ConfigError(
                f"{self.name} has no such command",
                given=name,
                allowed=names,
                hint=nearest(name, names),
            )
        return names.index(name)

    def level_index(self, name: str) -> int:
        """Return the index of a level, the channel being 0.

        Raises
        ------
        ConfigError
            The standard has no such level.
        """
        names = [level.name for level in self.levels]
        if name not in names:
            raise ConfigError(
                f"{self.name} has no such level",
                given=name,
                allowed=names,
                hint=nearest(name, names),
            )
        return names.index(name)

    def gap(self, constraint: Constraint, previous: int, following: int) -> int:
        """Return the distance in ticks of two commands of a constraint, first tick to first tick.

        Times count from the first tick of a command, but a device takes a command in at its last:
        the distance grows with the earlier command's ticks and shrinks with the later's.
        """
        first, second = self.commands[previous].ticks, self.commands[following].ticks
        return constraint.nominal_ticks + (first - 1) - (second - 1)


def load_standard(name: str, overrides: Sequence[str] = ()) -> Standard:
    """Load a standard by its id or from a YAML file.

    Parameters
    ----------
    name
        Id of a shipped or plugged-in standard, or the path of a file.
    overrides
        ``hardware.timings.nRAS=40`` and the like.

    Raises
    ------
    ConfigError
        Unknown id, unreadable file, or numbers that contradict each other.
    """
    from archsim.dram.standard_loading import read_memory

    return read_memory(name, overrides).standard
