"""What leaves the link: every item once, in order."""

from __future__ import annotations

from collections.abc import Sequence


def delivered(items: Sequence[int], width: int) -> list[int]:
    """Return the items as the far end sees them, cut to `width` bits."""
    return [item & ((1 << width) - 1) for item in items]
