"""The file of a memory that computes, as configuration models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.config.schema import (
    Choice,
    ConfigModel,
    Energy,
    PositiveByteSize,
    PositiveInt,
    Real,
)
from archsim.dram.standard_file import CommandConfig, LevelName, StandardConfig
from archsim.pim.vocabulary import PIM_MEANINGS, Placement

PimCommandName = Annotated[str, Choice(tuple(PIM_MEANINGS))]
BitEnergy = Annotated[float, Real(0, 1e3)]


class UnitConfig(ConfigModel):
    """One multiply-accumulate unit, and the commands that work it."""

    source: str | None = None
    """Where the numbers are from."""
    placement: Placement
    """Beside each bank, each bank group, or on the logic die for each pseudo channel."""
    lanes_bytes: PositiveByteSize = Field(alias="lanes_width")
    """Operand bytes taken in at a time; its lanes are this over the size of an element."""
    vector_bytes: PositiveByteSize = Field(alias="vector_buffer")
    """Vector buffer of a unit."""
    mac: PimCommandName
    """Multiplies one column of each addressed bank with the vector and accumulates."""
    activate: PimCommandName
    """Opens the row for it."""
    precharge: PimCommandName
    """Closes the row again."""
    vectors: PositiveInt = 1
    """Vectors that one column serves without taking longer."""
    activations: PositiveInt = 1
    """Activations that open its row, one for each bank group; 1: one for all banks."""


class MovesConfig(ConfigModel):
    """Commands that move vectors; they need no open row."""

    write_vector: PimCommandName
    """Host to vector buffer, one burst."""
    read_result: PimCommandName
    """Accumulators to the softmax unit or the host, one burst."""
    move_vector: PimCommandName
    """Softmax unit to vector buffer, one burst."""
    softmax: PimCommandName
    """Starts the softmax unit."""


class RowCommandConfig(ConfigModel):
    """How the row of a command is opened and closed."""

    activate: PimCommandName
    """Opens it."""
    precharge: PimCommandName
    """Closes it."""
    parts: PositiveInt = 1
    """Activations that it takes, one for each bank group."""


class PimControllerConfig(ConfigModel):
    """The controller of a channel."""

    policy: Literal["first-ready", "in-order", "fenced"] = "first-ready"
    """What is served next: the oldest ready request; the oldest; or column commands before
    activations before precharges, with nothing passing a barrier."""
    queue: PositiveInt = 33
    """Requests that wait in a channel."""
    alone: tuple[PimCommandName, ...] = ()
    """Commands that share their tick with no other, not even on another bus."""
    register_mode: tuple[PimCommandName, ...] = ()
    """Commands for which registers must be accessible: a mode that others must not be in."""
    switch: PimCommandName | None = None
    """Changes that mode."""
    host_waits: dict[PimCommandName, PositiveInt] = Field(default_factory=dict)
    """Ticks from a command to the next that the host sends, where it waits for the answer."""
    refresh: Literal["all-bank", "none"] = "all-bank"
    """Whether scopes are refreshed every interval."""
    first_refresh: str = "nREFI"
    """When the first refresh is due, cycles: arithmetic over the timings."""
    refresh_checks: Literal["all-levels", "channel"] = "all-levels"
    """Levels at which a refresh and the precharge before it keep distances. The published AttAcc
    simulator looks at the channel alone, so its refreshes do not wait for tRP."""


class BitEnergyConfig(ConfigModel):
    """Energy by bit, pJ."""

    source: str | None = None
    """Where the numbers are from."""
    activate_pj: BitEnergy
    """A bit of an activated row, its precharge included."""
    access_pj: BitEnergy
    """A bit from the cells to the unit."""
    move_pj: BitEnergy
    """A bit of a vector between host or logic die and unit."""
    compute_pj: BitEnergy
    """A bit of the operand that a unit multiplies."""


class PimDeviceConfig(StandardConfig):
    """Top level of the file of a memory that computes: a standard, units, moves, controller."""

    commands: dict[PimCommandName, CommandConfig] = Field(min_length=4)
    """Commands."""
    spans: dict[PimCommandName, tuple[LevelName, ...]] = Field(default_factory=dict)
    """Levels of which a command addresses every node, where its name does not say so."""
    channels: PositiveInt
    """Channels of a stack or package."""
    mapping: Literal["attacc", "hbm-pim", "aim"] = "attacc"
    """How operations are laid out and which commands they take."""
    stacks: PositiveInt = 1
    """Stacks or packages that work side by side."""
    unit: UnitConfig
    """The multiply-accumulate units."""
    row_commands: dict[PimCommandName, RowCommandConfig] = Field(default_factory=dict)
    """Commands beside the unit's that need an open row."""
    moves: MovesConfig
    """Commands that move vectors."""
    controller: PimControllerConfig = PimControllerConfig()
    """Controller of each channel."""
    energy_per_bit: BitEnergyConfig | None = None
    """Energy by bit; standing by and refreshes are under `energy`."""
    energy_per_command: dict[PimCommandName, Energy] = Field(default_factory=dict)
    """Energy of one command in one channel, where it is known as such."""
