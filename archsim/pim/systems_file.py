"""The file of a system that decodes language models with memories that compute.

A file names what runs where; every number's ``source`` starts with its mark: ``read``, ``derived``
(from read numbers), ``recalled`` or ``estimate``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, model_validator

from archsim.config.document import load_document
from archsim.config.overrides import apply_overrides, parse_override
from archsim.config.schema import (
    Bandwidth,
    ConfigModel,
    Duration,
    Frequency,
    NonNegativeFloat,
    PositiveByteSize,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Power,
    Real,
    key_paths,
    validate_model,
)
from archsim.registry import Registry

if TYPE_CHECKING:
    from archsim.config.document import Document

MARKS: Final = ("read", "derived", "recalled", "estimate")
"""First word of every number's source."""

ROOT: Final = "hardware"

SYSTEMS: Final = Registry("archsim.systems")
"""Files of systems by name."""

Where = Literal["xpu", "pim", "faster"]
WhereExperts = Literal["xpu", "pim", "faster", "both", "lookup"]
Picojoules = Annotated[float, Real(0, 1e6)]


class KernelConfig(ConfigModel):
    """A kernel over vectors: a fixed time and bytes at a rate."""

    source: str | None = None
    """Where the numbers are from."""
    latency_s: Duration = Field(alias="latency")
    """Start, end and everything that does not grow."""
    bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Rate of all operands read and written."""


class XpuConfig(ConfigModel):
    """Processors with memory of their own, or beside the computing memory."""

    source: str | None = None
    """Where the numbers are from."""
    count: PositiveInt
    """Processors; weights and heads are split over them."""
    flops_per_s: PositiveFloat = Field(alias="compute")
    """Peak of one, operations a second; a multiplication and its addition are two."""
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Peak of the memory of one."""
    capacity_bytes: PositiveByteSize = Field(alias="capacity")
    """Memory of one."""
    compute_efficiency: PositiveFraction
    """Share of the peak that matrix products reach."""
    bandwidth_efficiency: PositiveFraction
    """Share of the peak bandwidth that is reached."""
    link_bytes_per_s: Bandwidth = Field(alias="link")
    """One direction of the link of one processor, to the others."""
    link_latency_s: Duration = Field(alias="link_latency", default=0.0)
    """Of one collective."""
    hop_latency_s: Duration = Field(alias="hop_latency", default=0.0)
    """Of each of the ``count - 1`` hops of an all-reduce that passes shares round."""
    hop_bytes_per_s: Bandwidth | None = Field(alias="hop_bandwidth", default=None)
    """Rate of a hop beside its latency; None: an all-reduce at the rate of the links."""
    layer_overhead_s: Duration = Field(alias="layer_overhead", default=0.0)
    """Time per layer in which the host only starts kernels."""
    cores: PositiveInt | None = None
    """Cores over which blocks of a kernel are dealt in waves; None: no waves."""
    tile_bytes: PositiveByteSize | None = Field(alias="tile_memory", default=None)
    """Memory of a core for the tiles of a product."""
    norm: KernelConfig | None = None
    """One of the two norms of a layer; None: left out."""
    activation: KernelConfig | None = None
    """The activation function of a layer; None: left out."""
    int8_flops_per_s: PositiveFloat | None = Field(alias="compute_int8", default=None)
    """Peak on elements of one byte; None: as on others."""
    idle_w: Power = Field(alias="idle_power", default=0.0)
    """Power of one while it does nothing; part of the static energy."""
    access_pj_per_bit: Picojoules
    """A bit from memory."""
    compute_pj_per_flop: Picojoules
    """An operation, with the registers and caches it passes."""


class WriteConfig(ConfigModel):
    """How new keys and values get into the banks."""

    source: str | None = None
    """Where the numbers are from."""
    row_cycle_s: Duration = Field(alias="row_cycle")
    """From one activation of a bank to the next."""
    parallel_rows: PositiveInt = 1
    """Rows of a channel that are opened for writing at the same time."""
    values: Literal["token-major", "channel-major"]
    """``channel-major``: elements of a token's value lie in as many rows as there are elements."""


