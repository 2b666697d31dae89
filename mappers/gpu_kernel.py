"""One kernel (or library call) of a GPU: its predicted time, with slopes, and what it counts.

The time comes from :mod:`archsim.gpu.predict`, which is no formula in a few parameters. For the
sensitivities it is written as one that has the value and the slopes at the present machine::

    time = rest + Σ_i (share_i · p_i) / p_i        share_i = - d time / d ln p_i

A large change is not on that line: run again with ``--set`` then.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.gpu.constants import shipped_records
from archsim.gpu.families import FAMILY_OF
from archsim.gpu.family import LIMITERS
from archsim.gpu.formats import format_class
from archsim.gpu.naming import variant_of
from archsim.gpu.predict import Predictor, predictor
from archsim.mapping import OperatorUse
from archsim.units import PS_PER_S
from mappers.closed_form import Phase, Tally

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from mappers.gpu_device import GpuMachine
    from mappers.gpu_options import GpuOptions
    from mappers.work import CountKey

PS_PER_US: Final = 1e6
RELEVANT: Final = 1e-5
"""Share of a time below which a slope is noise."""

CAUSES: Final = {"matrix": "tensor"}
"""Limiters of the operator laws that reports call otherwise."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operator to predict.

    Attributes
    ----------
    name
        Name of the kernel in reports.
    op, dtype, shape
        As :func:`archsim.gpu.predict.predictor` takes them.
    less
        Extents that replace those of `shape` in a call whose time is taken off: what the operator
        does beyond another one.
    kernels
        Library calls of which the fastest is used; the first is the default.
    launches
        Kernels that the host launches for it; 0: it is part of another one.
    macs
        MACs that the workload defines, by einsum.
    other
        Other actions of the multiprocessors.
    out_bytes
        Bytes of its result.
    compulsory_bytes
        Weights and caches that it must read or write whatever it does.
    """

    name: str
    op: str
    dtype: str
    shape: Mapping[str, float]
    less: Mapping[str, float] | None = None
    kernels: tuple[str, ...] = ("",)
    launches: int = 1
    macs: Mapping[str, int] = field(default_factory=dict)
    other: Mapping[str, int] = field(default_factory=dict)
    out_bytes: int = 0
    compulsory_bytes: int = 0

    @property
    def content(self) -> Hashable:
        """What its time and its counts depend on."""
        less = None if self.less is None else tuple(self.less.items())
        maps = (self.shape, self.macs, self.other)
        parts = tuple(tuple(item.items()) for item in maps)
        return (
            *(self.op, self.dtype, parts, less, self.kernels, self.launches),
            *(self.out_bytes, self.compulsory_bytes),
        )

    def best(self, device: GpuDevice, options: GpuOptions) -> tuple[Predictor, float]:
        """Return the fastest of its library calls, and its time in us."""
        found: list[tuple[float, int, Predictor]] = []
        for kernel in self.kernels:
            library, version = LIBRARY_OF.get(kernel, options.library), ""
            if library == options.library:
                version = options.version
            if not library:
                library, version = own_library(device.name, self.op, format_class(self.dtype))
            model = predictor(
                device, self.op, dtype=self.dtype, library=library, version=version, kernel=kernel
            )
            found.append((self._time_us(model), len(found), model))
        time_us, _, model = min(found, key=lambda item: item[:2])
        return model, time_us

    def _time_us(self, model: Predictor) -> float:
        time_us = model(self.shape).time_s
        if self.less is not None:
            time_us = max(0.0, time_us - model({**self.shape, **self.less}).time_s)
        return time_us * 1e6


@cache
def own_library(device: str, op: str, form: str) -> tuple[str, str]:
    """Return library and version of the fitted record with most rows of a device, or nothing."""
    family = FAMILY_OF[op]
    wanted = variant_of(op, family)
    able = [
        item
        for item in shipped_records()
        if (item.family, item.format, item.variant) == (family, form, wanted)
        and device in item.gpus
        and not item.is_common
    ]
    best = max(able, key=lambda item: (item.rows, item.label), default=None)
    return ("", "") if best is None else (best.library, best.version)


LIBRARY_OF: Final = {"nccl": "nccl", "vLLM_custom_graph": "vllm", "TRTLLM": "trtllm"}
"""Library of each call of a collective."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A call with its time on one machine.

    Attributes
    ----------
    call
        What it does.
    time_ps, cause, time_expr
        Time, what sets it, and the time as an expression with the right slopes.
    dram_bytes, l2_bytes, link_bytes
        Bytes moved.
    said
        Which constants the time comes from.
    board_pj
        Energy of the whole board by the fitted power law.
    band, band_basis
        Error band of the time as factors, and what it rests on; none for launches that a host
        takes longer for.
    """

    call: Call
    time_ps: int
    cause: str
    time_expr: str | None
    dram_bytes: int
    l2_bytes: int
    link_bytes: int
    said: str
    board_pj: float = 0.0
    band: tuple[float, float] = (1.0, 1.0)
    band_basis: str = ""

    def phase(self, gpu: GpuMachine) -> Phase:
        """Return the kernel as a phase of a closed form."""
        tally = Tally()
        tally.busy_ps[gpu.sm] = self.time_ps
        memory_ps = int(self.dram_bytes / gpu.peak_bytes_per_s * PS_PER_S)
        if memory_ps:
            tally.busy_ps[gpu.memory] = min(self.time_ps, memory_ps)
        if self.link_bytes:
            outward = gpu.device.link.network_bytes_per_s
            rate = outward if self.call.op == "network" else gpu.device.link_bytes_per_s
            link_ps = int(self.link_bytes / (rate or gpu.device.link_bytes_per_s) * PS_PER_S)
            tally.busy_ps[gpu.link] = min(self.time_ps, link_ps)
        number = self.call.dtype.partition("_")[0].partition("+")[0]
        for einsum, macs in self.call.macs.items():
            if macs:
                tally.counts.setdefault(einsum, {})[gpu.sm, "mac", number] = macs
        moved = tally.counts.setdefault(next(iter(self.call.macs), self.call.name), {})
        moved.update(self._moved(gpu))
        beyond = self._beyond_pj(gpu, tally)
        if beyond > 0:
            moved[gpu.sm, "issue", "*"] = beyond
        return Phase(self.call.name, self.time_ps, self.cause, tally, self.time_expr)

    def use(self, gpu: GpuMachine) -> OperatorUse:
        """Return the kernel as reports list it."""
        number = self.call.dtype.partition("_")[0].partition("+")[0]
        macs = sum(self.call.macs.values())
        return OperatorUse(
            name=self.call.name,
            kind=f"{self.call.op} {self.call.dtype}",
            time_ps=self.time_ps,
            limit=self.cause,
            launches=self.call.launches,
            macs=macs,
            peak_macs_per_s=_peak_macs_per_s(gpu.device, number) if macs else 0.0,
            dram_bytes=self.dram_bytes,
            peak_bytes_per_s=gpu.peak_bytes_per_s,
            energy_pj=self.board_pj,
            band=self.band,
            band_basis=self.band_basis,
        )

    def _beyond_pj(self, gpu: GpuMachine, tally: Tally) -> int:
        """Return the board's energy beyond counted actions and static power, pJ."""
        counted = gpu.static_w * self.time_ps
        for counts in tally.counts.values():
            for (name, action, number), amount in counts.items():
                counted += amount * gpu.machine.component(name).energy_pj(action, number)
        return int(self.board_pj - counted)

    def _moved(self, gpu: GpuMachine) -> dict[CountKey, int]:
        written = min(self.call.out_bytes, self.dram_bytes)
        hot = min(self.call.out_bytes, self.l2_bytes)
        counts = {
            (gpu.memory, "read", "*"): self.dram_bytes - written,
            (gpu.memory, "write", "*"): written,
            (gpu.l2, "read", "*"): self.l2_bytes - hot,
            (gpu.l2, "write", "*"): hot,
            (gpu.link, "transfer", "*"): self.link_bytes,
            **{(gpu.sm, action, "*"): number for action, number in self.call.other.items()},
        }
        return {key: number for key, number in counts.items() if number > 0}


