"""Prefix filters: the points of an iteration space that a causal mask leaves, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class PrefixFilter:
    """Points visited of an einsum: those with key ≤ query + offset (a causal mask).

    Attributes
    ----------
    keys
        Variables, outermost first, that enumerate the filtered coordinate 0, 1, 2, …
    queries
        Variables that enumerate the bound; empty if the bound is a constant.
    offset
        Query position 0 sees the keys 0 … offset.
    window
        Only the last `window` of these keys are seen (sliding window); 0: all.
    """

    keys: tuple[tuple[str, int], ...]
    queries: tuple[tuple[str, int], ...]
    offset: int
    window: int = 0

    @property
    def num_keys(self) -> int:
        """Extent of the filtered coordinate."""
        return prod(extent for _, extent in self.keys)

    @property
    def num_queries(self) -> int:
        """Extent of the bound's coordinate."""
        return prod(extent for _, extent in self.queries)

    def visible(self, query: int) -> int:
        """Return how many keys one query position sees."""
        seen = self._before(query + self.offset + 1)
        return seen - self._before(query + self.offset + 1 - self.window) if self.window else seen

    def _before(self, key: int) -> int:
        return min(max(key, 0), self.num_keys)

    def visited(self, first: int = 0, stop: int | None = None) -> int:
        """Return Σ visible(query) over the query positions ``first … stop - 1``, in closed form.

        Parameters
        ----------
        first, stop
            Query positions; default all.
        """
        stop = self.num_queries if stop is None else stop
        if stop <= first:
            return 0
        seen = self._area(first, stop, self.offset)
        return seen - self._area(first, stop, self.offset - self.window) if self.window else seen

    def _area(self, first: int, stop: int, offset: int) -> int:
        """Return the points with key ≤ query + offset: first a ramp, then all keys."""
        rising = min(max(first, -offset), stop)
        full = min(max(rising, self.num_keys - 1 - offset), stop)
        ramp = (full - rising) * (rising + full + 1 + 2 * offset) // 2
        return ramp + (stop - full) * self.num_keys
