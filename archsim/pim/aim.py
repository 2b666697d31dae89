"""GEMV and attention on GDDR6-AiM: which instruction works which columns when.

Weights are dealt row by row to all banks of the channels. The vector goes to the global buffers
tile by tile, a tile being a row of a bank; for some of its rows each bank sets accumulators, works
their tiles, and reads the accumulators again. Keys lie token by token in banks, all heads side by
side; values of a head in all banks of a channel, one row for 1024 tokens of a dimension.

Source: Yufeng98/CENT cent_simulation/TransformerBlock.py (read): orders of instructions with the
vector kept in the global buffer ("reuse-GB"), 32 accumulators a bank.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from archsim.pim.segments import ALL, Access

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment

ACCUMULATORS: Final = 32
"""Accumulators of a bank that a pass may hold at once (read: reuse_size of run_sim.py)."""
BANKS: Final = (ALL, ALL)
"""Fields of all banks of a channel."""


def _up(value: int, by: int) -> int:
    return -(-value // by)


def _plain(name: str, count: int, channels: int) -> Access:
    """Return commands that need no row."""
    return Access(name, BANKS, 0, 0, count, channels)


def _tiles(device: PimDevice, inner: int, element_bytes: int) -> list[int]:
    """Return the columns of each tile of a vector."""
    lanes = device.lanes(element_bytes)
    columns = _up(inner, lanes)
    whole, rest = divmod(columns, device.columns)
    return [device.columns] * whole + ([rest] if rest else [])


def gemv(
    device: PimDevice,
    rows: int,
    inner: int,
    channels: int,
    *,
    element_bytes: int = 2,
    base_row: int = 0,
    batch: int = 1,
    activation: bool = False,
) -> list[Segment]:
    """Return the requests of a matrix times vectors on some channels, all alike.

    Parameters
    ----------
    device
        GDDR6-AiM.
    rows, inner, element_bytes
        Shape of the matrix.
    channels
        Channels that its rows are dealt to.
    base_row
        Row of each bank at which the matrix begins.
    batch
        Vectors: the buffer holds one, so each goes through the whole matrix.
    activation
        Whether the results pass the activation function, whose table lies in a row of its own.
    """
    each = _up(rows, channels * device.banks_per_mac)
    tiles = _tiles(device, inner, element_bytes)
    limit = ACCUMULATORS // 2 if activation else ACCUMULATORS
    groups = _up(each, limit)
    size = _up(each, groups)
    found: list[Segment] = []
    for _ in range(batch):
        for tile, columns in enumerate(tiles):
            found.append(_plain(device.moves.write_vector, columns, channels))
            for group in range(groups):
                count = min(size, each - group * size)
                first = base_row + group * size * len(tiles) + tile
                rows_of_tile = range(first, first + count * len(tiles), len(tiles))
                last = activation and tile == len(tiles) - 1
                found += _pass(device, rows_of_tile, columns, channels, activation=last)
    return found


def _pass(
    device: PimDevice, rows: range, columns: int, channels: int, *, activation: bool = False
) -> Iterator[Segment]:
    """Yield the requests of some rows with the vector in the buffer."""
    count = len(rows)
    yield _plain("WRMAC16", count, channels)
    for row in rows:
        yield Access(device.unit.mac, BANKS, row, 0, columns, channels)
    if activation:
        table = device.standard.levels[-2].size - 1
        for _ in rows:
            yield Access(device.moves.softmax, BANKS, table, 0, 1, channels)
            yield _plain("RDAF16", 1, channels)
    yield _plain(device.moves.read_result, count, channels)


def scores(
    device: PimDevice,
    tokens: int,
    head_size: int,
    heads: int,
    kv_heads: int,
    channels: int,
    *,
    element_bytes: int = 2,
    base_row: int = 0,
) -> list[Segment]:
    """Return the requests of all scores of one request on some channels.

    A row of a bank has the keys of several heads of one token; for each of the query heads that
    share a key head the queries of a row's heads go to the buffer once.
    """
    row = device.columns * device.lanes(element_bytes)
    share = heads // kv_heads
    columns = _up(head_size, device.lanes(element_bytes))
    side = max(1, row // head_size)
    rows = _up(head_size * kv_heads, row)
    turns = _up(tokens, channels * device.banks_per_mac)
    found: list[Segment] = []
    for part in range(rows):
        in_row = min(side, kv_heads - part * side)
        for turn in range(turns):
            for _ in range(share):
                found.append(_plain(device.moves.write_vector, in_row * columns, channels))
                for head in range(in_row):
                    at_row = base_row + turn * rows + part
                    found += [
                        _plain("WRMAC16", 1, channels),
                        Access(device.unit.mac, BANKS, at_row, head * columns, columns, channels),
                        _plain(device.moves.read_result, 1, channels),
                    ]
    return found


def contexts(
    device: PimDevice,
    tokens: int,
    head_size: int,
    heads: int,
    kv_heads: int,
    channels: int,
    *,
    element_bytes: int = 2,
    base_row: int = 0,
) -> list[Segment]:
    """Return the requests of all contexts of one request on some channels.

    A channel has whole key heads; a dimension of the values is a row of a bank for each 1024
    tokens, and probabilities go to the buffer once for each query head and row.
    """
    turns = _up(kv_heads, channels)
    share = heads // kv_heads
    passes = _up(head_size, device.banks_per_mac)
    tiles = _tiles(device, tokens, element_bytes)
    found: list[Segment] = []
    for head in range(turns):
        for _ in range(share):
            for tile, columns in enumerate(tiles):
                found.append(_plain(device.moves.write_vector, columns, channels))
                for turn in range(passes):
                    row = base_row + (head * passes + turn) * len(tiles) + tile
                    found += _pass(device, range(row, row + 1), columns, channels)
    return found


def attention(
    device: PimDevice,
    tokens: int,
    head_size: int,
    heads: int,
    kv_heads: int,
    channels: int,
    *,
    element_bytes: int = 2,
    base_row: int = 0,
) -> list[Segment]:
    """Return the requests of the attention of one request: scores, then contexts.

    Softmax is the host's, between the two, and takes no time here.
    """
    side = max(1, device.columns * device.lanes(element_bytes) // head_size)
    rows = _up(kv_heads, side) * _up(tokens, channels * device.banks_per_mac)
    shape = (device, tokens, head_size, heads, kv_heads, channels)
    return [
        *scores(*shape, element_bytes=element_bytes, base_row=base_row),
        *contexts(*shape, element_bytes=element_bytes, base_row=base_row + rows),
    ]