def time_call(call: Call, gpu: GpuMachine, options: GpuOptions) -> Kernel:
    """Predict a call, with slopes, never below what its MACs and bytes take at the peaks."""
    import numpy as np

    model, time_us = call.best(gpu.device, options)
    full = {name: np.array([float(value)]) for name, value in call.shape.items()}
    estimate = model.estimate(full)
    collective = model.family.name in ("collective", "network")
    time_ps, cause = round(time_us * PS_PER_US), LIMITERS[int(estimate.limiter[0])]
    number = call.dtype.partition("_")[0].partition("+")[0]
    macs = sum(call.macs.values())
    least_ps = math.ceil(call.compulsory_bytes / gpu.peak_bytes_per_s * PS_PER_S)
    if macs:
        peak = _peak_macs_per_s(gpu.device, number)
        least_ps = max(least_ps, math.ceil(macs / peak * PS_PER_S))
    launch_ps = round(call.launches * gpu.device.sm.launch_gap_s * PS_PER_S)
    expression: str | None
    if options.launch == "eager" and launch_ps > max(time_ps, least_ps):
        path = f"hardware.components.{gpu.sm}.launch_gap"
        expression = f"{call.launches}e12 * {{{path}}}"
        time_ps, cause = launch_ps, "launch"
    elif time_ps < least_ps:
        expression, time_ps = None, least_ps
    else:
        expression = _expression(call, gpu, options, time_us)
    used = max(float(estimate.dram_bytes[0]), float(call.compulsory_bytes))
    if call.less is not None:
        used = 0.0
    return Kernel(
        call,
        time_ps,
        CAUSES.get(cause, cause),
        expression,
        dram_bytes=0 if collective else int(used),
        l2_bytes=0 if call.less is not None else int(estimate.l2_bytes[0]),
        link_bytes=int(_sent(call)) if collective else 0,
        board_pj=0.0 if call.less is not None else float(model.power(estimate)[0]) * time_ps,
        said=_said(call, model),
        band=(1.0, 1.0) if cause == "launch" else model.bands.around(time_us),
        band_basis="" if cause == "launch" else model.bands.said,
    )


