"""A stage of vector work: einsums that run together on one tile at a time.

All einsums of a stage share the tiled axes. What one makes and another reads stays in the innermost
level; everything else is loaded from, or stored to, its home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mappers.pipeline import Axis, Nest, Shape, Step, Stream
from mappers.rates import Ints
from mappers.work import Work, in_turn, keep_work, port_work, service_work, transfer_work
from workloads.operation import OPERATIONS, action_counts

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Placement
    from archsim.numberformat import NumberFormat
    from workloads import Access, Cascade, Einsum

Sizes: TypeAlias = Mapping[str, "Ints | int"]
"""Tile size by axis (a rank variable): integers, or arrays over candidates."""


@dataclass(frozen=True, slots=True)
class RankUse:
    """Coordinates of a tensor rank that a tile touches: ``fixed * Π axes``, at most `limit`."""

    axes: tuple[str, ...]
    fixed: int
    limit: int


@dataclass(frozen=True, slots=True)
class TensorUse:
    """The part of a tensor that a tile touches."""

    name: str
    format: NumberFormat
    ranks: tuple[RankUse, ...]

    @property
    def axes(self) -> frozenset[str]:
        """Axes that choose the part."""
        return frozenset(axis for rank in self.ranks for axis in rank.axes)

    def elements(self, sizes: Sizes) -> Ints:
        """Return the elements of a tile."""
        total = np.asarray(1, dtype=np.int64)
        for rank in self.ranks:
            touched = np.asarray(rank.fixed, dtype=np.int64)
            for axis in rank.axes:
                touched = touched * sizes[axis]
            total = total * np.minimum(touched, rank.limit)
        return total


@dataclass(frozen=True, slots=True)
class PointWork:
    """What an einsum of the stage computes.

    Attributes
    ----------
    einsum
        The einsum.
    axes, fixed
        Points of a tile: ``fixed * Π axes``.
    result_axes, result_fixed
        Results of a tile, likewise.
    actions
        Operations per point, reductions excluded.
    reductions
        One action per point that reduces.
    number
        Number format of the operations.
    reads, write
        Parts of tensors read and written.
    """

    einsum: Einsum
    axes: tuple[str, ...]
    fixed: int
    result_axes: tuple[str, ...]
    result_fixed: int
    actions: Mapping[str, int]
    reductions: tuple[str, ...]
    number: str
    reads: tuple[TensorUse, ...]
    write: TensorUse

    def points(self, sizes: Sizes) -> Ints:
        """Return the points of a tile, masked ones included."""
        return _product(self.fixed, self.axes, sizes)

    def results(self, sizes: Sizes) -> Ints:
        """Return the results of a tile."""
        return _product(self.result_fixed, self.result_axes, sizes)

    def work(self, machine: Machine, shape: Shape) -> Work:
        """Return the work of a tile on the vector unit."""
        vector = machine.vector
        assert vector is not None
        points, results = int(self.points(shape)), int(self.results(shape))
        works = []
        if self.actions:
            counts = {action: per_point * points for action, per_point in self.actions.items()}
            works.append(service_work(vector, "elementwise", counts, self.number))
        for action in self.reductions:
            counts = {action: points, "results": results}
            works.append(service_work(vector, "reduce", counts, self.number))
        return in_turn(works, "compute") if works else Work((), 0)


def _product(fixed: int, axes: Sequence[str], sizes: Sizes) -> Ints:
    total = np.asarray(fixed, dtype=np.int64)
    for axis in axes:
        total = total * sizes[axis]
    return total


@dataclass(frozen=True, slots=True)
class Stage:
    """Einsums with their shared axes and the tensors that cross the stage's border.

    Attributes
    ----------
    name
        Name of the stage's program.
    axes
        ``(axis, extent)``, in the order of the first einsum; extent above 1.
    reduced
        Axes along which results accumulate.
    works
        The einsums.
    loads, stores
        Tensors brought in and taken out.
    homes
        Home level of each tensor.
    """

    name: str
    axes: tuple[tuple[str, int], ...]
    reduced: frozenset[str]
    works: tuple[PointWork, ...]
    loads: tuple[TensorUse, ...]
    stores: tuple[TensorUse, ...]
    homes: Mapping[str, str]

    def live_bytes(self, sizes: Sizes) -> Ints:
        """Return the peak bytes of what is made and used up inside a tile."""
        outside = {use.name for use in (*self.loads, *self.stores)}
        last: dict[str, int] = {}
        for position, work in enumerate(self.works):
            for use in (*work.reads, work.write):
                last[use.name] = position
        peak = np.asarray(0, dtype=np.int64)
        live: dict[str, Ints] = {}
        for position, work in enumerate(self.works):
            if work.write.name not in outside:
                live[work.write.name] = format_bytes(work.write, sizes)
            peak = np.maximum(peak, sum(live.values(), np.asarray(0, dtype=np.int64)))
            live = {name: size for name, size in live.items() if last[name] > position}
        return peak


def format_bytes(use: TensorUse, sizes: Sizes) -> Ints:
    """Return the bytes of a tile of a tensor."""
    elements, bits = use.elements(sizes), use.format.bits_per_element
    return np.asarray(-(-elements * bits.numerator // (8 * bits.denominator)))


def build_stage(
    cascade: Cascade,
    einsums: Sequence[Einsum],
    machine: Machine,
    placement: Placement,
    *,
    walk: bool,
) -> Stage:
    """Return the stage of some einsums of a fragment.

    Parameters
    ----------
    cascade
        The fragment.
    einsums
        Einsums of the stage, in order.
    machine, placement
        Where tensors live.
    walk
        Whether reduced variables that all einsums share are tiled too.
    """
    reduced = {variable for einsum in einsums for variable, _ in einsum.reduce}
    shared = [
        (variable, extent)
        for variable, extent in einsums[0].space
        if extent > 1
        and all(variable in einsum.extents for einsum in einsums)
        and (walk or variable not in reduced)
    ]
    axes = [item for item in shared if item[0] not in reduced]
    axes += [item for item in shared if item[0] in reduced]
    names = frozenset(name for name, _ in axes)
    works = tuple(_point_work(cascade, einsum, names) for einsum in einsums)
    made: set[str] = set()
    loads: dict[str, None] = {}
    for einsum in einsums:
        for tensor in einsum.reads():
            if tensor not in made:
                loads[tensor] = None
        made.add(einsum.output.tensor)
    inside = {einsum.name for einsum in einsums}
    wanted = {
        tensor
        for einsum in cascade.einsums
        if einsum.name not in inside
        for tensor in einsum.reads()
    }
    stores = [
        tensor
        for tensor in dict.fromkeys(einsum.output.tensor for einsum in einsums)
        if tensor in wanted or cascade.tensor(tensor).role in ("output", "kv")
    ]
    homes = {tensor.name: machine.outermost for tensor in cascade.tensors}
    return Stage(
        name=" + ".join(dict.fromkeys((einsums[0].name, einsums[-1].name))),
        axes=tuple(axes),
        reduced=frozenset(reduced) & names,
        works=works,
        loads=tuple(tensor_use(cascade, einsums, name, names, written=False) for name in loads),
        stores=tuple(tensor_use(cascade, einsums, name, names, written=True) for name in stores),
        homes={**homes, **placement.homes},
    )


def _point_work(cascade: Cascade, einsum: Einsum, axes: frozenset[str]) -> PointWork:
    written = set(einsum.output.variables())
    reductions = [
        action
        for operation in dict.fromkeys(operation for _, operation in einsum.reduce)
        for action, count in OPERATIONS[operation].actions
        for _ in range(count)
    ]
    return PointWork(
        einsum=einsum,
        axes=tuple(name for name, _ in einsum.space if name in axes),
        fixed=prod(extent for name, extent in einsum.space if name not in axes),
        result_axes=tuple(n for n, _ in einsum.space if n in axes and n in written),
        result_fixed=prod(e for n, e in einsum.space if n not in axes and n in written),
        actions=action_counts(einsum.map),
        reductions=tuple(reductions),
        number=cascade.tensor(einsum.output.tensor).format.name.partition(":")[0],
        reads=tuple(
            tensor_use(cascade, [einsum], name, axes, written=False) for name in einsum.reads()
        ),
        write=tensor_use(cascade, [einsum], einsum.output.tensor, axes, written=True),
    )


def tensor_use(
    cascade: Cascade,
    einsums: Sequence[Einsum],
    name: str,
    axes: frozenset[str],
    *,
    written: bool,
) -> TensorUse:
    """Return the part of a tensor that a tile touches, the hull over all its accesses."""
    found: list[tuple[Einsum, Access]] = []
    for einsum in einsums:
        accesses = [einsum.output] if written else list(einsum.operands)
        accesses += [gather for access in tuple(accesses) for gather in access.gathers()]
        found += [(einsum, access) for access in accesses if access.tensor == name]
    tensor = cascade.tensor(name)
    ranks = tuple(
        _rank_use([(einsum, access, position) for einsum, access in found], axes, extent)
        for position, extent in enumerate(tensor.shape(cascade))
    )
    return TensorUse(name, tensor.format, ranks)


def _rank_use(
    accesses: Sequence[tuple[Einsum, Access, int]], axes: frozenset[str], limit: int
) -> RankUse:
    """Return how a rank is covered: by axes where every access moves with them, else its hull."""
    moving: set[tuple[str, ...]] = set()
    low, high, gathered = limit, -1, 0
    for einsum, access, position in accesses:
        index = access.indices[position]
        extents = einsum.extents
        if index.gather is not None:
            used = tuple(dict.fromkeys(index.gather.variables()))
            moving.add(tuple(variable for variable in used if variable in axes))
            gathered = max(gathered, prod(extents[v] for v in used if v not in axes))
            continue
        on_axis = tuple(v for v, _ in index.terms if v in axes)
        single = len(index.terms) == 1 and index.terms[0][1] == 1
        moving.add(on_axis if single else ())
        first, last = index.span(extents)
        low, high = min(low, first), max(high, last)
    if len(moving) == 1 and (gathered or moving != {()}):
        return RankUse(next(iter(moving)), max(gathered, 1), limit)
    if gathered:
        return RankUse((), limit, limit)
    return RankUse((), max(min(high, limit - 1) - low + 1, 1), limit)


@dataclass(frozen=True, slots=True)
class StageChoice:
    """Tiling of a stage: ``(axis, tile size)``, outermost first."""

    tiles: tuple[tuple[str, int], ...]


def stage_axes(stage: Stage, choice: StageChoice) -> tuple[Axis, ...]:
    """Return the axes of the nest that a choice stands for."""
    extents = dict(stage.axes)
    return tuple(
        Axis(name, extents[name], tile, name in stage.reduced) for name, tile in choice.tiles
    )


def stage_nest(stage: Stage, machine: Machine, choice: StageChoice) -> Nest:
    """Return the pipelined nest of a stage."""
    inner = machine.innermost
    first = stage.works[0].einsum
    tags = {"einsum": first.name, "layer": first.layer}

    def stream(use: TensorUse, tags: Mapping[str, str], *, out: bool) -> Stream:
        home, number = stage.homes[use.name], use.format.name

        def work(shape: Shape) -> Work:
            num_bytes = int(format_bytes(use, shape))
            if home == inner:
                return keep_work(machine, num_bytes, number)
            source, target = (inner, home) if out else (home, inner)
            return transfer_work(machine, source, target, num_bytes, number)

        def room(shape: Shape) -> int:
            return int(format_bytes(use, shape))

        return Stream(use.name, use.axes, work, tags, room)

    def step(shape: Shape) -> Step:
        reads = [
            (int(format_bytes(use, shape)), use.format.name)
            for work in stage.works
            for use in work.reads
        ]
        writes = [(int(format_bytes(w.write, shape)), w.write.format.name) for w in stage.works]
        chain = tuple(
            (
                w.einsum.name,
                w.work(machine, shape),
                {"einsum": w.einsum.name, "layer": w.einsum.layer},
            )
            for w in stage.works
        )
        return Step(chain, port_work(machine, "read", reads), port_work(machine, "write", writes))

    by_reader = _tags_by_tensor(stage)
    return Nest(
        name=stage.name,
        axes=stage_axes(stage, choice),
        loads=tuple(
            stream(use, by_reader[use.name], out=False)
            for use in stage.loads
            if stage.homes[use.name] != inner
        ),
        stores=tuple(stream(use, by_reader[use.name], out=True) for use in stage.stores),
        step=step,
        tags=tags,
        level=inner,
    )


def _tags_by_tensor(stage: Stage) -> dict[str, Mapping[str, str]]:
    """Tag a tensor's transfers with the einsum that makes it, else the first that reads it."""
    found: dict[str, Mapping[str, str]] = {}
    for work in reversed(stage.works):
        for use in work.reads:
            found[use.name] = {"einsum": work.einsum.name, "layer": work.einsum.layer}
    for work in stage.works:
        found[work.write.name] = {"einsum": work.einsum.name, "layer": work.einsum.layer}
    return found
