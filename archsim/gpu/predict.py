"""Predict one operator, or arrays of them, on a GPU: time, what limits it, power and energy.

The front door of :mod:`archsim.gpu`::

    >>> from archsim.gpu.predict import predict
    >>> gemm = predict("h200-sxm", "gemm", {"m": 4096, "n": 4096, "k": 4096}, dtype="bf16")
    >>> gemm.limiter
    'power'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from archsim.errors import ConfigError, nearest
from archsim.gpu.constants import Chosen, Request, choose, shipped_records
from archsim.gpu.device import GpuDevice, load_device
from archsim.gpu.energy import FAMILY as ENERGY_FAMILY
from archsim.gpu.energy import Quantity, default_constants, power_w
from archsim.gpu.error_bands import Bands, bands_for, shipped_bands
from archsim.gpu.families import FAMILIES, FAMILY_OF
from archsim.gpu.family import LIMITERS, Estimate, Family
from archsim.gpu.formats import format_class
from archsim.gpu.naming import variant_of
from archsim.gpu.vector import EXPONENTIALS, NO_ROWS, ROW_FROM, TENSORS

if TYPE_CHECKING:
    from archsim.gpu.family import Floats

Extent = TypeVar("Extent", bound="float | Floats")
"""An extent or quantity of one operator, or an array of them."""

GATHERS: Final = frozenset({"allgather", "reducescatter", "alltoall"})

REQUIRED: Final = {
    "gemm": ("m", "n", "k"),
    "batched_gemm": ("batch", "m", "n", "k"),
    "attention_decode": ("batch", "heads", "kv_heads", "head_dim", "kv_len"),
    "attention_prefill": ("batch", "heads", "kv_heads", "head_dim", "q_len", "kv_len"),
    "attention_latent": ("batch", "heads", "kv_len", "head_dim", "value_dim"),
    "moe": ("m", "n", "k", "experts", "topk"),
    "vector": ("m", "n"),
    "collective": ("tp", "bytes"),
    "network": ("exchanges", "bytes"),
}
"""Extents that a caller must give, by operator or family; the others default to 0."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one operator takes.

    Attributes
    ----------
    time_s
        Time of the kernels of the operator, one after the other in a graph, s.
    limiter
        What holds it up: one of :data:`archsim.gpu.family.LIMITERS`.
    power_w, energy_j
        Board power while it runs, W, and power times time, J.
    flops, dram_bytes
        Work.
    roofline_s
        Its plain roofline, s.
    low_s, high_s
        Error band of the time, s: eight of ten measured times lie in bands like it; see
        :mod:`archsim.gpu.error_bands`.
    """

    time_s: float
    limiter: str
    power_w: float
    energy_j: float
    flops: float
    dram_bytes: float
    roofline_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True)
class Predictor:
    """One operator of one device, library and number format, with its constants chosen.

    Attributes
    ----------
    device
        The GPU.
    op, dtype
        Operator and format of its operands.
    family
        Law of the operator.
    constants, energy
        Constants of time and of power, and where they come from.
    implied
        Shape values that follow from the operator alone.
    bands
        Error bands of its times.
    """

    device: GpuDevice
    op: str
    dtype: str
    family: Family
    constants: Chosen
    energy: Chosen
    implied: Mapping[str, float]
    bands: Bands

    def estimate(self, shape: Mapping[str, Floats]) -> Estimate:
        """Predict operators given as float64 arrays of equal length, by extent.

        Raises
        ------
        ConfigError
            A required extent is missing or below 1.
        """
        import numpy as np

        for name in self.required():
            if not (self._given(shape, name) >= 1).all():
                raise ConfigError("must be at least 1", path=name, given=float(shape[name].min()))
        size = shape[self.required()[0]].size
        full = {
            name: shape[name] if name in shape else np.full(size, self.implied.get(name, 0.0))
            for name in self.family.columns
        }
        return self.family.law(self.device, self.dtype, full, self.constants.values)

    def required(self) -> tuple[str, ...]:
        """Return the extents that a caller must give."""
        return REQUIRED.get(self.op, REQUIRED.get(self.family.name, ()))

    def _given(self, shape: Mapping[str, Extent], name: str) -> Extent:
        if name not in shape:
            raise ConfigError(
                f"{self.op} needs the extent {name!r}", given=", ".join(shape) or "none"
            )
        return shape[name]

    def power(self, estimate: Estimate) -> Floats:
        """Return the board power while the operators run, W."""
        drawn: Floats = self._power(
            estimate.time_us, estimate.flops, estimate.l2_bytes, estimate.dram_bytes
        )
        return drawn

    def _power(
        self, time_us: Quantity, flops: Quantity, l2_bytes: Quantity, dram_bytes: Quantity
    ) -> Quantity:
        return power_w(
            self.device,
            self.dtype,
            time_us,
            flops=flops,
            l2_bytes=l2_bytes,
            dram_bytes=dram_bytes,
            constants=self.energy.values,
        )

    def __call__(self, shape: Mapping[str, float]) -> Prediction:
        """Predict one operator.

        Raises
        ------
        ConfigError
            A required extent is missing or below 1.
        """
        import numpy as np

        for name in self.required():
            if not self._given(shape, name) >= 1:
                raise ConfigError("must be at least 1", path=name, given=shape[name])
        full = {
            name: np.array([float(shape.get(name, self.implied.get(name, 0.0)))])
            for name in self.family.columns
        }
        found = self.family.law(self.device, self.dtype, full, self.constants.values)
        time_us, flops = float(found.time_us[0]), float(found.flops[0])
        dram_bytes = float(found.dram_bytes[0])
        power = float(self._power(time_us, flops, float(found.l2_bytes[0]), dram_bytes))
        low, high = self.bands.around(time_us)
        return Prediction(
            time_s=time_us * 1e-6,
            limiter=LIMITERS[int(found.limiter[0])],
            power_w=power,
            energy_j=power * time_us * 1e-6,
            flops=flops,
            dram_bytes=dram_bytes,
            roofline_s=float(found.roofline_us[0]) * 1e-6,
            low_s=low * time_us * 1e-6,
            high_s=high * time_us * 1e-6,
        )


def implied_by(op: str) -> dict[str, float]:
    """Return the shape values that follow from the operator alone."""
    return {
        "tensors": TENSORS.get(op, 0.0),
        "row_from": ROW_FROM.get(op, NO_ROWS),
        "exponentials": EXPONENTIALS.get(op, 0.0),
        "reduces": float(op == "allreduce"),
        "gathers": float(op in GATHERS),
        "q_len": 1.0,
    }


def predictor(
    gpu: GpuDevice | str,
    op: str,
    *,
    dtype: str = "bf16",
    library: str = "",
    version: str = "",
    kernel: str = "",
    without: frozenset[str] = frozenset(),
) -> Predictor:
    """Return the predictor of one operator on one device.

    Parameters
    ----------
    gpu
        Id of a hardware file, or a device.
    op
        Operator: ``gemm batched_gemm attention_decode attention_prefill attention_latent moe``, a
        vector operator (``softmax layernorm rmsnorm gelu silu silu_mul add rope copy``) or a
        collective (``allreduce allgather reducescatter alltoall send_recv``), or ``network``.
    dtype
        Format of the operands; ``bf16+kvfp8`` has an fp8 KV cache.
    library, version, kernel
        Whose kernels; empty: those of the record with the most rows of the device's architecture.
    without
        Ids of devices whose constants must not be used.

    Raises
    ------
    ConfigError
        Unknown device or operator, or a format that the device does not compute in.
    """
    device = load_device(gpu) if isinstance(gpu, str) else gpu
    return _predictor(device, op, dtype, library, version, kernel, without)


@cache
def _predictor(
    device: GpuDevice,
    op: str,
    dtype: str,
    library: str,
    version: str,
    kernel: str,
    without: frozenset[str],
) -> Predictor:
    if op not in FAMILY_OF:
        raise ConfigError(
            "unknown operator", given=op, allowed=sorted(FAMILY_OF), hint=nearest(op, FAMILY_OF)
        )
    family = FAMILIES[FAMILY_OF[op]]
    form = format_class(dtype)
    if family.name not in ("vector", "collective", "network"):
        device.matrix_flops_per_s(dtype.partition("_")[0].partition("+")[0])
    request = Request(
        family=family.name,
        architecture=device.architecture,
        library=library,
        version=version,
        format=form,
        variant=variant_of(
            op,
            family.name,
            kernel=kernel,
            library=library,
            dtype=dtype,
            topology=device.link.topology,
        ),
        prefers_library=family.prefers_library and bool(library),
        prefers_format=family.prefers_format,
        device=device.name,
        without=without,
    )
    records = shipped_records()
    chosen = choose(
        request, records, family.defaults(form), family.of_library, family.starts.get(form)
    )
    power = Request(
        ENERGY_FAMILY,
        device.architecture,
        variant=family.name,
        device=device.name,
        without=without,
    )
    energy = choose(power, records, default_constants())
    left_out = next(iter(without)) if len(without) == 1 else ""
    bands = bands_for(family.name, chosen.origin, shipped_bands(), left_out)
    return Predictor(device, op, dtype, family, chosen, energy, implied_by(op), bands)


def predict(
    gpu: GpuDevice | str,
    op: str,
    shape: Mapping[str, float],
    *,
    dtype: str = "bf16",
    library: str = "",
    version: str = "",
) -> Prediction:
    """Predict one operator; see :func:`predictor` for the arguments."""
    return predictor(gpu, op, dtype=dtype, library=library, version=version)(shape)
