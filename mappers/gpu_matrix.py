"""Matrix products on a GPU, fused as serving libraries fuse them, and layers of experts.

Products of one input become one (queries, keys and values; gate and up); biases are added by the
product that they follow. Adapters of that input are two more calls: down to their rank, and up
again with the sum. Weights of fewer bits than the activations are unpacked by the product and
multiplied as activations are; those of 8 bits are multiplied in 8 bits where the part can. A layer
of experts is its router's product and one fused call. Where ranks share a layer, a product over
shared heads or inner columns ends in an all-reduce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from archsim.gpu.formats import PACKED, is_packed
from mappers import gpu_collective, gpu_experts
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import GpuMapping, check_format, kept_bytes, the_gpu, time_calls
from mappers.gpu_options import NAMES, GpuOptions, read_options

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from archsim.numberformat import NumberFormat
    from mappers.gpu_device import GpuMachine
    from workloads import Cascade, Einsum

BIAS: Final = "_bias"
ADAPTER: Final = "_adapter_"
"""In the names of einsums that adapters (LoRA) add."""

ADAPTER_PARTS: Final = (("down", "adapters-in"), ("up", "adapters-out"))
"""What follows it in the names of an adapter's products, and the names of their kernels."""

EXPERT_CLASSES: Final = frozenset({"router", "expert"})
ATTENTION_CLASSES: Final = frozenset({"attention", "softmax"})
BLOCK_GROUP: Final = 128
"""Weights that share a scale in block formats."""


PACKED_SAID: Final = (
    "packed weights move in their bits, scales included, and are multiplied as activations are; "
    "unpacking takes 1.5 lane instructions a weight, half of them hidden (estimates); no packed "
    "product is among the measurements"
)


class GpuGemmMapper:
    """Maps matrix products and layers of experts; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "gpu-gemm"
    classes: frozenset[str] = frozenset({"gemm"})
    options: frozenset[str] = NAMES

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return the runs of einsums that are one fragment.

        A run is one of products of one input with their biases, or a whole layer of experts.
        """
        found = []
        for _, run in groupby(_keyed(cascade), key=lambda item: item[0]):
            names = [einsum.name for key, einsum in run if key is not None]
            if names:
                found.append(names)
        return found

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        try:
            gpu = the_gpu(machine)
            calls = _calls(cascade, GpuOptions(), gpu)
        except MappingError as error:
            return str(error)
        return next(filter(None, (check_format(gpu, call.dtype) for call in calls)), None)

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> GpuMapping | Infeasible:
        """Map products of one input, or a layer of experts.

        Raises
        ------
        MappingError
            The machine is no GPU, or a format is not modelled.
        """
        del context
        gpu, chosen = the_gpu(machine), read_options(options, "gemm")
        calls = _calls(cascade, chosen, gpu)
        last = cascade.einsums[-1]
        said, host_s = [], 0.0
        if len(cascade.einsums) > 1:
            said.append("products of one input are one GEMM, biases are added in it")
        if any(ADAPTER in einsum.name for einsum in cascade.einsums):
            said.append("adapters of one input are two calls, down to their rank and up again")
        if any(is_packed(call.dtype) for call in calls):
            said.append(PACKED_SAID)
        if any(call.dtype == "nvfp4" for call in calls):
            said.append(
                "no product in nvfp4 is among the measurements: constants are those of 8 bits, and "
                "activations are quantised for it as for them"
            )
        if any(einsum.op_class == "head" for einsum in cascade.einsums):
            calls += _sampling(cascade, chosen)
            dims = last.matmul() or cascade.einsums[0].matmul()
            host_s = chosen.host.time_s(dims.m if dims is not None else 1)
            said.append(
                "energy is the fitted board power times time; what counted actions leave of it "
                "stands under the multiprocessors"
            )
            said.append(
                f"sampling is a softmax over the logits; the host adds {host_s * 1e6:g} us a pass "
                f"(mapper.gemm.host={chosen.host.name}: {chosen.host.said})"
            )
        fused = {tensor.name for tensor in cascade.role_tensors("intermediate")}
        return GpuMapping(
            self.id,
            cascade.name,
            last.layer,
            gpu,
            time_calls(calls, gpu, chosen),
            host_s,
            tuple(einsum.name for einsum in cascade.einsums if einsum.output.tensor in fused),
            tuple(said),
        )


def _keyed(cascade: Cascade) -> list[tuple[str | None, Einsum]]:
    """Return each einsum with what tells its block from its neighbours', or None."""
    experts = [
        number for number, item in enumerate(cascade.einsums) if item.op_class in EXPERT_CLASSES
    ]
    first, last = (experts[0], experts[-1]) if experts else (0, -1)
    found: list[tuple[str | None, Einsum]] = []
    key: str | None = None
    made: set[str] = set()
    for number, einsum in enumerate(cascade.einsums):
        dims = einsum.matmul()
        if first <= number <= last:
            key = "experts"
        elif ADAPTER in einsum.name and key:
            pass
        elif dims is not None and einsum.op_class not in ATTENTION_CLASSES:
            key, made = f"{dims.lhs}", {einsum.output.tensor, *made}
        elif not (einsum.name.endswith(BIAS) and key and made & set(einsum.reads())):
            key = None
        found.append((key, einsum))
    return found


