"""What the chip is built of and how fast it runs: everything that the design space leaves fixed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from archsim.config.document import load_document
from archsim.config.schema import (
    Bandwidth,
    ConfigModel,
    Frequency,
    Length,
    NonNegativeFloat,
    PositiveFraction,
    PositiveInt,
    Voltage,
    validate_model,
)
from archsim.errors import ConfigError


class EdgeMacro(ConfigModel):
    """The macro of a processing element."""

    rows: PositiveInt = 16
    """Inputs added in a column."""
    columns: PositiveInt = 16
    """Output channels."""
    bits_per_cycle: PositiveInt = 1
    """Input bits that a cycle takes."""
    rows_written_per_cycle: PositiveInt = 1
    """Rows of weights written in a cycle."""


class EdgeEnergy(ConfigModel):
    """Energies that are no macro's, each per bit."""

    write_pj_per_bit: NonNegativeFloat
    """Writing a weight bit into a macro, drivers and periphery included."""
    wire_pj_per_bit_mm: NonNegativeFloat
    """Moving a bit over a millimetre of bus."""
    buffer_pj_per_bit: NonNegativeFloat
    """One access of a cluster or global buffer."""
    dram_pj_per_bit: NonNegativeFloat
    """Reading a bit from DRAM, interface and controller included."""
    static_w_per_mm2: NonNegativeFloat
    """Leakage of the chip for each square millimetre."""


class EdgeArea(ConfigModel):
    """Areas that are no macro's."""

    bus_pitch_um: NonNegativeFloat
    """Pitch of a bus wire."""
    buffer_um2_per_bit: NonNegativeFloat
    """A bit of buffer with its periphery."""
    global_buffer_bytes: PositiveInt
    """Global buffer of the chip."""
    cluster_buffer_bytes: PositiveInt
    """Buffer of each cluster."""
    vector_mm2: NonNegativeFloat
    """Softmax, normalisation, activation and transpose units."""


class EdgeChip(ConfigModel):
    """The chip beside its nine choices."""

    kind: Literal["edgecim"] = "edgecim"
    """Family of accelerator."""
    macro: EdgeMacro = EdgeMacro()
    """Macro of a processing element."""
    node_m: Length = Field(alias="node")
    """Technology node of the logic."""
    supply_v: Voltage = Field(alias="supply")
    """Supply of the logic."""
    clock_hz: Frequency = Field(alias="clock")
    """Clock of macros, buses and units."""
    channels: PositiveInt
    """DRAM channels."""
    channel_bytes_per_s: Bandwidth = Field(alias="channel_bandwidth")
    """Peak bandwidth of one channel."""
    dram_efficiency: PositiveFraction
    """Share of the peak that streams reach."""
    vector_lanes: PositiveInt
    """Elements that the vector units take in a cycle."""
    vector_passes: PositiveInt
    """Cycles an element takes in normalisation, activation or softmax."""
    energy: EdgeEnergy
    """Energies."""
    area: EdgeArea
    """Areas."""

    @property
    def dram_bytes_per_s(self) -> float:
        """Bandwidth that streams reach."""
        return self.channels * self.channel_bytes_per_s * self.dram_efficiency

    @property
    def cycle_s(self) -> float:
        """Clock period, s."""
        return 1.0 / self.clock_hz


def load_edge_chip(path: Path) -> EdgeChip:
    """Read and check the file of a chip.

    Raises
    ------
    ConfigError
        Anything wrong with it; the message names file and line.
    """
    document = load_document(path, kind="hardware")
    try:
        return validate_model(EdgeChip, document.data, document, "hardware")
    except ConfigError as error:
        raise error.at(location=document.location("hardware")) from None


def packaged_edge_chip() -> EdgeChip:
    """Return the chip as published, with our estimates where nothing is."""
    return load_edge_chip(Path(str(files("hw_configs") / "edgecim" / "edgecim.yaml")))