class TilesConfig(ConfigModel):
    """Attention tile by tile: a row in each bank of a channel, opened, multiplied, closed."""

    source: str | None = None
    """Where the numbers are from."""
    banks: PositiveInt
    """Banks of a channel that work at once."""
    row_elements: PositiveInt
    """Elements of a row."""
    lanes: PositiveInt
    """Elements of a column access."""
    vector_s: Duration = Field(alias="vector")
    """Write of a row of the vector to the buffers."""
    open_s: Duration = Field(alias="open")
    """Activation of all banks, a few at a time, to the first column access."""
    column_s: Duration = Field(alias="column")
    """A column access of all banks."""
    close_s: Duration = Field(alias="close")
    """Precharge."""
    refresh: PositiveFraction
    """Share of the time that refreshes leave."""


class PimConfig(ConfigModel):
    """Stacks or packages with multipliers."""

    source: str | None = None
    """Where the numbers are from."""
    device: str | None = None
    """Computing memory whose commands time attention; None: bandwidth and lanes do."""
    blocks: str | None = None
    """GDDR6-AiM device whose instruction times stand for the bandwidth of whole blocks."""
    tiles: TilesConfig | None = None
    """Tiles that time attention in place of the bandwidth."""
    stacks: PositiveInt
    """Stacks or packages in all."""
    channels: PositiveInt
    """Places of a stack that work on different heads or requests."""
    capacity_bytes: PositiveByteSize = Field(alias="capacity")
    """Storage of a stack; not counted again where the xPU uses the same memory."""
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Of all units of a stack while MACs stream."""
    efficiency: PositiveFraction
    """Share that row changes, refreshes and vector moves leave."""
    ops_per_byte: PositiveFloat
    """Operations that the units do on a byte at full bandwidth."""
    operands: Literal["reread", "held"] = "reread"
    """What units do beyond `ops_per_byte`: read again for the next vector, or hold in buffers."""
    external_bytes_per_s: Bandwidth = Field(alias="external_bandwidth")
    """Interface of a stack."""
    link_bytes_per_s: Bandwidth | None = Field(alias="link", default=None)
    """From all processors to all stacks, one direction; None: the interface of the stacks."""
    access_pj_per_bit: Picojoules
    """A bit from the cells to the units."""
    compute_pj_per_flop: Picojoules
    """An operation of the units."""
    write: WriteConfig
    """Writes of keys and values."""
    background_w: Power = Field(alias="background_power", default=0.0)
    """Standby and refresh of a stack; part of the static energy."""


class AsicConfig(ConfigModel):
    """An ASIC that computes what banks cannot; it and the banks take turns."""

    source: str | None = None
    """Where the numbers are from."""
    adders: PositiveInt
    """Additions a cycle."""
    multipliers: PositiveInt
    """Multiplications a cycle."""
    clock_hz: Frequency = Field(alias="clock")
    """Clock."""
    row_elements: PositiveInt
    """Elements of a bank's row, the widest product without partial sums."""
    power_w: Power = Field(alias="power", default=0.0)
    """While it works."""


class CxlConfig(ConfigModel):
    """Links of devices that have no processor among them."""

    source: str | None = None
    """Where the numbers are from."""
    lanes: PositiveInt
    """Of the switch, shared out to the devices."""
    lane_bytes_per_s: Bandwidth = Field(alias="lane_bandwidth")
    """Of a lane."""
    hop_s: Duration = Field(alias="hop")
    """Ports, wire and switch, there and back."""
    sampling_s: Duration = Field(alias="sampling")
    """Host, once a token."""


