"""CENT: one token through a transformer block, instruction by instruction.

Matrices, scores and contexts are command streams of :mod:`archsim.pim.aim`. What crosses the host
goes one burst a tick for all channels of a device, for all blocks on it: products of elements in
banks (two operands written and one result read), two over the scores and two over the gated inner
layer, and the new key and value, of which every element of a value goes to a row of its own.

Source: Yufeng98/CENT cent_simulation/TransformerBlock.py (read: matrices, scores, contexts, stores
and loads for products of elements). How many products there are is derived: the published times
grow with the tokens by 6.3 passes over the scores, and with the blocks of a device by 6 over the
inner layer. Norms, rotary embedding and residuals are left out: 2 to 4 us a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.pim import aim
from archsim.pim.run import simulate
from archsim.pim.segments import StreamWriter

if TYPE_CHECKING:
    from archsim.pim.cent import BlockShape
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment

PASSES: Final = 6
"""Passes of the scores, and of the inner layer, over the host (derived, see above)."""
LANES: Final = 16


def block_parts_ns(
    device: PimDevice, shape: BlockShape, tokens: int, channels: int
) -> dict[str, float]:
    """Return the time of a block for one token by part, ns.

    Parameters
    ----------
    device
        GDDR6-AiM; the published times are without refreshes.
    shape
        The block.
    tokens
        Tokens in the cache.
    channels
        Channels that the block has.
    """
    writer = StreamWriter(device)

    def run(segments: list[Segment]) -> float:
        ticks = simulate(device, writer.write(segments)).ticks
        return ticks * device.standard.tick_ps * 1e-3

    kv = shape.kv_heads * shape.head_size
    heads = (tokens, shape.head_size, shape.heads, shape.kv_heads, channels)
    projections = ((shape.hidden, shape.hidden), (kv, shape.hidden)) * 2
    blocks = device.channels // channels
    tick_ns = device.standard.tick_ps * 1e-3
    scores = PASSES * shape.heads * -(-tokens // LANES)
    gate = PASSES * -(-shape.feed_forward // LANES)
    written = kv // LANES + kv
    return {
        "projections": sum(run(aim.gemv(device, *matrix, channels)) for matrix in projections),
        "feed-forward": sum(
            run(aim.gemv(device, rows, inner, channels, activation=active))
            for rows, inner, active in (
                (shape.feed_forward, shape.hidden, True),
                (shape.feed_forward, shape.hidden, False),
                (shape.hidden, shape.feed_forward, False),
            )
        ),
        "scores": run(aim.scores(device, *heads)),
        "contexts": run(aim.contexts(device, *heads)),
        "scores through the host": blocks * scores * tick_ns,
        "gate through the host": blocks * gate * tick_ns,
        "cache writes": blocks * written * tick_ns,
    }
