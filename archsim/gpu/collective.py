"""Collectives between the GPUs of a node: the best of a latency and a bandwidth protocol.

With V bytes that a rank sends over its link (ring or direct), p ranks::

    V = 2 (p-1)/p · bytes   all-reduce;  (p-1)/p · bytes   all-gather, reduce-scatter, all-to-all
    V = bytes               send and receive
    time = min over protocols of  fixed + hop · steps(p) + V / (share · link)

The short protocol writes flags with the data: a low fixed time, a fraction of the bandwidth.
Between them lies the ramp; the share of the link changes with the ranks (rings of a switch gain,
rings over the peripheral bus share it and lose).

Switches that reduce what they pass on halve what a rank sends for an
all-reduce (four ranks and more).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import LAUNCH, LINK, Estimate, Family, Parameter

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("tp", "bytes", "reduces", "gathers")

PARAMETERS: Final = (
    Parameter("fixed_us", 5.0, 0.5, 80.0, 0.2, "short protocol, apart from its steps", True),
    Parameter("hop_us", 1.0, 0.01, 20.0, 0.3, "one step of the short protocol", True),
    Parameter("short_share", 0.15, 0.001, 1.0, 0.3, "of the link that the short protocol uses"),
    Parameter("long_us", 10.0, 0.1, 200.0, 0.3, "long protocol, over the short one", True),
    Parameter("link_share", 0.75, 0.01, 2.5, 0.1, "of the link that the long protocol uses"),
    Parameter("ramp_norm", 2.0, 0.5, 20.0, 0.2, "how sharply one protocol gives way", True),
    Parameter("rank_factor", 1.0, 0.15, 2.0, 0.1, "of the link share, for twice the ranks", True),
)
"""Constants of one collective of one library."""


WHOLE_NODE: Final = 8.0
"""Ranks for which the link shares are given."""


def collective_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict collectives of `tp` ranks with `bytes` a rank, as NCCL counts them."""
    import numpy as np

    del dtype
    ranks, num_bytes, reduces, gathers = (shape[name] for name in COLUMNS)
    ranks = np.maximum(ranks, 1.0)
    sent = np.where(reduces > 0, 2.0, 1.0) * (ranks - 1) / ranks * num_bytes
    sent = np.where((reduces == 0) & (gathers == 0), num_bytes, sent)
    link = device.link_bytes_per_s * constants["rank_factor"] ** np.log2(ranks / WHOLE_NODE)
    if device.link.reduces_in_switch:
        in_switch = num_bytes * (1 + 1 / ranks)
        sent = np.where((reduces > 0) & (ranks >= 4), np.minimum(sent, in_switch), sent)
    steps = np.where(gathers + reduces > 0, ranks - 1, 1.0)
    latency = constants["fixed_us"] + constants["hop_us"] * steps
    short = latency + sent / (link * constants["short_share"]) * 1e6
    streaming = sent / (link * constants["link_share"]) * 1e6
    long = latency + constants["long_us"] + streaming
    norm = constants["ramp_norm"]
    least = np.minimum(short, long)
    time = least * ((least / short) ** norm + (least / long) ** norm) ** (-1 / norm)
    time = np.maximum(time, np.minimum(latency, least))
    return Estimate(
        time_us=time,
        limiter=np.where(streaming > time / 2, LINK, LAUNCH).astype(np.int64),
        flops=np.where(reduces > 0, num_bytes / 2, 0.0),
        dram_bytes=2 * num_bytes,
        l2_bytes=2 * num_bytes,
        roofline_us=sent / device.link_bytes_per_s * 1e6,
    )


COLLECTIVE: Final = Family("collective", COLUMNS, PARAMETERS, collective_law, common=("variant",))
"""Collectives; each with the library call that made it keeps constants of its own."""