def _said(call: Call, model: Predictor) -> str:
    """Return where the constants of a call come from."""
    name = f"{call.op} {call.dtype}"
    if not any(item.step for item in model.family.parameters):
        return f"{name}: published shares of the peaks, nothing was fitted"
    return f"{name}: {model.constants.origin} constants, {model.constants.said}"


def _peak_macs_per_s(device: GpuDevice, number: str) -> float:
    tables = device.sm.matrix_flops_per_cycle, device.sm.vector_flops_per_cycle
    best = max((table[number] for table in tables if number in table), default=0)
    return best * device.num_sms * device.clock_hz / 2 or device.matrix_flops_per_s(number) / 2


def _sent(call: Call) -> float:
    """Return the bytes that a rank sends in a collective."""
    if call.op == "network":
        return call.shape["bytes"]
    ranks, num_bytes = call.shape["tp"], call.shape["bytes"]
    if call.op == "send_recv":
        return num_bytes
    return (2 if call.op == "allreduce" else 1) * (ranks - 1) / ranks * num_bytes


def _expression(call: Call, gpu: GpuMachine, options: GpuOptions, time_us: float) -> str | None:
    """Return the time in ps as an expression with the slopes of the prediction."""
    terms, rest = [], time_us
    for variant in gpu.variants:
        _, changed = call.best(variant.device, options)
        share = -(changed - time_us) / math.log(variant.ratio)
        if abs(share) > RELEVANT * time_us:
            rest -= share
            terms.append(f"{share * PS_PER_US * variant.value!r} / {{{variant.path}}}")
    if not terms:
        return None
    return " + ".join([f"({rest * PS_PER_US!r})", *(f"({term})" for term in terms)])
