"""A fragment mapped onto a GPU: kernels one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archsim.errors import ConfigError, MappingError
from archsim.mapping import OperatorUse
from mappers.closed_form import ClosedForm, Phase, Tally
from mappers.gpu_device import GpuMachine, gpu_machine
from mappers.gpu_kernel import Call, Kernel, time_call
from mappers.gpu_options import GpuOptions

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json
    from archsim.program import Program
    from workloads import Cascade


@dataclass(frozen=True)
class GpuMapping:
    """A fragment as kernels.

    Attributes
    ----------
    mapper
        Id of the mapper.
    name, layer
        Name and layer of the fragment.
    gpu
        Where.
    kernels
        The kernels, in order.
    host
        Time of the host behind them, s.
    fused
        Einsums whose results never leave a kernel.
    said
        What else there is to say.
    """

    mapper: str
    name: str
    layer: str
    gpu: GpuMachine
    kernels: tuple[Kernel, ...]
    host_s: float = 0.0
    fused: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    rung = "analytic"
    """Rung of its operators, whatever composes them."""

    @property
    def footprints(self) -> Mapping[str, int]:
        """Return nothing: the cache is not managed."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is assumed and which constants were used."""
        return tuple(dict.fromkeys([*self.said, *(kernel.said for kernel in self.kernels)]))

    @property
    def operators(self) -> tuple[OperatorUse, ...]:
        """Return the kernels for reports, the host's time behind them."""
        host_ps = round(self.host_s * 1e12)
        host = [OperatorUse("host", "host", host_ps, "host", 0)] if host_ps else []
        return (*(kernel.use(self.gpu) for kernel in self.kernels if kernel.time_ps), *host)

    def program(self) -> Program:
        """Return one operation for each kernel."""
        phases = []
        for number, kernel in enumerate(self.kernels):
            phase = kernel.phase(self.gpu)
            phases.append(
                Phase(
                    f"{number}/{phase.name}",
                    phase.time_ps,
                    phase.cause,
                    phase.tally,
                    phase.time_expr,
                )
            )
        if self.host_s:
            tally = Tally(busy_ps={"host": round(self.host_s * 1e12)})
            phases.append(Phase("host", round(self.host_s * 1e12), "host", tally))
        if not phases:
            from archsim.program import ProgramBuilder

            builder = ProgramBuilder(self.name)
            builder.place(builder.marker("nothing", tags={"layer": self.layer}))
            return builder.build()
        return ClosedForm(self.name, 1, tuple(phases), {"layer": self.layer}).program()

    def analytic(self) -> Program:
        """Return the same: operators of a GPU are closed forms."""
        return self.program()

    def to_json(self) -> dict[str, Json]:
        """Return the kernels with their shapes and times."""
        kernels: list[Json] = [
            {
                "name": kernel.call.name,
                "op": kernel.call.op,
                "dtype": kernel.call.dtype,
                "shape": dict(kernel.call.shape),
                "time_ps": kernel.time_ps,
                "limiter": kernel.cause,
            }
            for kernel in self.kernels
        ]
        return {"mapper": self.mapper, "kernels": kernels}


def the_gpu(machine: Machine) -> GpuMachine:
    """Return the GPU of a machine.

    Raises
    ------
    MappingError
        It is none.
    """
    found = gpu_machine(machine)
    if isinstance(found, str):
        raise MappingError(f"machine {machine.name} {found}")
    return found


def time_calls(calls: list[Call], gpu: GpuMachine, options: GpuOptions) -> tuple[Kernel, ...]:
    """Predict calls in order; what the GPU was asked before it knows."""
    found = []
    for call in calls:
        key = (call.content, options)
        if key not in gpu.known:
            gpu.known[key] = time_call(call, gpu, options)
        found.append(replace(gpu.known[key], call=call))
    return tuple(found)


def check_format(gpu: GpuMachine, dtype: str) -> str | None:
    """Return why a GPU cannot multiply in a format, or None."""
    try:
        gpu.device.matrix_flops_per_s(dtype.partition("_")[0].partition("+")[0])
    except ConfigError as error:
        allowed = ", ".join(gpu.device.formats())
        return f"{error.message} ({dtype}; it has {allowed}; --precision chooses)"
    return None


def kept_bytes(cascade: Cascade) -> int:
    """Return the weights, caches and constants that a fragment must move at least."""
    roles = cascade.compulsory_bytes()
    return sum(roles.get(role, 0) for role in ("weight", "kv", "constant"))
