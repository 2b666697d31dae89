"""Candidate tile sizes of a dimension."""

from __future__ import annotations

from collections.abc import Sequence

MAX_EQUAL_PARTS = 16
"""Largest number of equal tiles tried beside the powers of two (a choice: estimate)."""

UNEVEN_PARTS = (2, 3, 4, 6, 8)
"""Numbers of nearly equal tiles tried where the extent is no multiple of the array's side."""


def tile_sizes(extent: int, granules: Sequence[int]) -> tuple[int, ...]:
    """Return the tile sizes tried along one dimension, ascending.

    Parameters
    ----------
    extent
        Elements of the dimension.
    granules
        Sides of the compute unit: sizes that fill it.

    Returns
    -------
    tuple of int
        Granules times powers of two; the full extent and its equal parts that are multiples of a
        granule; nearly equal multiples where there are none; and, down to 1, a few sizes smaller
        than a granule for small buffers. The set does not depend on any bandwidth or capacity, so
        that what a smaller machine can choose, a larger one can too.
    """
    sizes = {1, extent}
    for granule in granules:
        size = granule
        while size < extent:
            sizes.add(size)
            size *= 2
        for parts in range(2, MAX_EQUAL_PARTS + 1):
            if extent % (parts * granule) == 0:
                sizes.add(extent // parts)
        if extent % granule:
            for parts in UNEVEN_PARTS:
                size = -(-extent // (parts * granule)) * granule
                if size < extent:
                    sizes.add(size)
    size = min(granules) // 4
    while size > 1:
        if size < extent:
            sizes.add(size)
        size //= 4
    return tuple(sorted(sizes))
