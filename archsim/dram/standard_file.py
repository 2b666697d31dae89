"""The file of a DRAM standard, as configuration models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.config.schema import (
    Choice,
    ConfigModel,
    Current,
    Duration,
    Energy,
    Identifier,
    NonNegativeInt,
    PositiveByteSize,
    PositiveInt,
    Power,
    Real,
    Voltage,
)
from archsim.dram.vocabulary import LEVELS, MEANINGS

LevelName = Annotated[str, Choice(LEVELS)]
CommandName = Annotated[str, Choice(tuple(MEANINGS))]
Cycles = Annotated[float, Real(0.5, 16)]
BitEnergy = Annotated[float, Real(0, 1e3)]


class OrganisationConfig(ConfigModel):
    """Size of one channel."""

    levels: dict[LevelName, PositiveInt] = Field(min_length=1)
    """Nodes of each level under its parent, outermost first, from below the channel to bank."""
    rows: PositiveInt
    """Rows of a bank."""
    columns: PositiveInt
    """Bursts of a row: the columns of the standard divided by its prefetch."""
    burst_bytes: PositiveByteSize = Field(alias="burst")
    """Data of one access."""
    devices: PositiveInt = 1
    """Devices side by side that share one access, for energies given per device."""
    density: str = ""
    """Density of a device or die, for people."""


class CommandConfig(ConfigModel):
    """How a command travels."""

    bus: Literal["command", "row", "column"] = "command"
    """Command bus that it occupies; standards have one bus, or one for rows and one for columns."""
    cycles: Cycles = 1.0
    """Clock cycles for which it occupies the bus."""


class ConstraintConfig(ConfigModel):
    """A least distance between two commands that meet at a node of the hierarchy."""

    at: LevelName
    """Level whose node the two commands share."""
    after: str = Field(min_length=2)
    """Earlier commands, separated by blanks."""
    next: str = Field(min_length=2)
    """Later commands, separated by blanks."""
    gap: str = Field(min_length=1)
    """Distance in clock cycles: arithmetic over the timings."""
    window: PositiveInt = 1
    """Distance counts from this many-th last earlier command (4 for tFAW)."""
    sibling: bool = False
    """Whether it holds between different nodes of the level under one parent instead."""
    rule: str = ""
    """What standards call it."""


class RefreshConfig(ConfigModel):
    """How often cells must be refreshed."""

    scope: LevelName
    """Level of which each node gets its own all-bank refreshes."""
    interval: str
    """Average distance of all-bank refreshes of a scope, cycles: arithmetic over the timings."""
    per_bank_interval: str | None = None
    """Average distance of two per-bank refreshes of a scope, cycles; absent: there are none."""
    max_postponed: NonNegativeInt = 0
    """All-bank refreshes that the standard lets a controller owe."""
    max_pulled_in: NonNegativeInt = 0
    """All-bank refreshes that the standard lets a controller do ahead."""


class CurrentsConfig(ConfigModel):
    """Supply currents of one device, as data sheets define them."""

    supply_v: Voltage = Field(alias="supply")
    """Core supply."""
    idd0_a: Current = Field(alias="IDD0")
    """One bank activated and precharged every tRC."""
    idd2n_a: Current = Field(alias="IDD2N")
    """Standby, all banks closed."""
    idd3n_a: Current = Field(alias="IDD3N")
    """Standby, banks open."""
    idd4r_a: Current = Field(alias="IDD4R")
    """Reading without gaps."""
    idd4w_a: Current = Field(alias="IDD4W")
    """Writing without gaps."""
    idd5ab_a: Current = Field(alias="IDD5AB")
    """All-bank refresh back to back."""
    activate_base: Literal["IDD3N", "IDD2N"] = "IDD3N"
    """Background taken off IDD0 while the row is open; IDD2N where IDD0 is below IDD3N."""


class CommandEnergyConfig(ConfigModel):
    """Energies per command of a channel, where no currents are published."""

    activate_j: Energy = Field(alias="activate")
    """One activation and its precharge."""
    read_pj_per_bit: BitEnergy
    """Array to data pins, without the interface."""
    write_pj_per_bit: BitEnergy
    """Data pins to array, without the interface."""
    refresh_all_j: Energy = Field(alias="refresh_all")
    """One all-bank refresh of a scope."""
    refresh_bank_j: Energy = Field(alias="refresh_bank", default=0.0)
    """One per-bank refresh."""
    standby_open_w: Power = Field(alias="standby_open")
    """Background power of a refresh scope with a bank open."""
    standby_closed_w: Power = Field(alias="standby_closed")
    """Background power of a refresh scope with all banks closed."""


class EnergyConfig(ConfigModel):
    """Energy of one channel: from currents, or per command."""

    currents: CurrentsConfig | None = None
    """Currents of a device."""
    commands: CommandEnergyConfig | None = None
    """Energies per command."""
    io_pj_per_bit: BitEnergy = 0.0
    """Interface energy of a transferred bit, both ends."""


class StandardConfig(ConfigModel):
    """Top level of the file of a DRAM standard and speed grade."""

    name: Identifier
    """Id, as the file's stem."""
    family: Identifier
    """Standard without speed grade."""
    source: str | None = None
    """Where the numbers are from."""
    mark: Literal["read", "derived", "disputed", "recalled", "measured"] = "read"
    """How the speed grade is known."""
    notes: tuple[str, ...] = ()
    """What is derived, disputed or left out, in words."""
    period_s: Duration = Field(alias="period")
    """Period of the command clock, whole picoseconds."""
    ticks_per_clock: Literal[1, 2] = 1
    """Simulated ticks in a command clock; 2 where commands may use falling edges."""
    organisation: OrganisationConfig
    """Size of a channel."""
    data_bus: LevelName
    """Level whose nodes own a data bus each."""
    commands: dict[CommandName, CommandConfig] = Field(min_length=8)
    """Commands."""
    timings: dict[str, NonNegativeInt] = Field(min_length=8)
    """Timings in clock cycles, n instead of the t of their names in time."""
    read_latency: str
    """Cycles from a read command to the end of its data."""
    write_latency: str
    """Cycles from a write command to the start of its data."""
    constraints: tuple[ConstraintConfig, ...] = Field(min_length=8)
    """Distances that commands keep."""
    refresh: RefreshConfig
    """Refresh."""
    energy: EnergyConfig | None = None
    """Energy."""
