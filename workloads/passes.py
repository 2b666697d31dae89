"""Pass analysis: how often the ranks of a cascade have to be traversed, and what forces it.

A pass over a rank is one traversal of every element of a tensor's fiber along it. Another pass is
needed where an element must be visited again after every other element has been visited, whatever
the mapping. Einsums of one pass can be fused along the rank; einsums of different passes can only
if a whole fiber is held. Everything is computed from the dependences of the cascade.

References
----------
FuseMax, MICRO 2024, section III-A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import WorkloadError, nearest
from workloads.passes_family import RankFamily, rank_families
from workloads.passes_origin import OriginAnalysis, OriginPasses, Step

if TYPE_CHECKING:
    from workloads.cascade import Cascade


@dataclass(frozen=True, slots=True)
class PassStep:
    """One forced traversal.

    Attributes
    ----------
    number
        Which traversal, from 1.
    einsum, reads
        The einsum that needs it, and the tensor that it reads element by element.
    because
        Tensors from the last full read before to the value that is complete only then; empty for
        the first traversal.
    """

    number: int
    einsum: str
    reads: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A fiber that must be held from one traversal to the next, or read again.

    Attributes
    ----------
    before
        Traversal for which it is needed.
    tensor
        What is read then.
    fiber_values, fiber_bytes
        One fiber: values along the rank for one coordinate of the other ranks.
    reread_bytes
        Traffic if no fiber is held: all of the tensor read again, and written once if it is an
        intermediate.
    """

    before: int
    tensor: str
    fiber_values: int
    fiber_bytes: int
    reread_bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A tensor with one value per tile that outlives the traversal that made it."""

    tensor: str
    ranks: tuple[str, ...]
    values: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class RankPasses:
    """Passes over one rank.

    Attributes
    ----------
    rank, extent
        The rank (with all levels it is split into) and its coordinates.
    level
        Level that is traversed outermost.
    passes
        Lower bound over all legal mappings: the most traversals that any tensor needs.
    tensor
        A tensor that needs them; empty if the rank is never traversed.
    tensors
        Traversals of every tensor's full fibers.
    einsums
        Traversal of `tensor` to which each einsum belongs, 0 for those it does not concern.
    chain
        What forces the count.
    held, summaries
        Fibers and summaries that outlive a traversal.
    levels
        Traversals by level where it is split and each level in turn is traversed outermost; the
        inner ones say what has to stay within a tile.
    """

    rank: str
    extent: int
    level: str
    passes: int
    tensor: str
    tensors: Mapping[str, int]
    einsums: Mapping[str, int]
    chain: tuple[PassStep, ...]
    held: tuple[Held, ...]
    summaries: tuple[Summary, ...]
    levels: Mapping[str, int]

    @property
    def fiber_bytes(self) -> int:
        """Bytes that a fused schedule holds per coordinate of the other ranks; 0 for one pass."""
        by_pass: dict[int, int] = {}
        for item in self.held:
            by_pass[item.before] = by_pass.get(item.before, 0) + item.fiber_bytes
        return max(by_pass.values(), default=0)


@dataclass(frozen=True, slots=True)
class PassAnalysis:
    """Passes over every rank of a cascade."""

    cascade: str
    ranks: tuple[RankPasses, ...]

    def rank(self, name: str) -> RankPasses:
        """Return the passes over a rank; WorkloadError if there is no such rank."""
        for item in self.ranks:
            if item.rank == name:
                return item
        names = [item.rank for item in self.ranks]
        raise WorkloadError(
            f"cascade {self.cascade} has no such rank",
            given=name,
            allowed=names,
            hint=nearest(name, names),
        )

    @property
    def passes(self) -> dict[str, int]:
        """Lower bound on the passes over each rank."""
        return {item.rank: item.passes for item in self.ranks}


def analyze_passes(cascade: Cascade) -> PassAnalysis:
    """Return the passes over every rank of a cascade.

    Notes
    -----
    Where a rank is split, the outermost traversed level may be any of its levels; the bound is the
    least over them, or that of the iterative level, whose order the cascade fixes.
    """
    return PassAnalysis(
        cascade.name, tuple(_rank_passes(cascade, family) for family in rank_families(cascade))
    )


def _rank_passes(cascade: Cascade, family: RankFamily) -> RankPasses:
    by_level = {level: _level_passes(cascade, family, level) for level in family.leaves}
    most = {
        level: max((found.passes for found in results), default=0)
        for level, results in by_level.items()
    }
    candidates = [family.iterative] if family.iterative else list(family.leaves)
    level = min(candidates, key=lambda name: most[name])
    results = by_level[level]
    worst = max(results, key=lambda found: found.passes, default=None)
    iterated = any(family.space(einsum) for einsum in cascade.einsums)
    return RankPasses(
        rank=family.root,
        extent=family.extent,
        level=level,
        passes=max(most[level], int(iterated)),
        tensor=worst.origin if worst else "",
        tensors={found.origin: found.passes for found in results},
        einsums={step.einsum: step.count for step in worst.steps.values()} if worst else {},
        chain=_explained(worst) if worst else (),
        held=_held(cascade, family, worst) if worst else (),
        summaries=_summaries(cascade, family, worst) if worst else (),
        levels=most,
    )


def _level_passes(cascade: Cascade, family: RankFamily, level: str) -> list[OriginPasses]:
    """Return the traversals of every tensor of which full fibers are read."""
    origins = dict.fromkeys(
        access.tensor
        for einsum in cascade.einsums
        for access in einsum.operands
        if family.is_whole(
            family.reach(access) | family.gathered(access, cascade.tensor(access.tensor).ranks)
        )
        and not (family.iterative is not None and cascade.is_versioned(access.tensor))
    )
    found = [OriginAnalysis(cascade, family, level, origin).run() for origin in origins]
    return [item for item in found if item.passes]


def _explained(found: OriginPasses) -> tuple[PassStep, ...]:
    steps = []
    for step in found.chain():
        because: list[str] = []
        waits = step.waits if step.forced else None
        while waits is not None:
            tensor, maker = waits
            because.append(tensor)
            if maker is None or maker.reads:
                break
            waits = maker.waits
        steps.append(PassStep(step.count, step.einsum, step.reads, tuple(reversed(because))))
    return tuple(steps)


def _makers(cascade: Cascade, found: OriginPasses) -> dict[str, Step]:
    return {cascade.einsum(step.einsum).output.tensor: step for step in found.steps.values()}


def _held(cascade: Cascade, family: RankFamily, found: OriginPasses) -> tuple[Held, ...]:
    """Return what each later traversal reads that an earlier one has read or made."""
    makers = _makers(cascade, found)
    held: dict[tuple[int, str], Held] = {}
    for step in found.steps.values():
        if not step.reads or step.count < 2:
            continue
        for access in cascade.einsum(step.einsum).operands:
            name = access.tensor
            maker = makers.get(name)
            if name == found.origin:
                older = True
            else:
                older = maker is not None and maker.whole and maker.count < step.count
            if older and family.is_whole(family.reach(access)):
                held.setdefault((step.count, name), _held_fiber(cascade, family, step, name))
    return tuple(held[key] for key in sorted(held))


def _held_fiber(cascade: Cascade, family: RankFamily, step: Step, name: str) -> Held:
    tensor = cascade.tensor(name)
    moved = tensor.num_bytes(cascade)
    written = moved if tensor.role == "intermediate" else 0
    return Held(
        before=step.count,
        tensor=name,
        fiber_values=family.extent,
        fiber_bytes=tensor.format.bytes(family.extent),
        reread_bytes=moved + written,
    )


def _summaries(cascade: Cascade, family: RankFamily, found: OriginPasses) -> tuple[Summary, ...]:
    """Return tensors of one value per tile that are read after the traversal that made them."""
    makers = _makers(cascade, found)
    kept: dict[str, Summary] = {}
    for einsum in cascade.einsums:
        step = found.steps[einsum.name]
        for access in einsum.operands:
            maker, reach = makers.get(access.tensor), family.reach(access)
            if maker is None or maker.follows or maker.count == 0:
                continue
            later = step.count > maker.count or (step.follows and step.count == maker.count)
            if later and found.level in reach and not family.is_whole(reach):
                tensor = cascade.tensor(access.tensor)
                if not cascade.is_versioned(tensor.name):
                    values = tensor.num_elements(cascade)
                    kept[tensor.name] = Summary(
                        tensor.name, tensor.ranks, values, tensor.format.bytes(values)
                    )
    return tuple(kept.values())
