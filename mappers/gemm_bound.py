"""Footprints and lower bounds of all tilings of a matrix product at once, in numpy.

For a tiling, the bound is the largest of: the head (first tiles loaded) plus the total time of the
compute unit plus the last result's way out; the total occupancy of every resource with what must
come before and after it; and half the sum over the cycles that two buffers close (a tile's load
waits for the computation two tiles back). Each is a true lower bound on the engine's makespan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mappers.gemm_problem import GemmChoice, GemmProblem, MatrixTensor, Order, Unit
from mappers.gemm_units import Tiles, UnitCost, bytes_per_element, unit_cost, units
from mappers.rates import NOTHING, Floats, Ints, Rate, measure
from mappers.tiles import tile_sizes
from mappers.work import keep_work, service_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.numberformat import NumberFormat

VECTOR_GRANULE = 128
"""Granule of tile sizes on machines without an array (a choice: estimate)."""

VARIANTS: tuple[tuple[Order, bool], ...] = (
    ("mnk", False),
    ("nmk", False),
    ("mnk", True),
    ("nmk", True),
)
"""Loop orders, without and with the outer operand kept as a panel of full k."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Feasible tilings with their bounds, in a fixed order.

    Attributes
    ----------
    choice
        Returns the choice of an index.
    bounds_ps
        Lower bound of each makespan.
    traffic_bytes
        Bytes between homes and buffer.
    movement_pj
        Energy of moving all bytes, between homes and buffer and through the buffer's ports.
    footprint_bytes
        Bytes of the buffer.
    """

    choice: Callable[[int], GemmChoice]
    bounds_ps: Floats
    traffic_bytes: Floats
    movement_pj: Floats
    footprint_bytes: Ints

    def thrift(self) -> list[int]:
        """Return the indices by movement energy, then bound, then footprint, then number."""
        keys = (self.footprint_bytes, self.bounds_ps, self.movement_pj)
        return [int(i) for i in np.lexsort(keys)]

    def preference(self) -> list[int]:
        """Return the indices by bound, then movement energy, then footprint, then number."""
        keys = (self.footprint_bytes, self.movement_pj, self.bounds_ps)
        return [int(i) for i in np.lexsort(keys)]


@dataclass(frozen=True, slots=True)
class Movement:
    """How one tensor moves under each tiling; shape (tilings,) each.

    Attributes
    ----------
    tile_elements
        Elements of a full tile.
    num_tiles
        Tiles moved in all.
    elements
        Elements moved in all.
    first, last
        Elements of the first and of the last tile.
    """

    tile_elements: Ints
    num_tiles: Ints
    elements: Floats
    first: Ints
    last: Ints


def format_bytes(number: NumberFormat, elements: Ints) -> Ints:
    """Batched twin of :meth:`NumberFormat.bytes`."""
    bits = number.bits_per_element
    return -(-elements * bits.numerator // (8 * bits.denominator))


def granules(machine: Machine) -> tuple[int, ...]:
    """Return the sides of the array, or a default granule without one."""
    array = machine.array
    if array is None:
        return (VECTOR_GRANULE,)
    return tuple(sorted({array.law.rows, array.law.columns}))


def tilings(problem: GemmProblem, *sizes: tuple[int, ...]) -> Tiles:
    """Return every combination of tile sizes along m, n and k."""
    axes = [np.asarray(axis, dtype=np.int64) for axis in sizes]
    m, n, k = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    return Tiles(m, n, k, -(-problem.m // m), -(-problem.n // n), -(-problem.k // k))


def grid(problem: GemmProblem, machine: Machine) -> Tiles:
    """Return every combination of candidate tile sizes."""
    sides = granules(machine)
    return tilings(problem, *(tile_sizes(e, sides) for e in (problem.m, problem.n, problem.k)))


def movements(
    problem: GemmProblem, tiles: Tiles, order: Order, panel: bool
) -> tuple[Movement, Movement, Movement]:
    """Return how lhs, rhs and out move.

    An operand is fetched again for every tile of the other dimension, unless it stays: the outer
    dimension's operand while its whole k is in the buffer, the inner one's if it is a single tile.
    """
    p, batch = problem, problem.batch
    one_k = tiles.num_k == 1
    outer, inner = (tiles.num_m, tiles.num_n) if order == "mnk" else (tiles.num_n, tiles.num_m)
    steps = batch * outer * inner * tiles.num_k
    outer_stays = one_k | panel
    inner_stays = one_k & (inner == 1)
    made: dict[str, Movement] = {}
    for name, extent, tile, again, other in (
        ("m", p.m, tiles.m, tiles.num_n, tiles.num_m),
        ("n", p.n, tiles.n, tiles.num_m, tiles.num_n),
    ):
        is_outer = name == order[0]
        k_tile = np.where(panel and is_outer, p.k, tiles.k)
        stays = outer_stays if is_outer else inner_stays
        count = np.where(stays, batch * other if is_outer else batch, steps)
        elements = float(batch * extent * p.k) * np.where(stays, 1, again)
        last = _last(extent, tile) * _last(p.k, k_tile)
        made[name] = Movement(tile * k_tile, count, elements, tile * k_tile, last)
    out = Movement(
        tiles.m * tiles.n,
        batch * outer * inner,
        np.full(steps.shape, float(batch * p.m * p.n)),
        tiles.m * tiles.n,
        _last(p.m, tiles.m) * _last(p.n, tiles.n),
    )
    return made["m"], made["n"], out


def _last(extent: int, tile: Ints) -> Ints:
    return (extent - 1) % tile + 1


def footprint(problem: GemmProblem, tiles: Tiles, order: Order, panel: bool, inner: str) -> Ints:
    """Return the buffer bytes of each tiling.

    Two buffers for each operand and for the partial sums, one where there is a single tile.
    Operands that stand in the innermost level `inner` anyway take no room.
    """
    lhs, rhs, out = movements(problem, tiles, order, panel)
    parts = [(problem.accumulator, out)]
    parts += [
        (tensor.format, moved)
        for tensor, moved in ((problem.lhs, lhs), (problem.rhs, rhs))
        if tensor.home != inner
    ]
    total = np.zeros(tiles.m.shape, dtype=np.int64)
    for number, moved in parts:
        total += np.minimum(moved.num_tiles, 2) * format_bytes(number, moved.tile_elements)
    return total


def operand_rate(machine: Machine, tensor: MatrixTensor, *, is_output: bool = False) -> Rate:
    """Return the rate of moving a tensor between its home and the buffer."""
    inner, name = machine.innermost, tensor.format.name
    if tensor.home != inner:
        source, target = (inner, tensor.home) if is_output else (tensor.home, inner)
        return measure(lambda size: transfer_work(machine, source, target, size, name))
    if is_output:
        return measure(lambda size: keep_work(machine, size, name))
    return NOTHING


def port_rate(machine: Machine, action: str, format_name: str) -> Rate:
    """Return the rate of one port of the innermost level."""
    level = machine.component(machine.innermost)
    return measure(lambda size: service_work(level, action, {"bytes": size}, format_name))


class GemmBounds:
    """Bounds of all tilings of a problem on a machine."""

    def __init__(self, problem: GemmProblem, machine: Machine) -> None:
        self.problem = problem
        self.machine = machine
        self.tiles = grid(problem, machine)
        self.rates = (
            operand_rate(machine, problem.lhs),
            operand_rate(machine, problem.rhs),
            operand_rate(machine, problem.out, is_output=True),
        )
        self.bytes_per_element = tuple(
            bytes_per_element(tensor.format) for tensor in (problem.lhs, problem.rhs, problem.out)
        )
        self.read = port_rate(machine, "read", problem.lhs.format.name)
        self.write = port_rate(machine, "write", problem.accumulator.name)

    def footprint(self, order: Order, panel: bool) -> Ints:
        """Return the buffer bytes of every tiling of the grid."""
        return footprint(self.problem, self.tiles, order, panel, self.machine.innermost)

    def least_footprint(self) -> int:
        """Return the bytes of the smallest legal tile set."""
        return min(int(self.footprint(order, panel).min()) for order, panel in VARIANTS)

    def candidates(self) -> Candidates:
        """Return all feasible tilings of all units, orders and panels with their bounds."""
        capacity = self.problem.capacity_bytes
        kept: list[tuple[Unit, Order, bool, Ints]] = []
        columns: list[tuple[Floats, Floats, Floats, Ints]] = []
        costs = [
            (unit, unit_cost(self.problem, self.machine, self.tiles, unit, number))
            for unit, number in units(self.problem, self.machine)
        ]
        for order, panel in VARIANTS:
            used = self.footprint(order, panel)
            mask = np.ones(used.shape, bool) if capacity is None else used <= capacity
            if panel:
                # Otherwise the same program as without a panel, or the same traffic with less room.
                inner = self.tiles.num_n if order == "mnk" else self.tiles.num_m
                mask &= (self.tiles.num_k > 1) & (inner > 1)
            elif order == "nmk":
                # With a single tile along m or n, both orders are the same program.
                mask &= (self.tiles.num_m > 1) & (self.tiles.num_n > 1)
            for unit, cost in costs:
                bound, traffic, energy = self.bound(cost, order, panel)
                kept.append((unit, order, panel, np.flatnonzero(mask)))
                columns.append((bound[mask], traffic[mask], energy[mask], used[mask]))
        starts = np.cumsum([0] + [len(rows) for *_, rows in kept])
        tiles = self.tiles

        def choice(index: int) -> GemmChoice:
            group = int(np.searchsorted(starts, index, side="right")) - 1
            unit, order, panel, rows = kept[group]
            row = rows[index - starts[group]]
            size_m, size_n, size_k = int(tiles.m[row]), int(tiles.n[row]), int(tiles.k[row])
            return GemmChoice(unit, order, size_m, size_n, size_k, panel)

        return Candidates(
            choice, *(np.concatenate(column) for column in zip(*columns, strict=True))
        )

    def bound(self, cost: UnitCost, order: Order, panel: bool) -> tuple[Floats, Floats, Floats]:
        """Return (lower bound in ps, bytes moved, energy of moving in pJ) of every tiling."""
        moved = movements(self.problem, self.tiles, order, panel)
        sizes = [m.elements * b for m, b in zip(moved, self.bytes_per_element, strict=True)]
        head = self._head(moved)
        stored = self.rates[2].latency_ps(moved[2].last * self.bytes_per_element[2])
        terms = [
            head + cost.busy_ps - cost.last_busy_ps + cost.last_latency_ps + stored,
            *self._resource_terms(moved, sizes, cost, (head, stored)),
            *self._cycle_terms(moved, sizes, cost),
        ]
        return np.maximum.reduce(terms), *self._movement(sizes, cost)

    def _movement(self, sizes: list[Floats], cost: UnitCost) -> tuple[Floats, Floats]:
        """Return bytes between homes and buffer, and the energy of these and of the ports in pJ."""
        inner = self.machine.component(self.machine.innermost)
        read_pj, write_pj = inner.energy_pj("read"), inner.energy_pj("write")
        traffic = np.zeros(cost.busy_ps.shape)
        energy = read_pj * cost.read_bytes + write_pj * cost.write_bytes
        tensors = (self.problem.lhs, self.problem.rhs, self.problem.out)
        for tensor, size in zip(tensors, sizes, strict=True):
            if tensor.home == inner.name:
                continue
            home = self.machine.component(tensor.home)
            stored = tensor is self.problem.out
            each_pj = (
                home.energy_pj("write") + read_pj if stored else home.energy_pj("read") + write_pj
            )
            traffic = traffic + size
            energy = energy + each_pj * size
        return traffic, energy

    def _head(self, moved: tuple[Movement, ...]) -> Floats:
        """Return the time until the first tiles of both operands are there."""
        lhs, rhs = self.rates[0], self.rates[1]
        first = moved[0].first * self.bytes_per_element[0]
        second = moved[1].first * self.bytes_per_element[1]
        both = lhs.ps_per_unit.keys() & rhs.ps_per_unit
        behind_lhs = max((lhs.ps_per_unit[name] for name in both), default=0.0) * first
        behind_rhs = max((rhs.ps_per_unit[name] for name in both), default=0.0) * second
        lhs_ps, rhs_ps = lhs.latency_ps(first), rhs.latency_ps(second)
        # The larger one goes first; the lesser of both orders holds for either.
        return np.minimum(
            np.maximum(lhs_ps, behind_lhs + rhs_ps), np.maximum(rhs_ps, behind_rhs + lhs_ps)
        )

    def _resource_terms(
        self,
        moved: tuple[Movement, ...],
        sizes: list[Floats],
        cost: UnitCost,
        ends_ps: tuple[Floats, Floats],
    ) -> list[Floats]:
        """Return the occupancy of every transfer resource with what must surround it."""
        (head, stored), loads, out = ends_ps, self.rates[:2], self.rates[2]
        out_bytes = self.bytes_per_element[2]
        steps = self.tiles.num_m * self.tiles.num_n * self.tiles.num_k * self.problem.batch
        # Stores behind the last load of all: those of the last two steps, if every step loads.
        late = np.where(self.tiles.num_k == 1, 2, 1) * moved[2].tile_elements * out_bytes
        each_step = np.zeros(stored.shape, bool)
        for rate, m in zip(loads, moved, strict=False):
            if rate.ps_per_unit:
                each_step |= m.num_tiles == steps
        early = np.where(each_step, np.maximum(sizes[2] - late, 0), 0)
        names = set().union(*(rate.ps_per_unit for rate in (*self.rates, self.read, self.write)))
        terms = []
        for name in sorted(names):
            busy = np.zeros(stored.shape)
            for rate, size in zip(loads, sizes, strict=False):
                busy = busy + rate.ps_per_unit.get(name, 0.0) * size
            store = out.ps_per_unit.get(name, 0.0)
            # The last load ends its latency, not its occupancy, after it starts.
            ends = [
                rate.latency_ps(size) - rate.ps_per_unit[name] * size
                for rate, m, b in zip(loads, moved, self.bytes_per_element, strict=False)
                if name in rate.ps_per_unit
                for size in (m.last * b,)
            ]
            if ends:
                least = np.minimum.reduce(ends)
                terms.append(busy + store * early + least + cost.last_latency_ps + stored)
            ports = self.write.ps_per_unit.get(name, 0.0) * cost.write_bytes
            ports = ports + self.read.ps_per_unit.get(name, 0.0) * cost.read_bytes
            last = moved[2].last * out_bytes
            # What no load uses is not used before the first tiles are there.
            before = 0.0 if ends else head
            terms.append(before + busy + ports + store * (sizes[2] - last) + stored)
        return terms

    def _cycle_terms(
        self, moved: tuple[Movement, ...], sizes: list[Floats], cost: UnitCost
    ) -> list[Floats]:
        """Return half the sums over the cycles closed by two buffers of operands and results."""
        steps = self.problem.batch * self.tiles.num_m * self.tiles.num_n * self.tiles.num_k
        times = [
            rate.latency_ps(size, m.num_tiles)
            for m, rate, size in zip(moved, self.rates, sizes, strict=True)
        ]
        terms = []
        for m, time, rate in zip(moved[:2], times, self.rates, strict=False):
            if rate.ps_per_unit:
                every = m.num_tiles == steps
                compute = np.where(every, cost.latency_ps, m.num_tiles * cost.least_latency_ps)
                terms.append(np.where(m.num_tiles > 2, 0.5 * (time + compute), 0.0))
        result = 0.5 * (cost.busy_ps + times[2])
        terms.append(np.where(moved[2].num_tiles > 2, result, 0.0))
        return terms
