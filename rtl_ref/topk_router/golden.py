"""What the router chooses: the k greatest logits, lower experts first among equals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def top_k(logits: NDArray[np.int64], k: int) -> list[int]:
    """Return the experts of a token, best first; equal logits keep the lower expert first."""
    order: list[int] = np.argsort(-logits, kind="stable")[:k].tolist()
    return order


@dataclass
class CapacityModel:
    """Counts what every expert took; beyond its capacity a choice is dropped, in token order."""

    capacity: int
    counts: Counter[int] = field(default_factory=Counter)

    def admit(self, experts: list[int]) -> list[bool]:
        """Return which choices of a token are dropped, and count the others."""
        if not self.capacity:
            return [False] * len(experts)
        dropped = [self.counts[expert] >= self.capacity for expert in experts]
        self.counts.update(e for e, drop in zip(experts, dropped, strict=True) if not drop)
        return dropped
