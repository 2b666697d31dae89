"""A batch of requests of different lengths: heads to channels, each channel on its own.

The longest heads go first, each to the channel that has least to do. Channels have controllers of
their own and do not wait for one another, so channels with the same lengths are simulated once.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.pim import attacc
from archsim.pim.operations import Attention, obstacle
from archsim.pim.run import simulate
from archsim.pim.segments import StreamWriter

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch takes.

    Attributes
    ----------
    ticks, time_ps
        Of the channel that finishes last.
    mean_ticks
        Of all channels, idle ones with zero.
    channels, busy_channels
        Channels of all stacks, and those with a head.
    simulated
        Channels simulated: those with different work.
    stored_bytes
        Keys and values of the batch.
    """

    ticks: int
    time_ps: int
    mean_ticks: float
    channels: int
    busy_channels: int
    simulated: int
    stored_bytes: int

    @property
    def balance(self) -> float:
        """Mean over longest channel: 1 if all finish at once."""
        return self.mean_ticks / self.ticks


def deal(lengths: Sequence[int], heads: int, channels: int) -> list[tuple[int, ...]]:
    """Return the lengths of the heads that each channel gets, longest first.

    Parameters
    ----------
    lengths
        Tokens of each request.
    heads
        Heads of a request.
    channels
        Channels to deal them to.
    """
    loads = [(0, channel) for channel in range(channels)]
    dealt: list[list[int]] = [[] for _ in range(channels)]
    for tokens in sorted(lengths, reverse=True):
        for _ in range(heads):
            load, channel = heapq.heappop(loads)
            dealt[channel].append(tokens)
            heapq.heappush(loads, (load + tokens, channel))
    return [tuple(part) for part in dealt]


def run_batch(
    device: PimDevice,
    lengths: Sequence[int],
    head_size: int,
    heads: int,
    kv_heads: int,
    element_bytes: int = 2,
) -> BatchOutcome | Infeasible:
    """Run the decode attention of requests of different lengths.

    Parameters
    ----------
    device
        Stacks with units that take command streams.
    lengths
        Keys of each request, at least one.
    head_size, heads, kv_heads, element_bytes
        Shape of the model's attention.

    Raises
    ------
    ConfigError
        The device deals heads otherwise.
    """
    if device.config.mapping != "attacc":
        raise ConfigError(
            f"channels of {device.standard.name} do not take heads of their own",
            given=device.config.mapping,
            allowed="a device whose mapping is attacc",
        )
    shape = Attention(sum(lengths), head_size, heads, kv_heads, 1, element_bytes)
    reason = obstacle(device, shape)
    if reason is not None:
        return reason
    channels = device.channels * device.stacks
    work = Counter(part for part in deal(lengths, heads, channels) if part)
    writer = StreamWriter(device)
    ticks = {part: _channel_ticks(device, writer, part, head_size, element_bytes) for part in work}
    longest = max(ticks.values())
    return BatchOutcome(
        ticks=longest,
        time_ps=device.standard.time_ps(longest),
        mean_ticks=sum(ticks[part] * count for part, count in work.items()) / channels,
        channels=channels,
        busy_channels=sum(work.values()),
        simulated=len(work),
        stored_bytes=shape.stored_bytes,
    )


def _channel_ticks(
    device: PimDevice,
    writer: StreamWriter,
    lengths: Sequence[int],
    head_size: int,
    element_bytes: int,
) -> int:
    """Return the ticks of one channel's heads."""
    row_bytes = device.columns * device.standard.burst_bytes
    heads = []
    base = 0
    for tokens in lengths:
        heads.append(
            attacc.Head(
                *(device, tokens, head_size, element_bytes, base, 1),
                attacc.VALUES_AT_BYTES + base,
            )
        )
        stored = heads[-1].groups * heads[-1].inner * device.standard.burst_bytes
        base += -(-stored // row_bytes) * row_bytes
    return simulate(device, writer.write(attacc.heads_in_turn(heads))).ticks