class HomesConfig(ConfigModel):
    """What runs and lies where."""

    cache: Literal["pim", "shared", "pooled"]
    """Keys and values in the stacks alone; in one memory with the weights; or (as published
    capacities are counted) wherever both memories together have room, though only the stacks can
    multiply them."""
    attention: Where
    """Decode attention."""
    projections: Where
    """Query, key, value and output projections, and the head."""
    ffn: WhereExperts
    """Dense feed-forward layers; ``both``: weights split so that both finish together."""
    experts: WhereExperts
    """Experts; ``lookup``: each where it alone is faster, both sides at once; ``both``: those with
    few tokens in memory, as many as makes both sides end first."""
    mixed_experts: WhereExperts | None = None
    """Experts of stages with prompts in them; None: as others."""
    expert_split: Literal["tensor", "whole"] = "tensor"
    """``whole``: every device has experts of its own; ``tensor``: each expert is split over all."""
    prompts: Literal["in turn", "beside"] = "in turn"
    """``beside``: attention of prompts on the processors while decode attention runs in memory."""
    item: Literal["head", "request"]
    """What a channel takes whole: a key-value head of a request, or the request."""
    deal: Literal["round-robin", "longest-first"]
    """How items get to channels; ``longest-first``: each to the least loaded."""
    overlap: Literal["none", "heads", "halves"]
    """``heads``: attention beside projections, head by head; ``halves``: two half batches, one in
    memory while the other is on the processor."""


class SystemConfig(ConfigModel):
    """Top level."""

    name: str
    """Id."""
    source: str
    """Publication."""
    notes: tuple[str, ...] = ()
    """What the reader should know."""
    xpu: XpuConfig | None = None
    """Processors; None: memories alone."""
    pim: PimConfig | None = None
    """Computing memory; None: processors alone."""
    asic: AsicConfig | None = None
    """Softmax, norms and activations of systems without processors."""
    cxl: CxlConfig | None = None
    """Links of whole blocks on devices."""
    homes: HomesConfig
    """Mapping."""
    stages: PositiveInt = 1
    """Pipeline stages; each has its share of layers, memories and processors."""
    vector_s_per_layer: Duration = Field(alias="vector_time", default=0.0)
    """Norms, softmax, activation functions outside both, per layer and request."""
    link_pj_per_bit: NonNegativeFloat = 0.0
    """A bit between processor and memory stacks or between processors."""

    @model_validator(mode="after")
    def _check_homes(self) -> SystemConfig:
        homes = self.homes
        uses = {homes.attention, homes.projections, homes.ffn, homes.experts}
        if homes.ffn == "lookup":
            raise ValueError("homes.ffn: a dense layer has no experts to look up")
        for name, part in (("xpu", self.xpu), ("pim", self.pim)):
            if part is None and uses - {"pim" if name == "xpu" else "xpu"}:
                raise ValueError(f"homes name {name} or faster, but there is no {name}")
        if homes.cache != "shared" and self.pim is None:
            raise ValueError(f"homes.cache is {homes.cache}, but there is no pim")
        return self


def load_system(name: str, overrides: Sequence[str] = ()) -> tuple[SystemConfig, Document]:
    """Load a system by its id or from a YAML file.

    Parameters
    ----------
    name
        Id or path.
    overrides
        ``hardware.pim.stacks=20`` and the like.

    Raises
    ------
    ConfigError
        Unknown id, unreadable file, or numbers that contradict each other.
    """
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    document = load_document(Path(name) if is_path else SYSTEMS.find_yaml(name), kind=ROOT)
    if overrides:
        document = apply_overrides(
            document,
            [parse_override(text) for text in overrides],
            known=key_paths(SystemConfig, ROOT),
        )
    return validate_model(SystemConfig, document.data, document, ROOT), document


def without_pim(system: SystemConfig) -> SystemConfig:
    """Return the same processors with everything on them: the usual baseline."""
    homes = system.homes.model_copy(
        update={
            "cache": "shared",
            "attention": "xpu",
            "projections": "xpu",
            "ffn": "xpu",
            "experts": "xpu",
            "overlap": "none",
        }
    )
    return system.model_copy(
        update={"name": f"{system.name}, xPU only", "pim": None, "homes": homes}
    )
