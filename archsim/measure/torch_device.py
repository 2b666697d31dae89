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
from archsim.measure.plan import Job
from archsim.measure.torch_operators import UnsupportedError, build

SAMPLE_S: Final = 0.02
"""Time between two readings of the power meter."""


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

    def prepare(self, job: Job, cold_bytes: int) -> TorchWork | str:
        """Make an operator ready, or say why it cannot run here."""
        try:
            calls, each_bytes = build(self.torch, job, cold_bytes)
        except UnsupportedError as reason:
            return str(reason)
        except self.torch.cuda.OutOfMemoryError:
            self.torch.cuda.empty_cache()
            return "out of device memory"
        except RuntimeError as error:
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

    def capture(self, calls: int) -> None:
        """Capture calls in a graph, going round the copies; the launch gap stays a host loop."""
        torch = self.device.torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
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

    def draw(self, settle_s: float, span_s: float) -> tuple[float, float] | None:
        """Run it over and over; return mean power in W and mean clock in MHz."""
        if not self.device.meter.works:
            return None
        self._busy(settle_s)
        return self._busy(span_s)

    def _busy(self, span_s: float) -> tuple[float, float]:
        readings = []
        until = time.monotonic() + span_s
        while time.monotonic() < until:
            asked = time.monotonic() + SAMPLE_S
            while time.monotonic() < asked:
                self._run()
                self.device.torch.cuda.synchronize()
            readings.append(self.device.meter.read())
        powers, clocks = zip(*readings, strict=True)
        return sum(powers) / len(powers), sum(clocks) / len(clocks)

    def close(self) -> None:
        """Give back its memory."""
        self.calls.clear()
        self._run = None
        self.device.torch.cuda.empty_cache()

    _run: Any = None


class Meter:
    """Power and clock as the driver reports them; works only where NVML is there."""

    def __init__(self) -> None:
        self.works: bool = False
        self.driver: str = ""
        try:
            self._nvml: Any = importlib.import_module("pynvml")
        except ImportError:
            return
        try:
            self._nvml.nvmlInit()
            self._handle: Any = self._nvml.nvmlDeviceGetHandleByIndex(0)
            self.driver = str(self._nvml.nvmlSystemGetDriverVersion())
        except self._nvml.NVMLError:
            return
        self.works = True

    def read(self) -> tuple[float, float]:
        """Return board power in W and the clock of the multiprocessors in MHz."""
        power = self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1e3
        clock = self._nvml.nvmlDeviceGetClockInfo(self._handle, self._nvml.NVML_CLOCK_SM)
        return float(power), float(clock)
