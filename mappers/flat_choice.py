"""FLAT's decisions: read from text, or the fastest of all, ties by traffic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, cast

from archsim.errors import ConfigError, nearest
from mappers.flat_form import (
    RANKS,
    FlatDecisions,
    FlatSizes,
    Stationarity,
    spilled_share,
)
from mappers.flat_plan import FlatPlan

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, Placement
    from mappers.attention_problem import AttentionProblem

LOOPS: tuple[Stationarity, ...] = ("output", "weight", "input")
KEYS = ("on_chip", "score", "context", "rows", "spilled")


def read_decisions(text: Json, sizes: FlatSizes) -> FlatDecisions:
    """Read ``on_chip=QK+A,score=output,context=weight,rows=1024,spilled=0.01``.

    What is not named: nothing on chip, output loops, all rows, the spilled share that follows.

    Raises
    ------
    ConfigError
        An unknown key, tensor or loop order.
    """
    if not isinstance(text, str):
        raise _wrong("must be text", text, "such as on_chip=QK+A,rows=1024")
    given: dict[str, str] = {}
    for item in text.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in KEYS or not equals:
            raise _wrong("is no decision", key, ", ".join(KEYS), nearest(key, KEYS))
        given[key] = value
    on_chip = frozenset(name for name in given.get("on_chip", "").split("+") if name)
    if on_chip - set(RANKS):
        raise _wrong("is no tensor of attention", ", ".join(sorted(on_chip)), ", ".join(RANKS))
    loops = [given.get(key, "output") for key in ("score", "context")]
    for name in loops:
        if name not in LOOPS:
            raise _wrong("is no loop order", name, ", ".join(LOOPS), nearest(name, LOOPS))
    try:
        rows = int(given.get("rows", sizes.extents["P"]))
        spilled = float(given.get("spilled", spilled_share(sizes, on_chip, rows)))
    except ValueError:
        raise _wrong("is no number", text, "rows=1024, spilled=0.01") from None
    if rows < 1 or not 0 <= spilled <= 1:
        raise _wrong("is out of range", text, "rows of at least 1, spilled from 0 to 1")
    score, context = (cast("Stationarity", name) for name in loops)
    return FlatDecisions(on_chip, score, context, min(rows, sizes.extents["P"]), spilled)


def _wrong(message: str, given: object, allowed: str, hint: str | None = None) -> ConfigError:
    return ConfigError(
        message, path="mapper.attention.decisions", given=given, allowed=allowed, hint=hint
    )


def candidates(sizes: FlatSizes) -> Iterator[FlatDecisions]:
    """Yield every choice: tensors on chip, loop orders, powers of two of row blocks."""
    row_choices = []
    rows = sizes.array_columns
    while rows < sizes.extents["P"]:
        row_choices.append(rows)
        rows *= 2
    row_choices.append(sizes.extents["P"])
    for keeps in product((False, True), repeat=5):
        names = [name for name, keep in zip(("Q", "K", "V", "AV"), keeps, strict=False) if keep]
        on_chip = frozenset([*names, *(("QK", "A") if keeps[4] else ())])
        for rows, score, context in product(row_choices, LOOPS, LOOPS):
            spilled = spilled_share(sizes, on_chip, rows)
            yield FlatDecisions(on_chip, score, context, rows, spilled)


def best_decisions(
    problem: AttentionProblem, machine: Machine, sizes: FlatSizes, placement: Placement
) -> FlatDecisions:
    """Return the fastest decisions, the least traffic among equals, the first among those."""
    best: tuple[tuple[float, float], FlatDecisions] | None = None
    for chosen in candidates(sizes):
        plan = FlatPlan(problem, machine, chosen, sizes, placement)
        cost = (plan.estimate_ps(), plan.moved_bytes())
        if best is None or cost < best[0]:
            best = (cost, chosen)
    assert best is not None
    return best[1]
