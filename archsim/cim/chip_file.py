"""A published macro as YAML: structure, technology, activity, and what was measured on it.

One file is one chip. ``archsim validate cim --data FILE`` predicts every measured point from the
structure, and scores those that the chip's anchors were not taken from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from archsim.config.document import load_document
from archsim.config.schema import (
    Area,
    ConfigModel,
    Duration,
    Fraction01,
    Identifier,
    Length,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Voltage,
    validate_model,
)
from archsim.errors import ConfigError

Metric = Literal[
    "energy_fj_per_mac",
    "energy_pj_per_activation",
    "tops_per_w",
    "clock_mhz",
    "throughput_gops",
    "latency_us",
    "area_mm2",
    "tops_per_mm2",
]
"""What a point measures. One MAC is two operations."""

SPEED: frozenset[str] = frozenset({"clock_mhz", "throughput_gops", "latency_us", "tops_per_mm2"})
"""Metrics that the clock decides; area is neither, the others are energies."""

UNITS: dict[str, str] = {
    "energy_fj_per_mac": "fJ",
    "energy_pj_per_activation": "pJ",
    "tops_per_w": "TOPS/W",
    "clock_mhz": "MHz",
    "throughput_gops": "GOPS",
    "latency_us": "us",
    "area_mm2": "mm2",
    "tops_per_mm2": "TOPS/mm2",
}


class TreeStructure(ConfigModel):
    """Digital macro with an adder tree for each column."""

    kind: Literal["tree"]
    """Digital: one-bit multipliers, adder tree, accumulator."""
    rows: PositiveInt
    """Inputs added in a column."""
    columns: PositiveInt
    """Output channels of a bank at the native weight width."""
    banks: PositiveInt = 1
    """Banks that work side by side."""
    weight_bits: PositiveInt
    """Native weight width; wider weights take several columns."""
    bits_per_cycle: PositiveInt = 1
    """Input bits that a cycle takes."""
    recoding: Literal["none", "booth"] = "none"
    """booth: the bits of a cycle select one multiple of the weight."""
    weight_sets: PositiveInt = 1
    """Weights stored behind each multiplier."""
    pipelined: bool = False
    """Whether a register stands between tree and accumulator."""
    tree_bits: PositiveInt | None = None
    """Width of a tree input where it is not the weight's."""
    accumulator_bits: PositiveInt | None = None
    """Width of an accumulator where it is narrower or wider than needed."""


class RippleStructure(ConfigModel):
    """Digital macro whose cells add, bit-pipelined by rows of registers."""

    kind: Literal["ripple"]
    """Digital: a full adder in each cell."""
    rows: PositiveInt
    """Cells down a column."""
    bit_columns: PositiveInt
    """Columns of cells."""
    register_rows: PositiveInt
    """Rows of registers where a point does not say."""
    stage_s: Duration = Field(alias="stage")
    """Delay of one step of the ripple path at the reference supply."""


class AnalogStructure(ConfigModel):
    """Analog macro with converters."""

    kind: Literal["analog"]
    """Analog: DACs or line drivers, bit lines, ADCs, shift-and-add."""
    rows: PositiveInt
    """Inputs summed on a bit line."""
    columns: PositiveInt
    """Output channels."""
    weight_bits: PositiveInt
    """Weight width, one bit column each."""
    input_bits: PositiveInt
    """Input width."""
    dac_bits: PositiveInt
    """Input bits that a conversion step takes."""
    adc_bits: PositiveInt
    """Resolution of the converters."""
    columns_per_adc: PositiveInt = 1
    """Bit columns that share a converter."""


class PhasedStructure(ConfigModel):
    """Analog macro that integrates input pulses, then converts bit by bit."""

    kind: Literal["phased"]
    """Analog: pulse-width inputs in one or two phases, successive conversion steps."""
    rows: PositiveInt
    """Inputs of a core."""
    columns: PositiveInt
    """Outputs of a core."""
    cores: PositiveInt
    """Cores that work side by side."""
    integrate_s: Duration = Field(alias="integrate")
    """Time of one input pulse."""
    convert_s: Duration = Field(alias="convert")
    """Time of one output bit, and between phases."""
    bits_per_phase: PositiveInt
    """Most magnitude bits of an input that one phase takes."""


