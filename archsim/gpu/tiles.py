"""Thread-block tiles that GEMM libraries choose from, by architecture."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.gpu.constants import WARP_GROUPS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPLITS: Final = (1, 2, 3, 4, 5, 6, 8, 12, 16)
"""Ways to split the reduction; a split part keeps at least :data:`MIN_SPLIT_K` elements."""

MIN_SPLIT_K: Final = 256

CLASSIC: Final = (
    *((256, 128), (128, 256), (256, 64), (64, 256), (128, 128), (128, 64), (64, 128), (64, 64)),
    *((32, 128), (32, 64), (128, 32), (64, 32), (16, 128), (16, 64), (16, 32)),
)
"""Tiles of warp-level matrix instructions (Volta to Ada, RTX Blackwell): powers of two, the set
that CUTLASS profiles (CUTLASS documentation, 2023)."""

WIDE: Final = (
    *((rows, columns) for rows in (64, 128, 192, 256) for columns in (64, 96, 128, 160, 192, 224)),
    *((64, 256), (128, 256), (16, 64), (16, 128), (16, 256), (32, 64), (32, 128), (32, 256)),
)
"""Tiles of warp-group instructions (Hopper and data-centre Blackwell): any multiple of 8 columns is
legal, so libraries keep a finer set (PTX ISA 8.5, 2024, wgmma shapes)."""

MAX_WIDE_OUTPUTS: Final = 256 * 128
"""Largest tile: 128 fp32 accumulators in each of 256 threads (PTX ISA 8.5, 2024)."""


def residents(rows: int, columns: int) -> int:
    """Return how many thread blocks of a tile an SM holds: accumulators against 64 Ki registers."""
    outputs = rows * columns
    return 1 if outputs >= 24576 else 2 if outputs >= 12288 else 3 if outputs >= 6144 else 4


@cache
def tiles_of(architecture: str) -> NDArray[np.float64]:
    """Return the tiles of an architecture: array of (rows, columns, residents), float64."""
    import numpy as np

    wide = architecture in WARP_GROUPS
    chosen = [
        (rows, columns, residents(rows, columns))
        for rows, columns in (WIDE if wide else CLASSIC)
        if rows * columns <= MAX_WIDE_OUTPUTS
    ]
    # The largest first: where the power cap limits, the first tile is then close to the best one.
    chosen.sort(key=lambda tile: -tile[0] * tile[1])
    return np.array(chosen, dtype=np.float64)


@cache
def splits() -> NDArray[np.float64]:
    """Return :data:`SPLITS` as an array."""
    import numpy as np

    return np.array(SPLITS, dtype=np.float64)
