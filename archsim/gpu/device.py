"""One GPU as the operator laws see it: the numbers of its data sheet in base units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from archsim import registry
from archsim.components.dram import Dram
from archsim.components.gpu import GpuL2, GpuLink, GpuSm
from archsim.config.document import load_document
from archsim.config.schema import ConfigModel, validate_model
from archsim.errors import ConfigError, nearest
from archsim.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsim.config.document import Document

Model = TypeVar("Model", bound=ConfigModel)


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
    """

    name: str
    sm: GpuSm
    l2: GpuL2
    memory: Dram
    link: GpuLink
    clock_hz: float

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
    def link_bytes_per_s(self) -> float:
        """Bandwidth of its link, one direction, B/s."""
        return self.link.bandwidth_bytes_per_s

    def formats(self) -> tuple[str, ...]:
        """Return the number formats that it computes in."""
        return tuple({**self.sm.matrix_flops_per_cycle, **self.sm.vector_flops_per_cycle})

    def matrix_flops_per_s(self, format: str) -> float:
        """Return the peak of matrix products in a format at the highest clock, FLOP/s.

        Formats without matrix units run on the vector lanes; bf16 stands for fp16 and the other way
        round where a part has only one of them.

        Raises
        ------
        ConfigError
            The part has no such format.
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
            hint=nearest(format, self.formats()),
        )

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
    )


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
