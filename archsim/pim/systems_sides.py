"""Time of bytes and operations on either side of a system, and on its links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.pim.systems_file import SystemConfig, XpuConfig
    from archsim.pim.systems_model import ServedModel


def peak_flops_per_s(xpu: XpuConfig, element_bytes: int) -> float:
    """Return the peak of one processor on elements of so many bytes."""
    if element_bytes == 1 and xpu.int8_flops_per_s is not None:
        return xpu.int8_flops_per_s
    return xpu.flops_per_s


@dataclass(frozen=True, slots=True)
class Sides:
    """Rates of a pipeline stage of a system.

    Attributes
    ----------
    system
        The system.
    element_bytes
        Bytes of the elements that are multiplied.
    """

    system: SystemConfig
    element_bytes: int = 2

    def xpu_s(self, read: float, flops: float, share: float = 1.0) -> float:
        """Return the roofline of all processors of a stage with their efficiencies.

        Parameters
        ----------
        read, flops
            Bytes and operations of all processors.
        share
            Share of the cores that work.
        """
        xpu = self.system.xpu
        assert xpu is not None
        count = xpu.count / self.system.stages
        compute = flops / (peak_flops_per_s(xpu, self.element_bytes) * xpu.compute_efficiency)
        memory = read / (xpu.bandwidth_bytes_per_s * xpu.bandwidth_efficiency)
        return max(compute, memory) / count / share

    def pim_s(self, read: float, flops: float) -> float:
        """Return the later of bandwidth and lanes of all stacks of a stage."""
        pim = self.system.pim
        assert pim is not None
        rate = pim.bandwidth_bytes_per_s * pim.efficiency * pim.stacks / self.system.stages
        return max(read, flops / pim.ops_per_byte) / rate

    def weights_s(
        self, policy: str, read: float, flops: float, share: float = 1.0
    ) -> tuple[float, dict[str, float]]:
        """Return the time of a product with weights, and the share of each side.

        Parameters
        ----------
        policy
            ``xpu``, ``pim``, ``faster`` or ``both``.
        read, flops
            Bytes and operations.
        share
            Share of the processors' cores that work.
        """
        if policy == "xpu":
            return self.xpu_s(read, flops, share), {"xpu": 1.0}
        if policy == "pim":
            return self.pim_s(read, flops), {"pim": 1.0}
        xpu, pim = self.xpu_s(read, flops, share), self.pim_s(read, flops)
        if policy == "faster":
            return (pim, {"pim": 1.0}) if pim < xpu else (xpu, {"xpu": 1.0})
        part = xpu / (xpu + pim)
        return xpu * pim / (xpu + pim), {"pim": part, "xpu": 1.0 - part}


def all_reduce_s(xpu: XpuConfig, count: int, size: float) -> float:
    """Return the time of one all-reduce.

    With ``hop_bandwidth``: ``(n - 1) max(hop latency + share / hop bandwidth, share / link)`` for
    shares of ``size / n``; else a ring, ``2 (n - 1) / n size / link + latency``.

    Parameters
    ----------
    xpu
        Processors with their links.
    count
        Processors that take part.
    size
        Bytes on each.
    """
    if count <= 1:
        return 0.0
    if xpu.hop_bytes_per_s is None:
        return 2.0 * (count - 1) / count * size / xpu.link_bytes_per_s + xpu.link_latency_s
    share = size / count
    hop = max(xpu.hop_latency_s + share / xpu.hop_bytes_per_s, share / xpu.link_bytes_per_s)
    return (count - 1) * hop + xpu.link_latency_s


def vector_kernels_s(xpu: XpuConfig, model: ServedModel, requests: int) -> float:
    """Return the time of a layer's two norms and its activation function, as separate kernels.

    Parameters
    ----------
    xpu
        Processors: norms are repeated on each, activations are split.
    model
        What is served.
    requests
        Rows.
    """
    seconds = 0.0
    if xpu.norm is not None:
        moved = 3.0 * requests * model.width * model.cache_bytes
        seconds += 2 * (xpu.norm.latency_s + moved / xpu.norm.bytes_per_s)
    if xpu.activation is not None:
        inner = model.active * model.expert // model.width if model.expert_layers else model.ffn
        moved = model.ffn_matrices * requests * inner / xpu.count * model.cache_bytes
        seconds += xpu.activation.latency_s + moved / xpu.activation.bytes_per_s
    return seconds
