"""Fragments: the pieces of a stage's cascade that are mapped one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from workloads import Cascade, Einsum

ATTENTION_CLASSES = frozenset({"attention", "softmax"})
"""Operation classes that one attention mapper takes together."""

ATTENTION = "attention"
GEMM = "gemm"
VECTOR = "vector"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a cascade and the class of mapper that takes it."""

    cascade: Cascade
    mapper_class: str


def mapper_class(einsum: Einsum) -> str:
    """Return the class of mapper that takes an einsum."""
    if einsum.op_class in ATTENTION_CLASSES:
        return ATTENTION
    return GEMM if einsum.matmul() is not None else VECTOR


def cut(
    cascade: Cascade,
    blocks: Sequence[Sequence[str]] = (),
    *,
    siblings: bool = False,
    attentions: Sequence[Sequence[str]] = (),
) -> tuple[Fragment, ...]:
    """Cut a cascade into fragments, in order.

    Neighbouring attention and softmax einsums stay together, so do neighbouring einsums that are
    no matrix product; every other matrix product is a fragment of its own, unless `siblings` asks
    for neighbouring ones together.

    Parameters
    ----------
    cascade
        What to cut.
    blocks
        Runs of neighbouring einsums, by name, that stay together for the mapper of products.
    siblings
        Whether neighbouring products stay together.
    attentions
        Runs of neighbouring einsums that stay together for the mapper of attention.
    """
    block_of = {
        name: (kind, number)
        for kind, runs in ((GEMM, blocks), (ATTENTION, attentions))
        for number, names in enumerate(runs)
        for name in names
    }
    fragments = []

    def key(einsum: Einsum) -> tuple[str, int]:
        return block_of.get(einsum.name, (mapper_class(einsum), -1))

    for (kind, number), run in groupby(cascade.einsums, key=key):
        einsums = tuple(run)
        separate = kind == GEMM and number < 0 and not siblings
        parts = [(einsum,) for einsum in einsums] if separate else [einsums]
        for part in parts:
            names = tuple(einsum.name for einsum in part)
            name = names[0] if len(names) == 1 else f"{names[0]}..{names[-1]}"
            fragments.append(Fragment(cascade.subset(names, name), kind))
    return tuple(fragments)
