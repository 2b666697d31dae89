"""Candidate tilings of a stage of vector work, with footprints and lower bounds in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mappers.gemm_units import bytes_per_element
from mappers.rates import NOTHING, Floats, Ints, Rate, measure
from mappers.vector_stage import Sizes, Stage, StageChoice, TensorUse, format_bytes
from mappers.work import keep_work, service_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine


@dataclass(frozen=True, slots=True)
class StageCandidates:
    """Feasible tilings of one loop order with their bounds.

    Attributes
    ----------
    choices
        The tilings.
    bounds_ps, traffic_bytes, footprint_bytes
        Lower bound of the makespan, bytes moved, bytes of the innermost level.
    least_footprint
        Bytes of the smallest tiling, feasible or not.
    """

    choices: tuple[StageChoice, ...]
    bounds_ps: Floats
    traffic_bytes: Floats
    footprint_bytes: Ints
    least_footprint: int

    def preference(self) -> list[int]:
        """Return the indices by bound, then traffic, then footprint, then number."""
        keys = (self.footprint_bytes, self.traffic_bytes, self.bounds_ps)
        return [int(i) for i in np.lexsort(keys)]


def sizes_of(extent: int) -> tuple[int, ...]:
    """Return the tile sizes tried along an axis: powers of two and the extent."""
    powers = [1 << i for i in range(extent.bit_length()) if 1 << i < extent]
    return (*powers, extent)


def orders(stage: Stage) -> tuple[tuple[str, ...], ...]:
    """Return the loop orders tried: as declared, and axes that few tensors lack outermost.

    The second keeps a tensor that lacks an axis (a rotary table, which all heads share) in place
    while that axis is walked. Reduced axes stay innermost.
    """
    free = [name for name, _ in stage.axes if name not in stage.reduced]
    walked = [name for name, _ in stage.axes if name in stage.reduced]
    uses = (*stage.loads, *stage.stores)
    lacking = {name: sum(name not in use.axes for use in uses) for name in free}
    second = sorted(free, key=lambda name: lacking[name])
    return tuple(dict.fromkeys((tuple(free + walked), tuple(second + walked))))


def tilings(stage: Stage, order: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the tile sizes tried for a loop order.

    One axis is cut in every size; the axes outside it go one by one and those inside it whole.
    Reduced axes are cut independently of the others.
    """
    extents = dict(stage.axes)
    free = [name for name in order if name not in stage.reduced]
    found: dict[tuple[int, ...], None] = {}
    if not free:
        found[()] = None
    for position, name in enumerate(free):
        for size in sizes_of(extents[name]):
            inner = tuple(extents[other] for other in free[position + 1 :])
            found[(1,) * position + (size, *inner)] = None
    rows = list(found)
    for name in order[len(free) :]:
        rows = [(*row, size) for row in rows for size in sizes_of(extents[name])]
    return rows


def candidates(stage: Stage, machine: Machine, capacity: int | None) -> StageCandidates:
    """Return all feasible tilings of a stage with their bounds."""
    model = _Model(stage, machine)
    choices: list[StageChoice] = []
    columns: list[tuple[Floats, Floats, Ints]] = []
    least: list[int] = []
    for order in orders(stage):
        rows = tilings(stage, order)
        table = np.asarray(rows, dtype=np.int64).reshape(len(rows), len(order))
        used, bound, traffic = model.evaluate(order, table)
        least.append(int(used.min()))
        fits = np.ones(len(rows), bool) if capacity is None else used <= capacity
        columns.append((bound[fits], traffic[fits], used[fits]))
        choices += [
            StageChoice(tuple(zip(order, rows[i], strict=True))) for i in np.flatnonzero(fits)
        ]
    bounds, traffic, used = (np.concatenate(column) for column in zip(*columns, strict=True))
    return StageCandidates(tuple(choices), bounds, traffic, used, min(least))


