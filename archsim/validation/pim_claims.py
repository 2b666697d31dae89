"""Publications on systems with computing memories, re-run: a verdict on each claim.

Claims are files of ``claims_pim``, judged as those of the suite ``claims``; a CSV file of published
results in place of them has its rows predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archsim.validation.claims import ClaimsSuite

if TYPE_CHECKING:
    from pathlib import Path

    from archsim.validation.suite import Outcome

NOTES = (
    "calibrated: structure, variant or cases were settled with the number in view, so that it is"
    " no prediction. Claims that are not reproduced, and why:",
)


@dataclass
class PimClaimsSuite(ClaimsSuite):
    """Published systems, re-run."""

    name: str = "pim-claims"
    title: str = "published speed-ups, energies and batches of systems with computing memories"
    folder: str = "claims_pim"
    notes: tuple[str, ...] = NOTES

    def run(self, data: Path | None) -> Outcome:
        """Judge the packaged claims, those of a YAML file or folder, or predict a CSV's rows."""
        if data is not None and data.suffix == ".csv":
            from archsim.validation.pim_rows import score_rows

            return score_rows(data)
        outcome = super().run(data)
        reasons = tuple(
            f"{found['id']}: {found['reason']}"
            for found in outcome.details
            if found["verdict"] == "not-reproduced"
        )
        return replace(outcome, notes=(*outcome.notes, *reasons))


SUITE = PimClaimsSuite()
"""The suite, as the entry point names it."""
