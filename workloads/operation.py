"""Operations of an einsum: what is computed at a point, and what that costs.

An einsum maps its operands to a value at every point of its iteration space, with an expression
tree of operations, and reduces over the variables that its output lacks. Every operation has a
merge rule (which points of sparse operands are visited) and a cost in elementary actions.

References
----------
FuseMax, MICRO 2024, section II-C (map, reduce, populate; compute and merge operators).
Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (the cost of erf).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from archsim.errors import WorkloadError, nearest

MERGES = ("and", "or", "take_left", "take_right", "all")
"""Merge rules: both non-zero, either non-zero, left non-zero, right non-zero, every point."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation on one or two values (argtop: on all values of a variable).

    Attributes
    ----------
    name
        Name used in statements.
    arity
        Number of arguments.
    merge
        Default merge rule.
    actions
        Elementary actions that one evaluation costs, ``(action, count)``.
    identity
        Identity element where the operation can reduce, else None.
    """

    name: str
    arity: int
    merge: str
    actions: tuple[tuple[str, int], ...]
    identity: float | None = None


# copy and neg only move or flip bits. Square roots run on the divider, as one division.
# erf: one division, one exponential, 8 products and 6 sums (Abramowitz and Stegun 7.1.26).
# argtop only reduces: the coordinates of the largest values, largest first; one comparison per
# value and place.
# log runs as one operation of whatever unit has it. sigmoid x = 1 / (1 + exp(-x)).
# at_most is 1 where the left value is at most the right, else 0.
# tanh x = 1 - 2 / (exp(2x) + 1). sub_exp is exp(a - b), the stable softmax's numerator.
OPERATIONS: dict[str, Operation] = {
    item.name: item
    for item in (
        Operation("mul", 2, "and", (("mul", 1),), 1.0),
        Operation("add", 2, "or", (("add", 1),), 0.0),
        Operation("sub", 2, "or", (("add", 1),)),
        Operation("max", 2, "or", (("max", 1),), float("-inf")),
        Operation("min", 2, "or", (("max", 1),), float("inf")),
        Operation("argtop", 0, "all", (("max", 1),)),
        Operation("div", 2, "take_right", (("div", 1),)),
        Operation("exp", 1, "all", (("exp", 1),)),
        Operation("at_most", 2, "all", (("compare", 1),)),
        Operation("sub_exp", 2, "all", (("add", 1), ("exp", 1))),
        Operation("reciprocal", 1, "take_left", (("div", 1),)),
        Operation("square", 1, "take_left", (("mul", 1),)),
        Operation("sqrt", 1, "take_left", (("div", 1),)),
        Operation("rsqrt", 1, "take_left", (("div", 1),)),
        Operation("tanh", 1, "take_left", (("add", 2), ("div", 1), ("exp", 1), ("mul", 1))),
        Operation("erf", 1, "take_left", (("add", 6), ("div", 1), ("exp", 1), ("mul", 8))),
        Operation("log", 1, "take_left", (("compute_other", 1),)),
        Operation("sigmoid", 1, "all", (("add", 1), ("div", 1), ("exp", 1))),
        Operation("abs", 1, "take_left", ()),
        Operation("neg", 1, "take_left", ()),
        Operation("copy", 1, "take_left", ()),
    )
}
"""All operations by name. Costs are this project's convention unless a source is named above."""

REDUCTIONS = tuple(
    name for name, item in OPERATIONS.items() if item.identity is not None or name == "argtop"
)
"""Operations that can reduce."""


@dataclass(frozen=True, slots=True)
class Operand:
    """The value of an operand of the einsum, by position."""

    index: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation applied to sub-expressions.

    Attributes
    ----------
    operation
        Name of an entry of :data:`OPERATIONS`.
    arguments
        Sub-expressions, as many as the operation's arity.
    merge
        Merge rule; empty selects the operation's own.
    """

    operation: str
    arguments: tuple[Expression, ...]
    merge: str = ""

    def __post_init__(self) -> None:
        known = OPERATIONS.get(self.operation)
        if known is None:
            raise WorkloadError(
                "unknown operation",
                given=self.operation,
                allowed=OPERATIONS,
                hint=nearest(self.operation, OPERATIONS),
            )
        if len(self.arguments) != known.arity:
            raise WorkloadError(
                f"{self.operation} takes {known.arity} argument(s)", given=len(self.arguments)
            )
        if not self.merge:
            object.__setattr__(self, "merge", known.merge)
        elif self.merge not in MERGES:
            raise WorkloadError("unknown merge rule", given=self.merge, allowed=MERGES)


Expression: TypeAlias = Operand | Constant | Apply
"""An expression tree."""


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield every node of an expression, parents first."""
    yield expression
    if isinstance(expression, Apply):
        for argument in expression.arguments:
            yield from walk(argument)


def action_counts(expression: Expression) -> dict[str, int]:
    """Return the elementary actions of one evaluation of an expression.

    Operations on constants alone are evaluated once, ahead of time, and cost nothing.
    """
    counts: dict[str, int] = {}
    for node in walk(expression):
        if isinstance(node, Apply) and any(isinstance(leaf, Operand) for leaf in walk(node)):
            for action, count in OPERATIONS[node.operation].actions:
                counts[action] = counts.get(action, 0) + count
    return counts
