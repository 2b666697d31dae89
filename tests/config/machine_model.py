"""A small machine description of every shape that hardware files use, for the tests."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.config.document import Document, parse_document
from archsim.config.schema import (
    Bandwidth,
    Capacity,
    Choice,
    ConfigModel,
    Duration,
    Format,
    FormatName,
    Fraction01,
    Frequency,
    Identifier,
    Length,
    PositiveByteSize,
    PositiveInt,
    Voltage,
    validate_model,
)
from archsim.numberformat import FORMATS


class Technology(ConfigModel):
    """Process of the logic."""

    node_m: Length = Field(alias="node")
    """Feature size."""
    supply_v: Voltage = Field(alias="supply")


class Array(ConfigModel):
    """A systolic array."""

    kind: Literal["array"]
    rows: PositiveInt
    columns: PositiveInt
    dataflow: Annotated[str, Choice(("output", "weight", "input"))] = "weight"
    macs_per_cycle: dict[FormatName, PositiveInt] = Field(default={"bf16": 1})
    accumulator: Format = FORMATS["fp32"]
    has_skew: bool = False


class Memory(ConfigModel):
    """A memory."""

    kind: Literal["memory"]
    capacity_bytes: Capacity = Field(alias="capacity")
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    latency_s: Duration = Field(alias="latency", default=0.0)
    row_cycle_s: Duration = Field(alias="row-cycle", default=0.0)
    width_bytes: PositiveByteSize = Field(alias="width", default=64)
    efficiency: Fraction01 = 1.0
    note: str = ""

    @model_validator(mode="after")
    def _row_cycle_covers_latency(self) -> Self:
        if 0 < self.row_cycle_s < self.latency_s:
            raise ValueError("row-cycle must not be shorter than latency")
        return self


class Rank(ConfigModel):
    """One item of a list."""

    name: str
    size: PositiveInt


class Machine(ConfigModel):
    """A machine."""

    name: Identifier
    source: str = ""
    technology: Technology
    constants: dict[str, int | float] = Field(default={})
    clocks: dict[str, Frequency]
    components: dict[str, Annotated[Array | Memory, Field(discriminator="kind")]]
    levels: tuple[str, ...]
    ranks: tuple[Rank, ...] = ()


MACHINE = """\
name: edge
source: data sheet, rev. 3
technology: {node: 7 nm, supply: 750 mV, source: "a paper, table 2"}
constants: {channels: 8, per_channel: 12.8}
clocks: {core: 940 MHz, memory: {value: 1.8 GHz, source: measured, estimate: [1.6 GHz, 2 GHz]}}
components:
  array:
    kind: array
    rows: 128
    columns: "${components.array.rows * 2}"
    macs_per_cycle: {bf16: 1, int8: 2}
  dram:
    kind: memory
    capacity: 16 GiB
    bandwidth: "${constants.channels * constants.per_channel} GB/s"
    latency: 120 ns
    source: another data sheet
  far: {kind: memory, capacity: unbounded, bandwidth: 1 GB/s}
levels: [dram, far]
ranks:
  - {name: outer, size: 4}
  - {name: inner, size: 2}
"""


def machine_of(document: Document) -> Machine:
    """Validate a document as a machine."""
    return validate_model(Machine, document.data, document, document.kind)


def load_machine(text: str, file: str = "edge.yaml") -> Machine:
    """Load a machine from text."""
    return machine_of(parse_document(text, kind="hardware", file=file))
