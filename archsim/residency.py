"""Which activations stay on chip between the fragments of a stage, and how much room that takes.

Weights, caches and tables live in the outermost level. Activations live there too, unless they are
kept in an on-chip level: in a level between, as far as they fit; in the innermost level, within a
reserve that tiles then cannot use. What a reserve holds depends on the reserve alone, so that a
larger buffer only adds choices: the best choice never gets worse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.fragments import VECTOR, Fragment
from archsim.mapping import Placement

if TYPE_CHECKING:
    from archsim.machine import Machine
    from workloads import Cascade, Workload

STREAM = ("X", "Y")
"""Input and output of a stage: the activations that run through the whole model."""

SMALLEST_RESERVE_BYTES = 64 * 1024
LARGEST_RESERVE_BYTES = 256 * 1024 * 1024
RESERVE_STEP = 4


@dataclass(frozen=True, slots=True)
class Residency:
    """A choice of what stays on chip.

    Attributes
    ----------
    reserve_bytes
        Room kept for activations in the innermost level.
    stages
        Placement for each stage of the workload, by name.
    """

    reserve_bytes: int
    stages: Mapping[str, Placement]


def residencies(
    workload: Workload, machine: Machine, fragments: Mapping[str, Sequence[Fragment]]
) -> tuple[Residency, ...]:
    """Return the choices worth trying, the smallest reserve first, without repetitions."""
    choices: dict[str, Residency] = {}
    skipped = _left_outside(workload, fragments)
    managed = machine.component(machine.innermost).MANAGED
    tried = reserves(machine.capacity_bytes(machine.innermost)) if managed else (0,)
    for reserve_bytes in tried:
        stages = {
            stage.name: _place(stage.cascade, skipped[stage.name], machine, reserve_bytes)
            for stage in workload.stages
        }
        key = repr([stages[name].to_json() for name in sorted(stages)])
        choices.setdefault(key, Residency(reserve_bytes, stages))
    return tuple(choices.values())


def reserves(capacity_bytes: int | None) -> Iterable[int]:
    """Return the reserves to try for a capacity: none, and powers of four up to half of it."""
    yield 0
    reserve = SMALLEST_RESERVE_BYTES
    limit = LARGEST_RESERVE_BYTES if capacity_bytes is None else capacity_bytes // 2
    while reserve <= min(limit, LARGEST_RESERVE_BYTES):
        yield reserve
        reserve *= RESERVE_STEP


@dataclass(frozen=True, slots=True)
class _Span:
    """Life of a tensor: its bytes, and the first and last einsum during which it exists."""

    name: str
    num_bytes: int
    first: int
    last: int


def _place(
    cascade: Cascade, skipped: Collection[str], machine: Machine, reserve_bytes: int
) -> Placement:
    spans = _spans(cascade, skipped)
    homes: dict[str, str] = {}
    available = {level: machine.capacity_bytes(level) for level in machine.levels}
    inner = machine.innermost
    limits: list[tuple[str, int | None]] = [(inner, reserve_bytes)]
    limits += [(level, machine.capacity_bytes(level)) for level in reversed(machine.levels[1:-1])]
    for level, limit in limits:
        left = [span for span in spans if span.name not in homes]
        kept, used = _fitting(left, limit)
        homes.update(dict.fromkeys(kept, level))
        capacity = available[level]
        if capacity is not None:
            available[level] = capacity - used
    return Placement(homes, available)


def _left_outside(
    workload: Workload, fragments: Mapping[str, Sequence[Fragment]]
) -> dict[str, frozenset[str]]:
    """Return the activations of each stage that no level is asked to keep.

    They are what one vector fragment makes for itself, which its mapper looks after, and what the
    workload is given and gives back, which comes from and goes to the outermost level.
    """
    skipped = {}
    for position, stage in enumerate(workload.stages):
        names = {
            tensor.name
            for fragment in fragments[stage.name]
            if fragment.mapper_class == VECTOR
            for tensor in fragment.cascade.role_tensors("intermediate")
        }
        if position == 0:
            names |= {tensor.name for tensor in stage.cascade.role_tensors("input")}
        if position == len(workload.stages) - 1:
            names |= {tensor.name for tensor in stage.cascade.role_tensors("output")}
        skipped[stage.name] = frozenset(names)
    return skipped


def _spans(cascade: Cascade, skip: Collection[str]) -> list[_Span]:
    last = len(cascade.einsums) - 1
    spans = []
    for tensor in cascade.role_tensors("input", "intermediate", "output"):
        if tensor.name in skip:
            continue
        uses = [
            number
            for number, einsum in enumerate(cascade.einsums)
            if tensor.name == einsum.output.tensor or tensor.name in einsum.reads()
        ]
        first = 0 if tensor.role == "input" or not uses else uses[0]
        end = last if tensor.role == "output" or not uses else uses[-1]
        spans.append(_Span(tensor.name, tensor.num_bytes(cascade), first, end))
    return sorted(spans, key=lambda span: (span.num_bytes, span.name))


def _fitting(spans: Sequence[_Span], limit_bytes: int | None) -> tuple[list[str], int]:
    """Return the tensors that fit together, smallest first, and their peak.

    The stream of activations stays as a pair or not at all, and only in half of the room, so that
    every stage decides alike.
    """
    if limit_bytes == 0:
        return [], 0
    stream = [span for span in spans if span.name in STREAM]
    kept: list[_Span] = []
    if stream:
        room = 2 * max(span.num_bytes for span in stream)
        if limit_bytes is None or 2 * room <= limit_bytes:
            kept = [_Span(span.name, span.num_bytes, 0, 1 << 60) for span in stream]
    for span in spans:
        if span.name in STREAM:
            continue
        if limit_bytes is None or _peak([*kept, span]) <= limit_bytes:
            kept.append(span)
    return [span.name for span in kept], _peak(kept)


def _peak(spans: Sequence[_Span]) -> int:
    moments = {span.first for span in spans}
    return max(
        (
            sum(span.num_bytes for span in spans if span.first <= moment <= span.last)
            for moment in moments
        ),
        default=0,
    )
