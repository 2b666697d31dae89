"""Tiles of digital compute-in-memory macros: clusters of tiles of processing elements.

A chip holds a grid of clusters, a cluster a grid of active tiles and as many spare ones again as
there are further sets, a tile a square of macros. Active tiles compute while another set is
written. Trees of adders sum over a tile, a cluster and the chip.

References
----------
EdgeCIM, arXiv:2604.11512v1, Sections III-B and III-C (read): hierarchy, active tiles, trees.
Cycles are the laws of :mod:`archsim.components.cim_laws`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from archsim.cim.adders import tree_depth
from archsim.cim.digital import Activity
from archsim.components.base import (
    ANY_FORMAT,
    BindContext,
    BoundComponent,
    Component,
    Service,
    base_format,
)
from archsim.components.cim_laws import cycles_cim_latency
from archsim.components.cim_macro import CimMacro, Silicon, partial_sum_bits
from archsim.config.schema import Energy, Fraction01, PositiveInt, Power, Voltage
from archsim.cost.table import picojoules
from archsim.errors import ConfigError

WEIGHT_BITS = {"int4": 4, "int8": 8}
"""Operand formats that macros multiply, and their bits."""

Level = Literal["tile", "cluster", "chip"]
"""Where partial sums come together last."""


class CimTiles(Component):
    """Configuration of the tiles of a chip."""

    kind: Literal["cim-tiles"] = "cim-tiles"
    clusters_v: PositiveInt
    """Rows of clusters; they split the inputs of a matrix that the whole chip shares."""
    clusters_h: PositiveInt
    """Columns of clusters; they split its outputs."""
    tiles_v: PositiveInt
    """Rows of active tiles in a cluster."""
    tiles_h: PositiveInt
    """Columns of active tiles in a cluster."""
    tile_sets: PositiveInt
    """Tiles over active tiles: with two or more, some are written while others compute."""
    elements: PositiveInt
    """Macros along each side of a tile."""
    macro: CimMacro = CimMacro()
    """The macro of a processing element."""
    supply_v: Voltage | None = Field(default=None, alias="supply")
    """Supply of macros and trees; absent: the machine's."""
    input_toggle: Fraction01 = 0.5
    """Probability that an input bit is one."""
    weight_density: Fraction01 = 0.5
    """Share of weight bits that are one."""
    write_energy_per_bit_j: Energy = Field(alias="write_energy_per_bit")
    """Energy of writing a weight bit, drivers and periphery included."""
    static_per_mm2_w: Power = Field(alias="static_per_mm2")
    """Leakage of a square millimetre."""

    def bind(self, context: BindContext) -> BoundCimTiles:
        """Attach the tiles to a machine."""
        return BoundCimTiles(context, self)


