"""Statistics of scored items, and whether the bars hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.validation.suite import Bar, Item, Outcome

if TYPE_CHECKING:
    from archsim.mapping import Json

WORST_ITEMS = 10
"""Items listed as the worst."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Error statistics of some items.

    The five percentages cover items with a non-zero reference and are None without any; items with
    a zero reference are counted in `num_zero` and give `max_abs_error`.
    """

    num_items: int
    mape_percent: float | None
    median_ape_percent: float | None
    p90_ape_percent: float | None
    max_ape_percent: float | None
    bias_percent: float | None
    num_zero: int
    max_abs_error: float | None

    def to_json(self) -> dict[str, Json]:
        """Return the JSON object; the keys about zero references only where there are any."""
        data: dict[str, Json] = {
            "mape_percent": self.mape_percent,
            "median_ape_percent": self.median_ape_percent,
            "p90_ape_percent": self.p90_ape_percent,
            "max_ape_percent": self.max_ape_percent,
            "bias_percent": self.bias_percent,
        }
        if self.num_zero:
            data |= {"zero_references": self.num_zero, "max_abs_error": self.max_abs_error}
        return data


def statistics(items: Iterable[Item]) -> Statistics:
    """Return the error statistics of items.

    Notes
    -----
    MAPE is the mean of the absolute percentage errors, bias the mean of the signed ones. The median
    and the 90th percentile interpolate linearly between order statistics.
    """
    chosen = list(items)
    signed = [error for item in chosen if (error := item.error_percent) is not None]
    zeros = [abs(item.absolute_error) for item in chosen if item.error_percent is None]
    ape = sorted(abs(error) for error in signed)
    return Statistics(
        num_items=len(chosen),
        mape_percent=math.fsum(ape) / len(ape) if ape else None,
        median_ape_percent=_percentile(ape, 0.5),
        p90_ape_percent=_percentile(ape, 0.9),
        max_ape_percent=ape[-1] if ape else None,
        bias_percent=math.fsum(signed) / len(signed) if signed else None,
        num_zero=len(zeros),
        max_abs_error=max(zeros, default=None),
    )


def _percentile(ordered: Sequence[float], fraction: float) -> float | None:
    if not ordered:
        return None
    position = fraction * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


@dataclass(frozen=True, slots=True)
class Scores:
    """The result of a validation suite, as printed and as JSON."""

    suite: str
    outcome: Outcome

    @property
    def passed(self) -> bool:
        """Whether every bar holds."""
        return all(bar["pass"] for bar in self.bars())

    def bars(self) -> list[dict[str, Json]]:
        """Return each bar with its value and whether it holds."""
        checked = [_check(bar, self.outcome.items) for bar in self.outcome.bars]
        judged: list[dict[str, Json]] = [
            {
                "metric": judgement.metric,
                "by": dict(judgement.by),
                "limit": judgement.limit,
                "value": judgement.value,
                "pass": judgement.passed,
            }
            for judgement in self.outcome.judgements
        ]
        return [*checked, *judged]

    def groups(self) -> list[dict[str, Json]]:
        """Return statistics by metric, and by metric with each of the suite's groupings."""
        groups: list[dict[str, Json]] = []
        for keys in ((), *self.outcome.groupings):
            members: dict[tuple[str, ...], list[Item]] = {}
            for item in self.outcome.items:
                if all(key in item.by for key in keys):
                    label = (item.metric, *(item.by[key] for key in keys))
                    members.setdefault(label, []).append(item)
            for label in sorted(members):
                items = members[label]
                by: dict[str, Json] = dict(zip(("metric", *keys), label, strict=True))
                groups.append({"by": by, "n": len(items), "stats": statistics(items).to_json()})
        return groups

    def worst(self) -> list[dict[str, Json]]:
        """Return the items with the largest errors, those with a zero reference after the rest."""
        ranked = sorted(self.outcome.items, key=_badness)
        return [
            {
                "case": item.case,
                "metric": item.metric,
                "unit": item.unit,
                "predicted": item.predicted,
                "reference": item.reference,
                "error_percent": item.error_percent,
            }
            for item in ranked[:WORST_ITEMS]
            if item.absolute_error != 0
        ]

    def to_json_object(self) -> dict[str, Json]:
        """Return the published JSON form."""
        outcome = self.outcome
        data: dict[str, Json] = {
            "suite": self.suite,
            "cases": outcome.cases,
            "scored": len(outcome.items),
            "skipped": {reason: outcome.skipped[reason] for reason in sorted(outcome.skipped)},
            "stats": statistics(outcome.items).to_json(),
            "groups": [*self.groups()],
            "baselines": {
                name: statistics(items).to_json() for name, items in outcome.baselines.items()
            },
            "bars": [*self.bars()],
            "worst": [*self.worst()],
            "passed": self.passed,
        }
        if outcome.details:
            data["details"] = [dict(record) for record in outcome.details]
        if outcome.notes:
            data["notes"] = list(outcome.notes)
        return data


def _badness(item: Item) -> tuple[bool, float, str, str]:
    error = item.error_percent
    size = abs(item.absolute_error) if error is None else abs(error)
    return error is None, -size, item.case, item.metric


def _check(bar: Bar, items: Sequence[Item]) -> dict[str, Json]:
    """Judge one bar; a bar with no item under it cannot hold."""
    chosen = [
        item
        for item in items
        if item.metric == bar.metric
        and all(item.by.get(key) == value for key, value in bar.by.items())
    ]
    found = statistics(chosen)
    value: float | None = getattr(found, bar.statistic)
    within = value is None or abs(value) <= bar.limit
    zeros_within = found.max_abs_error is None or found.max_abs_error <= bar.zero_limit
    return {
        "metric": bar.metric,
        "by": dict(bar.by),
        "statistic": bar.statistic,
        "limit": bar.limit,
        "value": value,
        "pass": bool(chosen) and within and zeros_within,
    }
