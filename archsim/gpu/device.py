"""One GPU as the operator laws see it: the numbers of its data sheet in base units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from archsim import registry
from archsim.components.dram import Dram
from archsim.components.gpu import GpuL2, GpuLink, GpuSm
from archsim.config.document import load_document
from archsim.config.schema import ConfigModel, validate_model
from archsim.errors import ConfigError, nearest
from archsim.gpu.family import law_vector
from archsim.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsim.config.document import Document
    from archsim.gpu.family import Floats, Parameter

Model = TypeVar("Model", bound=ConfigModel)


REFERENCE_CLOCK_HZ: Final = 1.5e9
"""Clock for which constants state times that on-chip latencies make up."""

HOST_FROM_S: Final = 20e-6
"""What a fixed time has beyond this is the host's, which the clock of the device leaves alone."""

REFERENCE_NODE_M: Final = 5e-9
"""Node for which constants state energies."""

PORT: Final = 64.0
"""Bytes a cycle of the read port of a multiprocessor."""

PORT_BYTES: Final = {
    **dict.fromkeys(("pascal", "volta", "ampere"), 64.0),
    **dict.fromkeys(("turing", "ampere-rtx", "ada", "blackwell-rtx"), 32.0),
    **{"hopper": 128.0, "blackwell": 256.0},
}
"""Operand bytes that blocks on one multiprocessor get from L2 a cycle at best; 64 elsewhere.

64 bytes are the read port of dies with HBM (A100 white paper, 2020: 5120 bytes a clock for the
chip), and 32 of dies without it. Two blocks of a cluster share reads from Hopper on (H100 white
paper, 2022, thread-block clusters), and a pair of Blackwell multiprocessors works on one tile,
which halves them once more (PTX ISA 8.7, 2025, tcgen05 with two blocks). The 32 and the sharing are
estimates, chosen after seeing what fits of single parts gave: 12 to 23, 33, 64 and 83 bytes.
"""

CROSSING: Final = 0.75
"""Bandwidth of an L2 of several partitions over that of its slices: half of what a multiprocessor
reads comes over the link between partitions (estimate, chosen after seeing residuals)."""


@dataclass(frozen=True, eq=False)
class GpuDevice:
    """A GPU.

    Attributes
    ----------
    name
        Id of its hardware file.
    sm, l2, memory, link
        Its parts.
    clock_hz
        Highest clock of the multiprocessors.
    node_m
        Technology node, m.
    """

    name: str
    sm: GpuSm
    l2: GpuL2
    memory: Dram
    link: GpuLink
    clock_hz: float
    node_m: float = REFERENCE_NODE_M

    @property
    def architecture(self) -> str:
        """Family whose constants it uses."""
        return self.sm.architecture

    @property
    def num_sms(self) -> int:
        """Multiprocessors."""
        return self.sm.count

    @property
    def dram_bytes_per_s(self) -> float:
        """Peak bandwidth of device memory, B/s."""
        return self.memory.bandwidth_bytes_per_s

    @property
    def sustained_bytes_per_s(self) -> float:
        """Bandwidth that long streams reach, B/s: the peak times the file's efficiency."""
        return self.memory.bandwidth_bytes_per_s * self.memory.efficiency

    @property
    def dram_capacity_bytes(self) -> int:
        """Device memory, bytes."""
        return self.memory.capacity_bytes or 0

    @property
    def l2_bytes(self) -> float:
        """Capacity of the shared cache, bytes."""
        return float(self.l2.capacity_bytes)

    @property
    def l2_bytes_per_s(self) -> float:
        """Peak bandwidth of the shared cache, B/s."""
        return self.l2.bytes_per_cycle * self.clock_hz

    @property
    def port_bytes_per_s(self) -> float:
        """Operand bytes a second that blocks on one multiprocessor get from L2 at best."""
        return PORT_BYTES.get(self.architecture, PORT) * self.clock_hz

    @property
    def feed_bytes_per_s(self) -> float:
        """Operand bytes a second that L2 gives all blocks together at best."""
        crossing = CROSSING if self.l2.partitions > 1 else 1.0
        shared = max(1.0, PORT_BYTES.get(self.architecture, PORT) / PORT)
        return self.l2_bytes_per_s * crossing * shared

    @property
    def clock_scale(self) -> float:
        """Time of on-chip latencies over that at the reference clock."""
        return REFERENCE_CLOCK_HZ / self.clock_hz

    def launched(self, fixed_s: float) -> float:
        """Return a fixed time given at the reference clock as this device has it, s."""
        kernel = min(fixed_s, HOST_FROM_S)
        return kernel * self.clock_scale + fixed_s - kernel

    def law(self, parameters: tuple[Parameter, ...], constants: Mapping[str, float]) -> Floats:
        """Return constants as a kernel takes them, with the fixed time as this device has it."""
        vector = law_vector(parameters, constants).copy()
        vector[0] = self.launched(vector[0])
        return vector

    @property
    def link_bytes_per_s(self) -> float:
        """Bandwidth of its link, one direction, B/s."""
        return self.link.bandwidth_bytes_per_s

    def formats(self) -> tuple[str, ...]:
        """Return the number formats that it computes in."""
        return tuple({**self.sm.matrix_flops_per_cycle, **self.sm.vector_flops_per_cycle})

    def matrix_flops_per_s(self, format: str) -> float:
        """Return the peak of matrix products in a format at the highest clock, FLOP/s.

        Formats without matrix units run on the vector lanes. No format stands for another: parts
        without bf16 (T4, V100, P100) are asked for fp16.

        Raises
        ------
        ConfigError
            The part has no such format; the other 16-bit format is named where it has that.
        """
        tables = self.sm.matrix_flops_per_cycle, self.sm.vector_flops_per_cycle
        for table in tables:
            if format in table:
                return table[format] * self.num_sms * self.clock_hz
        raise ConfigError(
            f"{self.name} does not compute in this format",
            path="dtype",
            given=format,
            allowed=self.formats(),
            hint=self._instead(format),
        )

    def _instead(self, format: str) -> str | None:
        """Return the format to ask for instead of one that is missing."""
        other = {"bf16": "fp16", "fp16": "bf16"}.get(format)
        return other if other in self.formats() else nearest(format, self.formats())

    def vector_flops_per_s(self, format: str = "fp32") -> float:
        """Return the peak of the vector lanes, FLOP/s (that of fp32 where a format has no own)."""
        rates = self.sm.vector_flops_per_cycle
        return rates.get(format, rates.get("fp32", 1)) * self.num_sms * self.clock_hz

    @property
    def special_per_s(self) -> float:
        """Exponentials a second of the whole GPU."""
        return self.sm.special_per_cycle * self.num_sms * self.clock_hz


