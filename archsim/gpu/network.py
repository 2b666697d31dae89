"""Exchanges between nodes: what GPUs send over their network adapters.

A device sends V bytes to devices outside the domain of its fast link, in `exchanges` rounds that
wait for one another::

    time = exchanges · exchange_us + V / (share · bandwidth of its adapter)

One round carries an all-to-all, an all-gather or a hand-over between pipeline stages; an all-reduce
is two (partial sums there, sums back), each with the part of the message that falls to the device
once its own domain has added up.

The two constants are chosen for the low-latency dispatch and combine times that DeepEP publishes
for 16 to 256 ranks (H800, one 400 Gb/s adapter each; deepseek-ai/DeepEP on GitHub, docs/legacy.md
at 0297fc80), whose ten rows are met within 9 %. Its V2 reaches the same 45 to 46 of 50 GB/s
(README.md). A hand-over between DGX A100 takes 27 µs (Vidur's profile, constants/collective.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.gpu.family import LAUNCH, LINK, Estimate, Family, Parameter

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("exchanges", "bytes")

PARAMETERS: Final = (
    Parameter("exchange_us", 30.0, 1.0, 200.0, 0.0, "one round between nodes", True),
    Parameter("share", 0.9, 0.05, 1.0, 0.0, "of the adapter's bandwidth"),
)
"""Constants; taken from published times, not fitted to the data set."""


def network_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict exchanges between nodes.

    Raises
    ------
    ConfigError
        The device has no network adapter.
    """
    import numpy as np

    del dtype
    exchanges, num_bytes = (shape[name] for name in COLUMNS)
    bandwidth = device.link.network_bytes_per_s
    if bandwidth is None:
        raise ConfigError(
            f"{device.name} has no network adapter: its link ends at {device.link.domain} devices",
            path="hardware.components.interconnect.network_bandwidth",
        )
    streaming = num_bytes / (bandwidth * constants["share"]) * 1e6
    waiting = exchanges * constants["exchange_us"]
    return Estimate(
        time_us=waiting + streaming,
        limiter=np.where(streaming > waiting, LINK, LAUNCH).astype(np.int64),
        flops=np.zeros_like(num_bytes),
        dram_bytes=2 * num_bytes,
        l2_bytes=2 * num_bytes,
        roofline_us=num_bytes / bandwidth * 1e6,
    )


NETWORK: Final = Family("network", COLUMNS, PARAMETERS, network_law)
"""Exchanges between nodes."""
