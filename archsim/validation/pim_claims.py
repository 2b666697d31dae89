"""Publications on systems with computing memories: predicted beside published, a verdict on each.

A claim passes if its verdict is the expected one, so that a claim that stops being reproduced, or
starts to be, is seen.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.errors import ConfigError
from archsim.validation.pim_claims_list import CLAIMS, SystemClaim
from archsim.validation.suite import Item, Judgement, Outcome

if TYPE_CHECKING:
    from archsim.mapping import Json

NOTES = (
    "nothing is tuned to these numbers; a claim counts as reproduced within 10 % unless it says"
    " otherwise, and the reason of every other one is in --json and in docs/pim-systems.md.",
)


def holds(claim: SystemClaim, value: float) -> bool:
    """Return whether a value is what the publication says."""
    if claim.value is not None:
        return abs(value - claim.value) <= claim.tolerance_percent / 100.0 * abs(claim.value)
    return (claim.low is None or value >= claim.low) and (claim.high is None or value <= claim.high)


def record(claim: SystemClaim, value: float | None) -> dict[str, Json]:
    """Return what reports print of a claim."""
    expect: dict[str, Json] = {}
    if claim.value is not None:
        expect = {"value": claim.value, "tolerance_percent": claim.tolerance_percent}
    else:
        expect |= {} if claim.low is None else {"min": claim.low}
        expect |= {} if claim.high is None else {"max": claim.high}
    expected = "not-reproduced" if claim.reason else "reproduced"
    verdict = "quoted"
    if value is not None:
        verdict = "reproduced" if holds(claim, value) else "not-reproduced"
    return {
        "id": claim.id,
        "source": claim.source,
        "unit": claim.unit,
        "value": value,
        "expect": expect,
        "status": "quoted" if value is None else "predicted",
        "verdict": verdict,
        "expected": expected,
        "as_expected": value is None or verdict == expected,
        "reason": claim.reason or claim.note,
    }


class PimClaimsSuite:
    """Published systems, re-run."""

    name = "pim-claims"
    title = "published speed-ups, energies and batches of systems with computing memories"

    def run(self, data: Path | None) -> Outcome:
        """Judge all claims; they are packaged, and there is nothing to give."""
        if data is not None:
            raise ConfigError(
                "the suite has its claims with it", given=str(data), allowed="no --data"
            )
        details, items, judgements = [], [], []
        skipped: Counter[str] = Counter()
        for claim in CLAIMS:
            value = None if claim.number is None else claim.number()
            found = record(claim, value)
            details.append(found)
            if value is None:
                skipped["quoted, not simulated"] += 1
                continue
            by = {"system": claim.id.partition("-")[0], "verdict": str(found["verdict"])}
            if claim.value is None:
                skipped["a bound, judged but without an error"] += 1
            else:
                items.append(Item(claim.id, "value", claim.unit, value, claim.value, by))
            judgements.append(
                Judgement(claim.id, found["expect"], value, bool(found["as_expected"]), by)
            )
        return Outcome(
            cases=len(CLAIMS),
            items=items,
            skipped=skipped,
            judgements=judgements,
            groupings=(("verdict",), ("system",)),
            details=details,
            notes=NOTES,
        )


SUITE = PimClaimsSuite()
"""The suite, as the entry point names it."""