class _Model:
    """Rates and laws of one stage on one machine."""

    def __init__(self, stage: Stage, machine: Machine) -> None:
        self.stage = stage
        self.machine = machine
        inner = machine.innermost
        level = machine.component(inner)
        self.rates: dict[tuple[str, bool], Rate] = {}
        for uses, out in ((stage.loads, False), (stage.stores, True)):
            for use in uses:
                self.rates[use.name, out] = self._rate(use, inner, out=out)
        self.read = measure(lambda size: service_work(level, "read", {"bytes": size}, "*"))
        self.write = measure(lambda size: service_work(level, "write", {"bytes": size}, "*"))

    def _rate(self, use: TensorUse, inner: str, *, out: bool) -> Rate:
        home, number, machine = self.stage.homes[use.name], use.format.name, self.machine
        if home == inner:
            return measure(lambda size: keep_work(machine, size, number)) if out else NOTHING
        source, target = (inner, home) if out else (home, inner)
        return measure(lambda size: transfer_work(machine, source, target, size, number))

    def evaluate(self, order: Sequence[str], table: Ints) -> tuple[Ints, Floats, Floats]:
        """Return (footprint, bound in ps, bytes moved) of every row of tile sizes."""
        extents = dict(self.stage.axes)
        sizes: Sizes = {name: table[:, i] for i, name in enumerate(order)}
        counts = {name: -(-extents[name] // table[:, i]) for i, name in enumerate(order)}
        full = {name: extents[name] // table[:, i] for i, name in enumerate(order)}
        ones = np.ones(len(table), dtype=np.int64)
        used = self.stage.live_bytes(sizes) * ones
        steps, full_steps = ones, ones
        for name in order:
            steps, full_steps = steps * counts[name], full_steps * full[name]
        busy = self._busy(sizes, full_steps)
        resources: dict[str, Floats] = {}
        traffic, head, tail = np.zeros(len(table)), np.zeros(len(table)), np.zeros(len(table))
        cycles = [np.zeros(len(table))]
        for uses, out in ((self.stage.loads, False), (self.stage.stores, True)):
            for use in uses:
                rate = self.rates[use.name, out]
                if not out and not rate.ps_per_unit:
                    continue
                number = self._num_tiles(use, order, counts) * ones
                tile_bytes = format_bytes(use, sizes) * ones
                used = used + np.minimum(number, 2) * tile_bytes
                moved = self._moved(use, order, counts, number) * bytes_per_element(use.format)
                if self.stage.homes[use.name] != self.machine.innermost:
                    traffic = traffic + moved
                for name, per_byte in rate.ps_per_unit.items():
                    resources[name] = resources.get(name, np.zeros(len(table))) + per_byte * moved
                one = rate.latency_ps(np.zeros(len(table)))
                if out:
                    tail = np.maximum(tail, one)
                else:
                    head = np.maximum(head, rate.latency_ps(tile_bytes.astype(np.float64)))
                latency = rate.latency_ps(moved, number)
                least = busy / steps if out else np.where(number == steps, busy / steps, 0.0)
                cycles.append(np.where(number > 2, 0.5 * (latency + number * least), 0.0))
        reads, writes = self._port_bytes(extents)
        for rate, total in ((self.read, reads), (self.write, writes)):
            for name, per_byte in rate.ps_per_unit.items():
                resources[name] = resources.get(name, np.zeros(len(table))) + per_byte * total
        terms = [head + busy + tail, *resources.values(), *cycles]
        return used, np.maximum.reduce(terms), traffic

    def _num_tiles(self, use: TensorUse, order: Sequence[str], counts: Sizes) -> Ints:
        """Return how many tiles of a tensor are moved: those of the axes it is nested in."""
        total = np.asarray(1, dtype=np.int64)
        nested = np.asarray(False)
        for name in reversed(order):
            nested = nested | ((np.asarray(counts[name]) > 1) & (name in use.axes))
            total = total * np.where(nested, counts[name], 1)
        return total

    def _moved(self, use: TensorUse, order: Sequence[str], counts: Sizes, number: Ints) -> Floats:
        """Return the elements moved in all (a lower bound where ranks are capped)."""
        extents = dict(self.stage.axes)
        own = np.asarray(1, dtype=np.int64)
        for name in order:
            if name in use.axes:
                own = own * counts[name]
        whole = int(use.elements(extents))
        again: Floats = np.asarray(number / own, dtype=np.float64)
        return whole * again

    def _busy(self, sizes: Sizes, full_steps: Ints) -> Floats:
        """Return a lower bound on the vector unit's time: full tiles by its law, the rest ideal."""
        vector = self.machine.vector
        assert vector is not None
        lanes, extents = vector.unit.lanes, dict(self.stage.axes)
        total = np.zeros(full_steps.shape)
        for work in self.stage.works:
            points, results = work.points(sizes), work.results(sizes)
            rest = int(work.points(extents)) - full_steps * points
            for action, per_point in work.actions.items():
                rate = vector.cycles({action: 1})
                exact = -(-points * per_point // lanes) * rate
                total = total + full_steps * exact + rest * (per_point * rate / lanes)
            for action in work.reductions:
                rate = vector.cycles({action: 1})
                exact = cycles_reduce_batch(points, results, lanes, rate)
                total = total + full_steps * exact + rest * (rate / lanes)
        return total * vector.clock.period_ps

    def _port_bytes(self, extents: Sizes) -> tuple[float, float]:
        """Return (read, written) bytes of the innermost level, at least: every part once."""
        reads = writes = 0.0
        for work in self.stage.works:
            for use in work.reads:
                reads += int(use.elements(extents)) * bytes_per_element(use.format)
            writes += int(work.write.elements(extents)) * bytes_per_element(work.write.format)
        return reads, writes


def cycles_reduce_batch(count: Ints, results: Ints, lanes: int, rate: int) -> Ints:
    """Batched twin of :func:`archsim.components.vector_unit.cycles_reduce`."""
    per_result = -(-count // results)
    share = np.minimum(lanes // results, per_result)
    levels = np.ceil(np.log2(np.maximum(share, 1))).astype(np.int64)
    shared = -(-per_result // np.maximum(share, 1)) + levels
    alone = -(-results // lanes) * per_result
    return np.asarray(np.where(share <= 1, alone, shared) * rate)


def footprint(stage: Stage, machine: Machine, choice: StageChoice) -> int:
    """Return the bytes that the tiles of a choice take of the innermost level."""
    order = [name for name, _ in choice.tiles]
    table = np.asarray([[size for _, size in choice.tiles]], dtype=np.int64)
    used, _, _ = _Model(stage, machine).evaluate(order, table)
    return int(used[0])