Structure = Annotated[
    TreeStructure | RippleStructure | AnalogStructure | PhasedStructure,
    Field(discriminator="kind"),
]


class ChipTechnology(ConfigModel):
    """Process and reference supply."""

    node_m: Length = Field(alias="node")
    """Technology node."""
    supply_v: Voltage = Field(alias="supply")
    """Supply that `stage` and uncalibrated numbers refer to."""


class ChipActivity(ConfigModel):
    """How much switches while the points were measured."""

    input_toggle: Fraction01 = 0.5
    """Probability that an input bit is one."""
    weight_density: Fraction01 = 0.5
    """Share of weight bits that are one."""
    stated: bool = False
    """Whether the publication states it; otherwise it is assumed and no bar applies."""


class Point(ConfigModel):
    """One measured number and its conditions."""

    id: Identifier | None = None
    """Name of the point, for anchors and reports."""
    metric: Metric
    """What was measured."""
    value: PositiveFloat
    """The number, in the metric's unit."""
    supply_v: Voltage | None = Field(default=None, alias="supply")
    """Supply; the technology's if not said."""
    input_bits: PositiveInt | None = None
    """Input width."""
    weight_bits: PositiveInt | None = None
    """Weight width."""
    output_bits: PositiveInt | None = None
    """Output width of a phased macro."""
    register_rows: PositiveInt | None = None
    """Rows of registers of a ripple array."""
    bit_pipelined: bool = True
    """Whether bits of a ripple array overlap."""
    average_output: NonNegativeFloat | None = None
    """Mean output code of an analog macro, whose energy depends on it."""


class Anchors(ConfigModel):
    """Points that the model is calibrated at, by id; they are not scored."""

    energy: tuple[Identifier, ...] = ()
    """One energy, and at most one more at a low supply."""
    output: tuple[Identifier, ...] = ()
    """A second energy at another mean output, for data-dependent macros."""
    speed: tuple[Identifier, ...] = ()
    """One speed, and at most one more at another supply."""


class Chip(ConfigModel):
    """A published macro."""

    name: Identifier
    """Id of the chip."""
    source: str
    """Publication."""
    aliases: tuple[str, ...] = ()
    """Names that tables of measured points use for it."""
    structure: Structure
    """How it is built."""
    technology: ChipTechnology
    """Process and supply."""
    activity: ChipActivity = ChipActivity()
    """What switched."""
    scope: str
    """What the measured energy includes."""
    area_mm2: Area | None = Field(default=None, alias="area")
    """Published macro area, for rates per area; else the predicted one."""
    storage_bits: NonNegativeInt | None = None
    """Stored bits where they are not those of the structure."""
    energy_per_used_column: bool = False
    """Published energies follow the share of bit columns in use a second time (see `scope`)."""
    anchors: Anchors = Anchors()
    """Calibration."""
    points: tuple[Point, ...]
    """What was measured."""

    @model_validator(mode="after")
    def _known_anchors(self) -> Chip:
        known = {point.id: point for point in self.points if point.id is not None}
        if len(known) != sum(point.id is not None for point in self.points):
            raise ValueError("two points have the same 'id'")
        for name, most in (("energy", 2), ("output", 1), ("speed", 2)):
            chosen = getattr(self.anchors, name)
            if len(chosen) > most:
                raise ValueError(f"'anchors.{name}' takes at most {most} points")
            for point in chosen:
                if point not in known:
                    raise ValueError(f"'anchors.{name}' names a point that is not there: {point}")
                if (known[point].metric in SPEED) != (name == "speed"):
                    raise ValueError(f"'anchors.{name}' names a point of another kind: {point}")
        return self

    def point(self, name: str) -> Point:
        """Return a point by its id."""
        return next(point for point in self.points if point.id == name)


def load_chip(path: Path) -> Chip:
    """Read and check a chip's file.

    Raises
    ------
    ConfigError
        Anything wrong with it; the message names file and line.
    """
    document = load_document(path, kind="chip")
    try:
        return validate_model(Chip, document.data, document, "chip")
    except ConfigError as error:
        raise error.at(location=document.location("chip")) from None