@dataclass(frozen=True)
class BoundCimTiles(BoundComponent):
    """The tiles of one machine.

    Attributes
    ----------
    tiles
        Their configuration.

    Notes
    -----
    Actions: ``mac``, ``update`` (a byte of weights written) and ``add`` (a partial sum that passes
    the trees above its macro).
    """

    tiles: CimTiles
    KIND: ClassVar[str] = "cim-tiles"
    ACTIONS: ClassVar[tuple[str, ...]] = ("mac", "update", "add")

    @property
    def config(self) -> CimTiles:
        """The validated configuration."""
        return self.tiles

    @property
    def clusters(self) -> int:
        """Clusters of the chip."""
        return self.tiles.clusters_v * self.tiles.clusters_h

    @property
    def active_tiles(self) -> int:
        """Tiles of a cluster that compute at a time."""
        return self.tiles.tiles_v * self.tiles.tiles_h

    @property
    def macros(self) -> int:
        """Macros of the chip."""
        return self.clusters * self.active_tiles * self.tiles.tile_sets * self.tiles.elements**2

    @property
    def sets(self) -> int:
        """Weight sets that can be written and used in turn: of tiles times of macros."""
        return self.tiles.tile_sets * self.tiles.macro.weight_sets

    @property
    def cluster_rows(self) -> int:
        """Inputs that the active tiles of a cluster take."""
        return self.tiles.macro.rows * self.tiles.elements * self.tiles.tiles_v

    @property
    def cluster_columns(self) -> int:
        """Outputs of the active tiles of a cluster."""
        return self.tiles.macro.columns * self.tiles.elements * self.tiles.tiles_h

    def weight_bits(self, format: str) -> int:
        """Return the bits of a weight format.

        Raises
        ------
        ConfigError
            The macros do not multiply it.
        """
        number = base_format(format)
        fitting = [name for name, bits in WEIGHT_BITS.items() if bits <= self._macro.weight_bits]
        if number not in fitting:
            raise ConfigError(
                "macros do not multiply this format",
                path=f"{self.context.prefix}.macro.weight_bits",
                given=format,
                allowed=fitting,
            )
        return WEIGHT_BITS[number]

    def resources(self) -> dict[str, int]:
        """Return the write ports of all macros, and the macros as they compute."""
        return {f"{self.name}.update": 1, f"{self.name}.mac": 1}

    def resource(self, action: str) -> str:
        """Return ``<name>.update`` for writes, else ``<name>.mac``."""
        self._check_action(action, self.ACTIONS)
        return f"{self.name}.{'update' if action == 'update' else 'mac'}"

    def tree_stages(self, level: Level) -> int:
        """Return the levels of all trees up to one: of the macro, tile, cluster and chip."""
        depth = self._macro.tree_stages + tree_depth(self.tiles.elements)
        if level != "tile":
            depth += tree_depth(self.tiles.tiles_v)
        if level == "chip":
            depth += tree_depth(self.tiles.clusters_v)
        return depth

    def cycles_mac(self, vectors: int, input_bits: int, level: Level) -> int:
        """Cycles in which some vectors pass the weights of all active tiles.

        Notes
        -----
        ``(V-1) n + n + D + 1`` of the macro's law, D with the levels of all trees above it.
        """
        steps = self._macro.cycles_steps(input_bits)
        return (vectors - 1) * steps + cycles_cim_latency(steps, self.tree_stages(level))

    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return the cost of writing a set of weights, or of passing vectors through one.

        Parameters
        ----------
        action
            ``update``: write what ``bytes`` count; all macros are written side by side.
            ``mac``: pass ``vectors`` of ``input_bits`` each.
        shape
            ``bytes``; or ``vectors``, ``input_bits``, ``macs``, and ``level``: 1 tile, 2 cluster,
            3 chip.
        format
            Format of the weights.
        """
        self._check_action(action, ("update", "mac"))
        if action == "update":
            cycles = self._macro.cycles_write
            counts = {(self.name, "update", ANY_FORMAT): self._extent(shape, "bytes")}
            span, rate = self._macro.rows, self._own_path("macro.rows_written_per_cycle")
            expression = f"{span} * {self._cycles_expr(1)} / {rate}"
        else:
            vectors, bits = self._extent(shape, "vectors"), self._extent(shape, "input_bits")
            levels: tuple[Level, ...] = ("tile", "cluster", "chip")
            cycles = self.cycles_mac(vectors, bits, levels[self._extent(shape, "level", 1) - 1])
            macs = self._extent(shape, "macs")
            number = base_format(format)
            counts = {
                (self.name, "mac", number): macs,
                (self.name, "add", number): macs // self._macro.rows,
            }
            expression = self._cycles_expr(cycles)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(cycles),
            counts={key: count for key, count in counts.items() if count},
            occupancy_expr=expression,
            latency_expr=expression,
        )

    def peak_macs_per_s(self, format: str) -> float:
        """Return the MACs of all active tiles, 1/s.

        Other formats are quantised before, to the narrowest that the macros multiply.
        """
        bits = WEIGHT_BITS.get(base_format(format), min(WEIGHT_BITS.values()))
        weights = self.clusters * self.cluster_rows * self.cluster_columns
        return weights / self._macro.cycles_steps(bits) * 1e12 / self.clock.period_ps

    def energy_parts_pj(self, format: str) -> dict[str, float]:
        """Return the energy of one MAC by part of the macro, pJ; inputs have the weights' bits."""
        bits = self.weight_bits(format)
        return self.silicon.mac_parts_pj(self._macro, bits, bits)

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of a MAC, of a partial sum, or of a byte written, pJ."""
        if action == "update":
            plain = 8 * picojoules(self.tiles.write_energy_per_bit_j)
        elif action == "add":
            bits = self.weight_bits(format)
            width = partial_sum_bits(self._macro.rows, bits, bits)
            plain = width * self.silicon.adder_bit_pj()
        else:
            self._check_action(action, self.ACTIONS)
            plain = sum(self.energy_parts_pj(format).values())
        for key in (f"{action}.{format}", action):
            if key in self.tiles.energy_j:
                return picojoules(self.tiles.energy_j[key])
        return plain

    @cached_property
    def silicon(self) -> Silicon:
        """Process of the macros and what of them switches."""
        technology = self.context.technology
        supply = technology.supply_v if self.tiles.supply_v is None else self.tiles.supply_v
        activity = Activity(self.tiles.input_toggle, self.tiles.weight_density)
        return Silicon(technology.node_nm, supply, activity)

    @property
    def _macro(self) -> CimMacro:
        return self.tiles.macro

    def _static_parts(self) -> Iterable[float]:
        yield self.tiles.static_per_mm2_w * self.area_mm2()

    def _area_parts(self) -> Iterable[float]:
        yield self.macros * self.silicon.macro_mm2(self._macro)