def _calls(cascade: Cascade, options: GpuOptions, gpu: GpuMachine) -> list[Call]:
    if any(einsum.op_class in EXPERT_CLASSES for einsum in cascade.einsums):
        return gpu_experts.calls(cascade, options, gpu, product_calls)
    return product_calls(cascade, cascade.einsums, options, gpu)


def product_calls(
    cascade: Cascade, einsums: Sequence[Einsum], options: GpuOptions, gpu: GpuMachine
) -> list[Call]:
    """Return the calls of products of one input, fused, and the collective behind them.

    Raises
    ------
    MappingError
        A number format that is not modelled.
    """
    multiplied = [einsum for einsum in einsums if einsum.matmul() is not None]
    products = [einsum for einsum in multiplied if ADAPTER not in einsum.name]
    together = [products] if options.fusion == "library" else [[item] for item in products]
    made = []
    for group in together:
        made += _one_call(cascade, group, gpu)
    for part, name in ADAPTER_PARTS:
        group = [item for item in multiplied if item.name.endswith(f"{ADAPTER}{part}")]
        if group:
            made += [replace(call, name=name) for call in _one_call(cascade, group, gpu)]
    collective = gpu_collective.behind(cascade, products[-1], options, gpu)
    return made + collective


def _one_call(cascade: Cascade, group: Sequence[Einsum], gpu: GpuMachine) -> list[Call]:
    found = [dims for einsum in group if (dims := einsum.matmul()) is not None]
    first = found[0]
    if first.filter is not None:
        raise MappingError(f"einsum {group[0].name} has a mask: it is no plain product")
    left, right = cascade.tensor(first.lhs).format, cascade.tensor(first.rhs).format
    dtype = operand_format(left, right, gpu, batched=first.batch > 1)
    shape = {"m": float(first.m), "n": float(sum(item.n for item in found)), "k": float(first.k)}
    operator = "gemm"
    if first.batch > 1:
        operator, shape = "batched_gemm", {"batch": float(first.batch), **shape}
    part = cascade.subset([einsum.name for einsum in group], group[0].name)
    # What is made may be new rows of a cache that is longer.
    outputs = sum(
        cascade.tensor(item.out).format.bytes(item.batch * item.m * item.n) for item in found
    )
    names = [einsum.name.removesuffix("_projection") for einsum in group]
    return [
        Call(
            "+".join(names),
            operator,
            dtype,
            shape,
            macs={einsum.name: einsum.macs() for einsum in group},
            out_bytes=outputs,
            compulsory_bytes=kept_bytes(part),
        )
    ]


def operand_format(
    left: NumberFormat, right: NumberFormat, gpu: GpuMachine, *, batched: bool = False
) -> str:
    """Return the format in which a GPU multiplies two operands, as measurements name it.

    Weights of 8 bits (or nvfp4) are multiplied so where the part can, activations are quantised for
    it; with a scale for each block of 128 the format is the blocked one. Other weights below 16
    bits are unpacked by the product: they move in their bits, and are multiplied as activations.
    Batched products (of absorbed latent attention) keep weights in the format of the activations,
    as libraries do. Sparse weights move in the bits that are stored and are multiplied as dense
    ones: sparse matrix units are not modelled.

    Raises
    ------
    MappingError
        Activations below 8 bits.
    """
    dense = _dense_format(left, right, gpu, batched=batched)
    stored = next((item for item in (left, right) if item.stored_bits is not None), None)
    if stored is None or batched:
        return dense
    return f"{dense.partition(PACKED)[0]}{PACKED}{float(stored.bits_per_element):g}"


def _dense_format(
    left: NumberFormat, right: NumberFormat, gpu: GpuMachine, *, batched: bool
) -> str:
    narrow, wide = sorted((left, right), key=lambda item: item.bits)
    name, plain = (item.name.partition(":")[0] for item in (narrow, wide))
    if wide.bits < 8 or plain == "int32":
        raise MappingError(f"products of {wide.name} are not modelled on GPUs")
    if narrow.bits >= 16 or narrow.bits == wide.bits:
        return _blocked(narrow)
    if batched:
        return plain
    if name in gpu.device.formats():
        return _blocked(narrow)
    return f"{plain}{PACKED}{float(narrow.bits_per_element):g}"


def _blocked(number: NumberFormat) -> str:
    name = number.name.partition(":")[0]
    return "fp8_block" if name == "fp8" and number.group is not None else name


def _sampling(cascade: Cascade, options: GpuOptions) -> list[Call]:
    """Return the softmax over the logits from which the next token is drawn."""
    dims = cascade.einsums[-1].matmul() or cascade.einsums[0].matmul()
    if dims is None:
        return []
    wide = float(dims.n * options.tp)
    return [Call("sample", "softmax", "fp32", {"m": float(dims.m), "n": wide})]