@cache
def load_device(name: str) -> GpuDevice:
    """Load a GPU by the id of its hardware file.

    Raises
    ------
    ConfigError
        No such file, or a machine that is no GPU.
    """
    return device_of(load_document(name, kind="hardware"))


def load_device_file(path: Path) -> GpuDevice:
    """Load a GPU from a hardware file."""
    return device_of(load_document(path, kind="hardware"))


def device_of(document: Document) -> GpuDevice:
    """Return the GPU that a hardware document describes.

    Raises
    ------
    ConfigError
        It has not exactly one ``gpu-sm``, ``gpu-l2``, ``dram`` and ``gpu-link``.
    """
    data = document.data
    components = data.get("components")
    if not isinstance(components, dict):
        raise ConfigError("a GPU has components", path="hardware.components")
    sm = _part(document, components, "gpu-sm", GpuSm)
    clocks = data.get("clocks")
    text = clocks.get(sm.clock) if isinstance(clocks, dict) else None
    if not isinstance(text, str):
        raise ConfigError(
            "unknown clock domain", path="hardware.components.sm.clock", given=sm.clock
        )
    return GpuDevice(
        name=str(data.get("name", "")),
        sm=sm,
        l2=_part(document, components, "gpu-l2", GpuL2),
        memory=_part(document, components, "dram", Dram),
        link=_part(document, components, "gpu-link", GpuLink),
        clock_hz=parse_quantity(text, "frequency"),
        node_m=_node(data.get("technology")),
    )


def _node(technology: object) -> float:
    """Return the node of a machine's technology, m; the reference where none is given."""
    text = technology.get("node") if isinstance(technology, dict) else None
    return parse_quantity(text, "length") if isinstance(text, str) else REFERENCE_NODE_M


def _part(
    document: Document, components: Mapping[str, object], kind: str, model: type[Model]
) -> Model:
    names = [
        name
        for name, item in components.items()
        if isinstance(item, dict) and item.get("kind") == kind
    ]
    if len(names) != 1:
        raise ConfigError(
            f"a GPU has one component of kind {kind}",
            path="hardware.components",
            given=", ".join(names) or "none",
        )
    path = f"hardware.components.{names[0]}"
    return validate_model(model, components[names[0]], document, path)


@cache
def device_names() -> tuple[str, ...]:
    """Return the ids of all hardware files that are GPUs."""
    found = []
    for name in registry.hardware.yaml_names():
        components = load_document(name, kind="hardware").data.get("components")
        parts = components.values() if isinstance(components, dict) else ()
        if any(isinstance(item, dict) and item.get("kind") == "gpu-sm" for item in parts):
            found.append(name)
    return tuple(found)
