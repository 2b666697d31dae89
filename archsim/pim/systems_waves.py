"""Blocks of a kernel dealt to the cores of a processor in waves: the share that works.

A product of ``m x k`` by ``k x n`` is cut into tiles of outputs, one a block; with fewer blocks in
the last wave than cores, the others idle. Of the tile sizes the one is taken that moves the fewest
bytes between the caches over the square of the working share (scale-snu/attacc_simulator,
src/devices.py, read: tiles of 8 to 512, 32 inner elements at a time, no split of the inner extent).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archsim.pim.systems_file import XpuConfig
    from archsim.pim.systems_model import ServedModel

TILES: Final = (8, 16, 32, 64, 128, 192, 256, 320, 384, 448, 512)
"""Rows or columns of a tile (read)."""
INNER: Final = 32
"""Inner elements of a tile (read)."""


def wave_share(blocks: int, cores: int) -> float:
    """Return the working share of the cores over all waves of a kernel: ``blocks / (waves cores)``.

    Parameters
    ----------
    blocks
        Blocks, at least one.
    cores
        Cores that take one block each at a time.
    """
    return blocks / (-(-blocks // cores) * cores)


@lru_cache(maxsize=8192)
def product_share(
    rows: int, columns: int, inner: int, cores: int, tile_bytes: int, element_bytes: int
) -> float:
    """Return the working share of the cores in a matrix product.

    Parameters
    ----------
    rows, columns, inner
        Extents; rows are the requests.
    cores, tile_bytes
        Cores, and memory of each for its tiles.
    element_bytes
        Bytes of an element.
    """
    best, share = float("inf"), 1.0
    for height in dict.fromkeys(min(size, rows) for size in TILES):
        for width in dict.fromkeys(min(size, columns) for size in TILES):
            held = ((height + width) * INNER + height * width) * element_bytes
            if held > tile_bytes:
                continue
            down, across = -(-rows // height), -(-columns // width)
            moved = across * rows * inner + down * columns * inner + rows * columns
            working = wave_share(down * across, cores)
            if moved / working**2 < best:
                best, share = moved / working**2, working
    return share


def weights_share(xpu: XpuConfig, model: ServedModel, part: str, requests: int) -> float:
    """Return the working share of a processor's cores in the products of a part, by weights.

    Parameters
    ----------
    xpu
        Processors; columns of a first product and inner elements of a second are split over them.
    model
        What is served.
    part
        ``projections``, ``ffn`` or ``head``.
    requests
        Rows.
    """
    if xpu.cores is None or xpu.tile_bytes is None:
        return 1.0
    count = xpu.count
    keys = (model.heads + 2 * model.kv_heads) * model.head_size
    outputs = model.heads * model.head_size
    up = (-(-model.ffn // count), model.width)
    shapes = {
        "projections": [(-(-keys // count), model.width), (model.width, -(-outputs // count))],
        "ffn": [up] * (model.ffn_matrices - 1) + [(model.width, -(-model.ffn // count))],
        "head": [(-(-model.vocabulary // count), model.width)],
    }[part]
    whole = sum(columns * inner for columns, inner in shapes)
    if not whole:
        return 1.0
    waited = sum(
        columns
        * inner
        / product_share(requests, columns, inner, xpu.cores, xpu.tile_bytes, model.weight_bytes)
        for columns, inner in shapes
    )
    return whole / waited
