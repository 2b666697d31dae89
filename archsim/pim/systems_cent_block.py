"""CENT: what the channels of a block do for one token, in counts of AiM's instructions.

Weights are dealt row by row to all banks of all devices of a block, tile by tile of a bank's row,
with 32 accumulators a bank set before and read after (16 where activations follow). Keys of a token
lie side by side in one bank, so a row stays open for all its heads; values lie in the channels of
one device. Everything that is not a product of a matrix crosses the host: one burst a tick for all
channels of a device, for all blocks on it.

Source: Yufeng98/CENT cent_simulation, TransformerBlock.py (read), and the trace of its fork
Linus-Wangjz/ALOI c60ab09, Llama.py (read). Two recorded runs there of a block on a device
(output/GDDR6, b55c79d) have these counts, and their cycles follow within 1.1 %; they issue no
refreshes. :data:`ROWS_BESIDE`, :data:`MODES_BESIDE` and :data:`ACCUMULATE_TICKS` are from these and
two more of those runs, which spread values over devices (a flag) and are not followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.pim.cent import BANKS, LANES, ROW_ELEMENTS

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.systems_model import ServedModel

COLUMNS: Final = ROW_ELEMENTS // LANES
ACCUMULATORS: Final = 32
"""Of a bank; half where an activation follows (read: reuse_size)."""
ROWS_BESIDE: Final = 18
"""Rows opened for norms and products of elements (counted: 15 to 22 in recorded runs)."""
MODES_BESIDE: Final = 10
"""Changes of mode for norms and products of elements (counted: 5 to 11 in recorded runs)."""
SCORE_PASSES: Final = 6
"""Passes of all scores over the host: scale and its operand twice written, twice read back."""
ACCUMULATE_TICKS: Final = 5
"""Set and read an accumulator: two bursts and the turn of the data path (recorded runs)."""


@dataclass(slots=True)
class Instructions:
    """Counts for one channel, all channels of the device alike.

    Attributes
    ----------
    columns, rows
        Column accesses that multiply, and rows opened for them.
    vectors
        Bursts into the global buffer.
    results
        Accumulators set and read.
    modes
        Changes between writing, multiplying and reading.
    bursts
        Bursts of the host to or from single banks, of all channels of the device.
    products
        Column accesses of products of elements, in a quarter of the banks.
    """

    columns: int = 0
    rows: int = 0
    vectors: int = 0
    results: int = 0
    modes: int = 0
    bursts: int = 0
    products: int = 0

    def add_matrix(self, rows: int, inner: int, channels: int, *, activation: bool = False) -> None:
        """Add a matrix times a vector over all channels of a block."""
        each = -(-rows // (channels * BANKS))
        tiles, bursts = -(-inner // ROW_ELEMENTS), -(-inner // LANES)
        limit = ACCUMULATORS // 2 if activation else ACCUMULATORS
        self.columns += each * bursts
        self.rows += each * tiles
        self.vectors += bursts
        self.results += each * tiles
        self.modes += 2 * tiles * -(-each // limit) + (2 * each if activation else 0)

    def add_scores(self, model: ServedModel, tokens: int, channels: int) -> None:
        """Add the products of queries and keys: a row for all heads that lie in it."""
        groups = -(-tokens // (channels * BANKS))
        key_rows = -(-model.kv_heads * model.head_size // ROW_ELEMENTS)
        self.columns += groups * model.heads * -(-model.head_size // LANES)
        self.rows += groups * key_rows
        self.vectors += groups * key_rows * model.group * COLUMNS
        self.results += groups * model.heads
        self.modes += 2 * groups * model.heads

    def add_contexts(self, model: ServedModel, tokens: int, channels: int) -> None:
        """Add the products of probabilities and values, heads dealt to the channels of a device."""
        heads = -(-model.kv_heads // channels) * model.group
        passes = -(-model.head_size // BANKS)
        tiles, bursts = -(-tokens // ROW_ELEMENTS), -(-tokens // LANES)
        self.columns += heads * passes * bursts
        self.rows += heads * passes * tiles
        self.vectors += heads * bursts
        self.results += heads * passes * tiles
        self.modes += 2 * heads * passes * tiles

    def ticks(self, device: PimDevice) -> int:
        """Return the time in ticks: everything one after another."""
        of = device.standard.timings
        row = of["nRCDRDMAC"] + of["nRTP"] + of["nRP"] - of["nCCDL"]
        return (
            (self.columns + self.products) * of["nCCDL"]
            + self.rows * row
            + self.vectors * of["nBL"]
            + self.results * ACCUMULATE_TICKS
            + self.modes * of["nMODCH"]
            + self.bursts
        )


def block_instructions(
    model: ServedModel, tokens: int, channels: int, devices: int, blocks: int
) -> dict[str, Instructions]:
    """Return the instructions of a block for one token, by part.

    Parameters
    ----------
    model, tokens
        What is served, and tokens in the cache.
    channels, devices
        Channels of a device that the block has, and its devices.
    blocks
        Blocks on the device: the host serves them all.

    Returns
    -------
    dict of str to Instructions
        ``projections``, ``attention``, ``ffn`` and ``elementwise``.
    """
    keys, width = model.kv_heads * model.head_size, model.width
    everywhere = channels * devices
    projections, ffn, attention, beside = (Instructions() for _ in range(4))
    for rows in (width, width, keys, keys):
        projections.add_matrix(rows, width, everywhere)
    ffn.add_matrix(model.ffn, width, everywhere, activation=True)
    ffn.add_matrix(model.ffn, width, everywhere)
    ffn.add_matrix(width, model.ffn, everywhere)
    attention.add_scores(model, tokens, everywhere)
    attention.add_contexts(model, tokens, channels)
    attention.bursts = blocks * SCORE_PASSES * model.heads * -(-tokens // LANES)
    attention.bursts += blocks * keys // LANES
    # Operands of products of elements: two norms, rotations of queries and keys; gate and inner.
    quarter = channels * BANKS // 4
    elements = -(-model.ffn // quarter)
    inner = -(-elements // LANES)
    beside.bursts = blocks * ((14 * width + 4 * keys) // LANES + 4 * quarter * inner)
    beside.products = (width + keys) // LANES + 4 * -(-width // (quarter * LANES)) + 2 * inner
    attention.products = 2 * -(-model.heads // quarter) * -(-tokens // LANES)
    beside.rows, beside.modes = ROWS_BESIDE, MODES_BESIDE
    return {
        "projections": projections,
        "attention": attention,
        "ffn": ffn,
        "elementwise": beside,
    }
