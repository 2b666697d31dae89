"""How often one tensor's fiber has to be traversed: the longest chain of forced re-reads.

The analysis follows one tensor, the *origin*, along one level of a rank. Every tensor computed
from it is in one of two states: *aligned* with a traversal of the origin (its elements come and go
with those of the origin), or *complete* only after some number of traversals. An einsum that reads
the origin, or a tensor aligned with it, together with something that is complete after n
traversals belongs to traversal n + 1 at the earliest.

References
----------
FuseMax, MICRO 2024, section III-A (passes); the chain is followed for each tensor on its own, so
that two reads which nothing orders never count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.access import Access
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum
    from workloads.passes_family import RankFamily

UNROLLED = 4
"""Iterations of an iterative rank that are followed one by one; later ones repeat the last step."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a tensor relative to the origin.

    Attributes
    ----------
    count
        Traversals of the origin begun (aligned) or complete when an element is available.
    aligned
        Whether elements become available along with those of the origin in traversal `count`.
    whole
        Whether it is made element by element from full fibers of the origin.
    maker
        Step that made it, or None.
    """

    count: int
    aligned: bool = False
    whole: bool = False
    maker: Step | None = None


FREE = State(0)
"""State of what does not depend on the origin."""


@dataclass(frozen=True, slots=True)
class Step:
    """One einsum in the analysis of an origin.

    Attributes
    ----------
    einsum
        Name of the einsum.
    count
        Traversal to which it belongs, or after which it can run.
    reads
        Tensor through which it traverses the origin; empty if it does not.
    waits
        Tensor that puts it where it is, and the step that made that tensor; None at the start.
    forced
        Whether `waits` is complete only after traversal ``count - 1`` and so forces a new one.
    follows
        Whether it runs only after traversal `count` is complete; else it runs along with it.
    whole
        Whether its result is made element by element along with the origin's fibers.
    """

    einsum: str
    count: int
    reads: str
    waits: tuple[str, Step | None] | None
    forced: bool
    follows: bool
    whole: bool


@dataclass(slots=True)
class OriginPasses:
    """Traversals of one origin along one level.

    Attributes
    ----------
    origin, level
        The tensor, and the leaf of the rank family that is traversed outermost.
    passes
        Least number of traversals of its full fibers.
    steps
        The last step of each einsum.
    """

    origin: str
    level: str
    passes: int = 0
    steps: dict[str, Step] = field(default_factory=dict)

    def chain(self) -> tuple[Step, ...]:
        """Return the steps that force the count, first to last: one read for each traversal."""
        last = max(
            (step for step in self.steps.values() if step.reads),
            key=lambda step: step.count,
            default=None,
        )
        found: list[Step] = []
        while last is not None:
            if last.reads and (last.forced or last.waits is None or last.count == 1):
                found.append(last)
            last = last.waits[1] if last.waits is not None else None
        unique = {step.count: step for step in found}
        return tuple(unique[count] for count in sorted(unique))


class OriginAnalysis:
    """Follows one origin through a cascade; see the module."""

    def __init__(self, cascade: Cascade, family: RankFamily, level: str, origin: str) -> None:
        self.cascade = cascade
        self.family = family
        self.level = level
        self.result = OriginPasses(origin, level)
        self.states: dict[str, State] = {}
        self.previous: Mapping[str, State] = {}
        self.iterative = cascade.iterative_rank
        self.iterates_level = self.iterative is not None and level == self.iterative.name

    def run(self) -> OriginPasses:
        """Return the traversals of the origin."""
        for section in ("init", "body", "tail"):
            einsums = [item for item in self.cascade.einsums if item.section == section]
            if section == "body" and self.unrolls():
                self.unroll(einsums)
            else:
                for einsum in einsums:
                    self.visit(einsum)
        return self.result

    def unrolls(self) -> bool:
        """Whether iterations are followed one by one: all of them read the same fibers."""
        if self.iterative is None or self.family.iterative is not None:
            return False
        variable = self.iterative.variable
        origin = self.result.origin
        return not any(
            variable in access.variables()
            for einsum in self.cascade.einsums
            for access in (einsum.output, *einsum.operands)
            if access.tensor == origin
        )

    def unroll(self, einsums: list[Einsum]) -> None:
        """Run the first iterations; the last of them is repeated as often as there are more."""
        assert self.iterative is not None
        total = self.iterative.extent
        before = 0
        self.previous = dict(self.states)
        for _ in range(min(total, UNROLLED)):
            before = self.result.passes
            for einsum in einsums:
                self.visit(einsum)
            self.previous = dict(self.states)
        more = max(total - UNROLLED, 0) * (self.result.passes - before)
        self.result.passes += more
        self.states = {
            name: State(s.count + more if s.count else 0, s.aligned, s.whole, s.maker)
            for name, s in self.states.items()
        }

    def visit(self, einsum: Einsum) -> None:
        """Place one einsum and record the state of what it makes."""
        family, level = self.family, self.level
        iterates = level in family.space(einsum)
        aligned: tuple[int, tuple[str, Step | None] | None] = (0, None)
        complete: tuple[int, tuple[str, Step | None] | None] = (0, None)
        reads = ""
        for operand in einsum.operands:
            for access in (operand, *operand.gathers()):
                state = self.state(access)
                if state.whole and iterates and not reads:
                    reads = access.tensor
                entry = (state.count, (access.tensor, state.maker))
                if state.aligned:
                    aligned = max(aligned, entry, key=lambda item: item[0])
                else:
                    complete = max(complete, entry, key=lambda item: item[0])
        out = family.reach(einsum.output)
        forced = bool(reads) and complete[0] >= max(aligned[0], 1)
        count = max(aligned[0], complete[0] + 1 if reads else complete[0])
        follows = not reads and complete[0] >= aligned[0]
        keeps = level in out and not follows
        waits = complete[1] if forced or follows else aligned[1]
        if count == 0 or (reads and count == 1):
            waits = None
        whole = bool(reads) and keeps and family.is_whole(out)
        step = Step(einsum.name, count, reads, waits, forced, follows, whole)
        self.result.steps[einsum.name] = step
        if reads:
            self.result.passes = max(self.result.passes, count)
        self.states[einsum.output.tensor] = State(count, keeps, whole, step)

    def state(self, access: Access) -> State:
        """Return the state of a tensor as this access sees it."""
        name, family = access.tensor, self.family
        reach = family.reach(access)
        gathered = family.gathered(access, self.cascade.tensor(name).ranks)
        if name == self.result.origin and not self.cascade.is_versioned(name):
            whole = family.is_whole(reach) or family.is_whole(gathered)
            return State(0, aligned=True, whole=whole)
        known = self.states.get(name, FREE)
        if self.cascade.is_versioned(name):
            version = self.version(access)
            if version == "previous":
                return FREE if self.iterates_level else self.previous.get(name, FREE)
            if version == "final" and self.family.iterative is not None:
                return State(known.count, False, False, known.maker)
        if self.level in gathered and known.aligned and known.whole:
            # Made element by element: an element picked by value can be made when it is picked.
            return known
        if not known.aligned:
            return State(known.count, False, False, known.maker)
        if self.level not in reach:
            # One element of a traversal: available before its end.
            return State(max(known.count - 1, 0), False, False, known.maker)
        return State(known.count, True, known.whole and family.is_whole(reach), known.maker)

    def version(self, access: Access) -> str:
        """Return which version of an iterative tensor is read: previous, current or final."""
        assert self.iterative is not None
        ranks = self.cascade.tensor(access.tensor).ranks
        index = access.indices[ranks.index(self.iterative.name)]
        if not index.terms:
            return "final" if index.offset else "previous"
        return "current" if index.offset else "previous"
