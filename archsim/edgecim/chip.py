"""The chip behind a design space: everything that a machine file says beside the nine choices.

There is one source of numbers, the machine: ``archsim run`` and the evaluator of designs read the
same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from archsim.components.cim_tiles import BoundCimTiles
from archsim.components.cim_wires import BoundCimBuffer, BoundCimBus
from archsim.components.dram import BoundDram
from archsim.edgecim.design import Designs, one_design
from archsim.errors import ConfigError
from archsim.machine import Machine, load_hardware

if TYPE_CHECKING:
    from archsim.components.vector_unit import BoundVectorUnit

PACKAGED = "edgecim"
"""Id of the machine as published, with our estimates where nothing is."""

BUSES = ("chip", "cluster", "tile")
"""Levels of buses, from the memory inwards."""


@dataclass(frozen=True)
class EdgeChip:
    """A machine with tiles of macros, as the evaluator of designs sees it.

    Attributes
    ----------
    machine
        The machine; its own choice of the nine is :attr:`design`.
    """

    machine: Machine

    @cached_property
    def tiles(self) -> BoundCimTiles:
        """The tiles.

        Raises
        ------
        ConfigError
            The machine has none.
        """
        for item in self.machine.components.values():
            if isinstance(item, BoundCimTiles):
                return item
        raise ConfigError(
            "the evaluator needs a machine with tiles of macros (kind cim-tiles)",
            given=self.machine.name,
            allowed=PACKAGED,
        )

    @cached_property
    def buses(self) -> dict[str, BoundCimBus]:
        """The buses by what they span."""
        found = [item for item in self.machine.components.values() if isinstance(item, BoundCimBus)]
        return {item.bus.span: item for item in found}

    @cached_property
    def buffers(self) -> tuple[BoundCimBuffer, ...]:
        """The buffers: the global one and those of clusters."""
        found = self.machine.components.values()
        return tuple(item for item in found if isinstance(item, BoundCimBuffer))

    @cached_property
    def vector(self) -> BoundVectorUnit:
        """The vector unit."""
        assert self.machine.vector is not None
        return self.machine.vector

    @cached_property
    def vector_cycles(self) -> dict[str, int]:
        """Issue cycles of each vector operation on a lane."""
        return {str(name): n for name, n in self.vector.unit.cycles_per_operation.items()}

    @cached_property
    def dram(self) -> BoundDram:
        """The memory of weights and caches."""
        return cast("BoundDram", self.machine.component(self.machine.outermost))

    @property
    def channels(self) -> int:
        """Channels of the memory."""
        return self.dram.dram.interfaces

    @cached_property
    def dram_bytes_per_s(self) -> float:
        """Bandwidth that streams reach."""
        return self.dram.sustained_bytes_per_s

    @cached_property
    def period_ps(self) -> int:
        """Clock period of macros, buses and units, ps.

        Raises
        ------
        ConfigError
            They run in several clock domains.
        """
        parts = (self.tiles, self.vector, *self.buses.values())
        periods = {item.clock.period_ps for item in parts}
        if len(periods) > 1:
            raise ConfigError(
                "the evaluator takes one clock for tiles, buses and vector unit; the engine does "
                "not need that",
                given=", ".join(f"{period} ps" for period in sorted(periods)),
            )
        return periods.pop()

    @property
    def design(self) -> Designs:
        """The nine choices that the machine's file makes."""
        tiles = self.tiles.tiles
        widths = {f"{span}_bus_bits": self.buses[span].bus.width for span in BUSES}
        names = ("clusters_v", "clusters_h", "tiles_v", "tiles_h", "tile_sets", "elements")
        return one_design(**{name: getattr(tiles, name) for name in names}, **widths)


def overrides_of(design: dict[str, int]) -> tuple[str, ...]:
    """Return the ``--set`` texts that give the machine a design."""
    texts = []
    for name, value in design.items():
        if name.endswith("_bus_bits"):
            bus = name.removesuffix("_bus_bits")
            texts.append(f"hardware.components.{bus}-bus.width={value}")
        else:
            texts.append(f"hardware.components.tiles.{name}={value}")
    return tuple(texts)


def edge_chip(hardware: str = PACKAGED, overrides: tuple[str, ...] = ()) -> EdgeChip:
    """Return the chip of a machine id or file.

    Raises
    ------
    ConfigError
        Anything wrong with it, or it has no tiles of macros.
    """
    chip = EdgeChip(load_hardware(hardware, overrides=overrides))
    _ = chip.tiles, chip.period_ps
    return chip
