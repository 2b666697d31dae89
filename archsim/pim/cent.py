"""CENT: a transformer block on GDDR6-AiM channels, one token, from instruction times.

Weights are dealt row by row to all banks of a block's channels. The vector goes to the global
buffers tile by tile; for each group of rows (one per bank) an accumulator is set, every tile of the
row is multiplied, and the result is read. Keys lie token by token in banks, all heads side by side;
values of a head in all banks of a channel, one row for 1024 tokens of a dimension.

Source: Yufeng98/CENT cent_simulation (read): instruction times of aim_sim.py, which agree with the
row pass of the AiM timing, and layouts of TransformerBlock.py. What is left out is named in
:data:`LEFT_OUT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice

ROW_ELEMENTS: Final = 1024
"""BF16 elements of a row, and of the global buffer (read)."""
LANES: Final = 16
BANKS: Final = 16
WRITE_VECTOR_NS: Final = 32.0
"""Write to the global buffer, beside one ns a burst (read: timing_constant WR_GB)."""
RESULT_NS: Final = 37.5
"""Set or read the accumulators of all banks (read: WR_BIAS, RD_MAC)."""
LEFT_OUT: Final = (
    "norms, rotary embedding, softmax scaling in banks",
    "copies between banks and buffers, cache writes",
)


@dataclass(frozen=True, slots=True)
class BlockShape:
    """A transformer block with gated feed-forward.

    Attributes
    ----------
    hidden, feed_forward, heads, kv_heads
        Elements of the stream and of the inner layer, query and key-value heads.
    """

    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int

    @property
    def head_size(self) -> int:
        """Elements of a key."""
        return self.hidden // self.heads


BLOCKS: Final = {
    "Llama2-7B": BlockShape(4096, 11008, 32, 32),
    "Llama2-13B": BlockShape(5120, 13824, 40, 40),
    "Llama2-70B": BlockShape(8192, 28672, 64, 8),
}
"""Models of CENT's tables (Llama 2 paper, table 1 and model cards)."""


@cache
def load_aim() -> PimDevice:
    """Return the shipped GDDR6-AiM."""
    from archsim.pim.device import load_device

    return load_device("aim")


def mac_ns(device: PimDevice, bursts: int) -> float:
    """Return the time of an all-bank MAC instruction over consecutive columns of a row, ns.

    Notes
    -----
    ``tRCD + (n - 1) tCCD + tRTP + tRP``: 113 ns for a whole row of 64 columns.
    """
    of = device.standard.timings
    ticks = of["nRCDRDMAC"] + (bursts - 1) * of["nCCDL"] + of["nRTP"] + of["nRP"]
    return ticks * device.standard.tick_ps * 1e-3


def gemv_ns(device: PimDevice, rows: int, inner: int, channels: int) -> float:
    """Return the time of a matrix times a vector on some channels, without refresh, ns.

    Notes
    -----
    ``tiles (32 + 64) + groups (2 * 37.5 + tiles T_row)`` with ``groups = ceil(rows / banks)`` and
    the last tile as long as it is.
    """
    groups = -(-rows // (channels * BANKS))
    whole, rest = divmod(inner, ROW_ELEMENTS)
    columns = ROW_ELEMENTS // LANES
    sizes = [columns] * whole + ([-(-rest // LANES)] if rest else [])
    write = sum(WRITE_VECTOR_NS + size for size in sizes)
    row = sum(mac_ns(device, size) for size in sizes)
    return write + groups * (2 * RESULT_NS + row)


def attention_ns(device: PimDevice, shape: BlockShape, tokens: int, channels: int) -> float:
    """Return the time of one token's scores and contexts over the cache, without refresh, ns."""
    columns = -(-shape.head_size // LANES)
    token_groups = -(-tokens // (channels * BANKS))
    score = mac_ns(device, columns) + 2 * RESULT_NS
    query = shape.hidden // ROW_ELEMENTS * (WRITE_VECTOR_NS + ROW_ELEMENTS // LANES)
    scores = query + token_groups * shape.heads * score
    heads = -(-shape.kv_heads // channels) * (shape.heads // shape.kv_heads)
    passes = -(-shape.head_size // BANKS)
    return scores + heads * (gemv_ns(device, passes * BANKS, tokens, 1))


def stretch(device: PimDevice) -> float:
    """Return by how much refreshes lengthen a busy time (one in tREFI, as in AiM's timing)."""
    of = device.standard.timings
    return of["nREFI"] / (of["nREFI"] - of["nRFC"] - of["nRP"])


def block_ns(device: PimDevice, shape: BlockShape, tokens: int, channels: int) -> float:
    """Return the time of a block for one token on some channels, refresh included, ns.

    Parameters
    ----------
    device
        GDDR6-AiM.
    shape
        The block.
    tokens
        Tokens in the cache.
    channels
        Channels that the block has.
    """
    kv = shape.kv_heads * shape.head_size
    matrices = (
        *((shape.hidden, shape.hidden),) * 2,
        *((kv, shape.hidden),) * 2,
        *((shape.feed_forward, shape.hidden),) * 2,
        (shape.hidden, shape.feed_forward),
    )
    dense = sum(gemv_ns(device, rows, inner, channels) for rows, inner in matrices)
    return (dense + attention_ns(device, shape, tokens, channels)) * stretch(device)
