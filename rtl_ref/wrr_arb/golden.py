"""The weighted round-robin arbiter in plain Python, transfer by transfer."""

from __future__ import annotations

from collections.abc import Sequence


class Arbiter:
    """Chooses among requesters; see the block for the rules."""

    def __init__(self, weights: Sequence[int]) -> None:
        self.weights = list(weights)
        self.pointer = 0
        self.used = 0
        self.held: int | None = None

    def choose(self, requests: Sequence[bool]) -> int | None:
        """Return who is granted in this cycle, or None."""
        if self.held is not None:
            return self.held
        count = len(self.weights)
        for step in range(count):
            index = (self.pointer + step) % count
            if requests[index]:
                return index
        return None

    def finish(self, winner: int | None, *, ready: bool) -> None:
        """End the cycle: move on with a transfer, or hold the grant."""
        if winner is None:
            return
        if not ready:
            self.held = winner
            return
        self.held = None
        used = self.used + 1 if winner == self.pointer else 1
        if used >= self.weights[winner]:
            self.pointer, self.used = (winner + 1) % len(self.weights), 0
        else:
            self.pointer, self.used = winner, used
