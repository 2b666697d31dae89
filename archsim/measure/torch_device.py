"""The GPU that PyTorch sees, as a device to measure; nothing on the card is changed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from archsim.errors import NotRunError
from archsim.gpu.naming import gpu_id
from archsim.measure.meter import Meter
from archsim.measure.plan import Job
from archsim.measure.timing import Drawn, UnsupportedError
from archsim.measure.torch_operators import build

SAMPLE_S: Final = 0.02
"""Time between two readings of the power meter."""

QUEUED: Final = 8
"""Replays that are waiting at once while power is measured: the card never idles between two."""


def find_device() -> TorchDevice:
    """Return the first GPU.

    Raises
    ------
    NotRunError
        There is none, or PyTorch is not installed.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise NotRunError(
            "no GPU found: PyTorch is not installed (pip install 'archsim[measure]')"
        ) from None
    if not torch.cuda.is_available():
        raise NotRunError("no GPU found: PyTorch sees no CUDA or ROCm device")
    return TorchDevice(torch)


class TorchDevice:
    """The current GPU of PyTorch.

    Parameters
    ----------
    torch
        The module.
    """

    def __init__(self, torch: ModuleType) -> None:
        self.torch: Any = torch
        found = self.torch.cuda.get_device_properties(0)
        self.gpu: str = gpu_id(str(found.name)) or str(found.name).replace(" ", "-")
        version = str(torch.__version__).partition("+")[0]
        self.library: str = f"torch-{version}"
        self.l2_bytes: int = int(found.L2_cache_size)
        self.meter: Meter = Meter()
        self.driver: str = self.meter.driver
        self.num_sms: int = int(found.multi_processor_count)

    def settings(self) -> dict[str, str]:
        """Return what a table of measurements should stand beside: card, versions, settings."""
        version = self.torch.version
        return {
            "name": str(self.torch.cuda.get_device_properties(0).name),
            "gpu": self.gpu,
            "multiprocessors": str(self.num_sms),
            "l2_bytes": str(self.l2_bytes),
            "library": self.library,
            "runtime": str(version.cuda or version.hip),
            "driver": self.driver,
            **self.meter.settings(),
        }

    def prepare(self, job: Job, cold_bytes: int) -> TorchWork | str:
        """Make an operator ready, or say why it cannot run here."""
        try:
            calls, each_bytes = build(self.torch, job, cold_bytes)
        except UnsupportedError as reason:
            return str(reason)
        except self.torch.cuda.OutOfMemoryError:
            self.torch.cuda.empty_cache()
            return "out of device memory"
        except (RuntimeError, ValueError) as error:
            return f"{job.op} {job.dtype}: {str(error).splitlines()[0]}"
        return TorchWork(self, job, calls, each_bytes * len(calls))


@dataclass
class TorchWork:
    """One operator on the GPU.

    Attributes
    ----------
    device, job
        Where and what.
    calls
        The operator on each of its copies of operands.
    ws_bytes
        Bytes of all copies.
    """

    device: TorchDevice
    job: Job
    calls: list[Callable[[], object]]
    ws_bytes: int

    @property
    def kernel(self) -> str:
        """What runs."""
        return f"torch {self.job.op}"

    @property
    def copies(self) -> int:
        """Copies of the operands."""
        return len(self.calls)

    def capture(self, calls: int) -> None:
        """Capture calls in a graph, going round the copies; the launch gap stays a host loop.

        Raises
        ------
        UnsupportedError
            The operator cannot run, or cannot be captured.
        """
        torch = self.device.torch
        self._run = None
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for call in self.calls[:3]:
                    call()
            torch.cuda.current_stream().wait_stream(stream)
            if self.job.op == "launch_gap":
                self._run = lambda: [self.calls[0]() for _ in range(calls)]
                return
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for number in range(calls):
                    self.calls[number % len(self.calls)]()
        except torch.cuda.OutOfMemoryError:
            raise UnsupportedError("out of device memory") from None
        except (RuntimeError, ValueError) as error:
            reason = f"{self.job.op} {self.job.dtype}: {str(error).splitlines()[0]}"
            raise UnsupportedError(reason) from None
        self._captured = calls
        self._run = graph.replay

    def replay(self) -> float:
        """Run what was captured once; return the time between the events around it, µs."""
        torch = self.device.torch
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self._run()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) * 1e3

    def clock_mhz(self) -> float | None:
        """Return the clock of the multiprocessors now."""
        meter = self.device.meter
        return meter.clock_mhz() if meter.works else None

    def draw(self, settle_s: float, span_s: float) -> Drawn | None:
        """Run it over and over; return what it draws.

        Power and energy of a call come from the counter of energy where there is one, else power is
        the mean of readings.
        """
        if not self.device.meter.works:
            return None
        self._busy(settle_s)
        return self._busy(span_s)

    def _busy(self, span_s: float) -> Drawn:
        torch, meter = self.device.torch, self.device.meter
        powers, clocks, replays = [], [], 0
        torch.cuda.synchronize()
        before, begin = meter.energy_j(), time.monotonic()
        while (now := time.monotonic()) < begin + span_s:
            while time.monotonic() < now + SAMPLE_S:
                for _ in range(QUEUED):
                    self._run()
                replays += QUEUED
                torch.cuda.synchronize()
            powers.append(meter.power_w())
            clocks.append(meter.clock_mhz())
        after, span_s = meter.energy_j(), time.monotonic() - begin
        clock = sum(clocks) / len(clocks)
        if before is None or after is None:
            return Drawn(sum(powers) / len(powers), clock)
        used = after - before
        return Drawn(used / span_s, clock, used / (replays * self._captured))

    def close(self) -> None:
        """Give back its memory."""
        self.calls.clear()
        self._run = None
        self.device.torch.cuda.empty_cache()

    _run: Any = None
    _captured: int = 1
