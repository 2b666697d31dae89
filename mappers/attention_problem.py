"""Attention found in a cascade by its structure: extents, tensors, mask, and who does what.

Scores are the first matrix product, the context is the last; between them stand a maximum, an
exponential of the difference from it, a sum and a quotient (before or behind the context). Names
do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from workloads.operation import Apply, action_counts, walk

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Placement
    from archsim.numberformat import NumberFormat
    from workloads import Cascade, Einsum, PrefixFilter


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of the attention: name and number format."""

    name: str
    format: NumberFormat


@dataclass(frozen=True, slots=True)
class AttentionProblem:
    """softmax(Q Kᵀ) V for `groups` independent pairs of K and V.

    Attributes
    ----------
    groups
        Pairs of K and V: batch times key/value heads.
    heads
        Query heads that share a pair.
    queries, keys
        Query positions of a head, key positions.
    depth, width
        Head dimension of queries and keys (E), and of values (F).
    mask
        What a query sees; None: all keys.
    query, key, value, result
        The tensors.
    score, statistic
        Number formats of scores and of running maxima, sums and numerators.
    scores, context, last
        Names of the two products and of the einsum that makes the result.
    softmax
        Names of the other einsums.
    shaping
        Operations on each score before the maximum (caps, biases), by action.
    tags
        Tags of every operation.
    """

    groups: int
    heads: int
    queries: int
    keys: int
    depth: int
    width: int
    mask: PrefixFilter | None
    query: Part
    key: Part
    value: Part
    result: Part
    score: NumberFormat
    statistic: NumberFormat
    scores: str
    context: str
    last: str
    softmax: tuple[str, ...]
    shaping: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def shares_key(self) -> bool:
        """Whether values are part of what the keys are (latent attention): one tensor for both."""
        return self.key.name == self.value.name

    @property
    def number(self) -> str:
        """Format in which the array multiplies: the wider of queries and keys, without scales."""
        wider = max(self.query.format, self.key.format, key=lambda item: item.bits)
        return wider.name.partition(":")[0]

    @property
    def offset(self) -> int:
        """Query position 0 sees keys up to this one."""
        return self.keys if self.mask is None else self.mask.offset

    def visible_keys(self, first: int, last: int) -> tuple[int, int]:
        """Return the first key, and one past the last, that any of some query positions sees.

        Parameters
        ----------
        first, last
            Query positions, both included.
        """
        if self.mask is None:
            return 0, self.keys
        stop = min(self.keys, max(0, last + self.mask.offset + 1))
        window = self.mask.window
        start = max(0, first + self.mask.offset + 1 - window) if window else 0
        return min(start, stop), stop

    def pairs(self) -> int:
        """Return the (query, key) pairs that are computed at least, of all heads."""
        per_head = self.queries * self.keys if self.mask is None else self.mask.visited()
        return self.groups * self.heads * per_head

    def home(self, part: Part, placement: Placement, machine: Machine) -> str:
        """Return the level in which a tensor stands."""
        return placement.homes.get(part.name, machine.outermost)


def find_attention(cascade: Cascade) -> AttentionProblem | str:
    """Return the attention that a cascade is, or why it is none.

    Parameters
    ----------
    cascade
        A fragment of attention and softmax einsums.
    """
    products = [einsum for einsum in cascade.einsums if einsum.matmul() is not None]
    if len(products) != 2:
        return f"attention has two matrix products, {cascade.name} has {len(products)}"
    if cascade.iterative_rank is not None:
        return "the cascade is rewritten already: an iterative rank fixes its order"
    scores, context = products
    others = [einsum for einsum in cascade.einsums if einsum not in products]
    reason = _softmax_reason(others)
    if reason is not None:
        return reason
    product, sums = scores.matmul(), context.matmul()
    assert product is not None
    assert sums is not None
    key_names = {name for name, _ in sums.k_variables}
    query_is_left = key_names == {name for name, _ in product.n_variables}
    if not query_is_left and key_names != {name for name, _ in product.m_variables}:
        return "the context does not sum over the keys that the scores have"
    mask = scores.filter or next((e.filter for e in others if e.filter is not None), None)
    rows = dict(product.m_variables if query_is_left else product.n_variables)
    # Without a mask nothing tells positions of one head from those of another.
    queries = prod(rows.values()) if mask is None else mask.num_queries
    if mask is not None and {name for name, extent in mask.queries if extent > 1} - set(rows):
        return "the mask does not run over the query positions"
    made = set(cascade.made())
    value_is_right = sums.lhs in made
    first, last = cascade.einsums[0], cascade.einsums[-1]
    return AttentionProblem(
        groups=product.batch,
        heads=prod(rows.values()) // queries,
        queries=queries,
        keys=sums.k,
        depth=product.k,
        width=sums.n if value_is_right else sums.m,
        mask=mask,
        query=_part(cascade, product.lhs if query_is_left else product.rhs),
        key=_part(cascade, product.rhs if query_is_left else product.lhs),
        value=_part(cascade, sums.rhs if value_is_right else sums.lhs),
        result=_part(cascade, last.output.tensor),
        score=cascade.tensor(scores.output.tensor).format,
        statistic=next(cascade.tensor(e.output.tensor).format for e in others if e.reduce),
        scores=scores.name,
        context=context.name,
        last=last.name,
        softmax=tuple(einsum.name for einsum in others),
        shaping=_shaping(others),
        tags={"layer": first.layer},
    )


def _part(cascade: Cascade, name: str) -> Part:
    return Part(name, cascade.tensor(name).format)


def _softmax_reason(others: list[Einsum]) -> str | None:
    operations = {node.operation for e in others for node in walk(e.map) if isinstance(node, Apply)}
    reduced = {operation for einsum in others for _, operation in einsum.reduce}
    differs = "sub_exp" in operations or {"exp", "sub"} <= operations
    if not differs or "max" not in reduced or "div" not in operations:
        return "there is no softmax between the products (maximum, exponential, sum, quotient)"
    return None


def _shaping(others: list[Einsum]) -> Mapping[str, int]:
    """Return the operations on each score that the einsums before the maximum make."""
    counts: dict[str, int] = {}
    for einsum in others:
        if einsum.reduce:
            break
        for action, count in action_counts(einsum.map).items():
            counts[action] = counts.get(action, 0) + count
    return counts
