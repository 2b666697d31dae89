"""The report of what would make a run faster, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from archsim.explanation import ranking
from archsim.report.layout import Section, bullets, percent, table

if TYPE_CHECKING:
    from archsim.explanation import Explanation
    from archsim.results import Result

MAX_PARTS = 3
"""Parts of the critical path named for each parameter."""

TIE = 0.01
"""Fraction of what a parameter acts on that must stay when it improves to call it a tie."""


def render_explanation(result: Result, explanation: Explanation) -> RenderableType:
    """Return the ranking of parameters with the parts of the critical path they act on."""
    grid = table(">1 % gains", "parameter, and what the critical path waits for through it")
    for path, elasticity, shares in ranking(result, explanation.acts_s):
        words = [
            f"{resource or 'dependence'} {cause} {percent(share)}"
            for (resource, cause), share in shares[:MAX_PARTS]
            if share >= 0.0005
        ]
        rest = len([share for _, share in shares[MAX_PARTS:] if share >= 0.0005])
        if rest:
            words.append(f"{rest} more")
        acts = sum(share for _, share in shares)
        if elasticity < (1 - TIE) * acts and acts >= 0.0005:
            words.append(f"of {percent(acts)} in all; the rest ties with another limit")
        grid.add_row(f"{elasticity:.3f} %", f"{path}\n  {', '.join(words) or 'hardly anything'}")
    parts: list[RenderableType] = [Section("Why", grid)]
    if explanation.notes:
        parts.append(Section("About the program", bullets(list(explanation.notes))))
    if explanation.refused:
        lines = [f"{path} × 2: {reason}" for path, reason in sorted(explanation.refused.items())]
        parts.append(Section("Could not be changed", bullets(lines)))
    return Group(*parts)
