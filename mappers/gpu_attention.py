"""Attention on a GPU: one fused call, or two batched products and a softmax.

The fused kernels are FlashAttention's kin: causal prefill, with or without history, and decoding
with split keys; the write of new keys and values to the cache is part of them. Without fusion the
scores go through memory: product, scale and mask, softmax, product, and heads side by side again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import GpuMapping, check_format, kept_bytes, the_gpu, time_calls
from mappers.gpu_options import NAMES, GpuOptions, read_options

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from workloads import Cascade

SIXTEEN: Final = ("bf16", "fp16")

IN_SOFTMAX: Final = ("scale", "mask")
"""Kernels of unfused attention that a compiler makes part of the softmax."""


class GpuAttentionMapper:
    """Maps attention; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "gpu-attention"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = NAMES

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        try:
            gpu = the_gpu(machine)
            problem = _problem(cascade)
        except MappingError as error:
            return str(error)
        return check_format(gpu, _dtype(problem))

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> GpuMapping | Infeasible:
        """Map the attention of one layer.

        Raises
        ------
        MappingError
            The machine is no GPU, or the attention is of a kind that is not modelled.
        """
        del context
        gpu, chosen = the_gpu(machine), read_options(options, "attention")
        problem = _problem(cascade)
        calls, said = _calls(cascade, problem, chosen)
        inside = {tensor.name for tensor in cascade.role_tensors("intermediate")}
        kept = inside if len(calls) == 1 else set()
        return GpuMapping(
            self.id,
            cascade.name,
            problem.tags.get("layer", "attention"),
            gpu,
            time_calls(calls, gpu, chosen),
            fused=tuple(e.name for e in cascade.einsums if e.output.tensor in kept),
            said=(said,),
        )


def _problem(cascade: Cascade) -> AttentionProblem:
    problem = find_attention(cascade)
    if isinstance(problem, str):
        raise MappingError(problem)
    if problem.shares_key or problem.depth != problem.width:
        raise MappingError("latent attention is not modelled on GPUs")
    return problem


def _dtype(problem: AttentionProblem) -> str:
    query = problem.query.format.name.partition(":")[0]
    cached = min(problem.key.format.bits, problem.value.format.bits)
    if cached == problem.query.format.bits:
        return query
    name = problem.key.format.name.partition(":")[0]
    if query in SIXTEEN and name in ("fp8", "int8"):
        return f"{query}+kvfp8"
    raise MappingError(f"a cache in {problem.key.format.name} is not modelled on GPUs")


def _calls(
    cascade: Cascade, problem: AttentionProblem, options: GpuOptions
) -> tuple[list[Call], str]:
    dtype = _dtype(problem)
    fused = options.kernel == "flash" or (options.kernel == "auto" and dtype != "fp32")
    macs = {e.name: e.macs() for e in cascade.einsums if e.matmul() is not None}
    # A grouped mask has the batch among the products' variables; without one, queries are rows.
    sequences = _sequences(cascade, problem)
    groups = problem.groups // sequences
    queries = problem.queries
    keys = problem.keys
    if problem.mask is not None and problem.mask.window:
        keys = min(keys, problem.mask.window + queries - 1)
    heads = groups * problem.heads
    out_bytes = cascade.tensor(problem.result.name).num_bytes(cascade)
    kept = kept_bytes(cascade)
    causal = problem.mask is not None
    if fused and (causal or queries == 1):
        shape = {
            "batch": float(sequences),
            "heads": float(heads),
            "kv_heads": float(groups),
            "head_dim": float(problem.depth),
            "kv_len": float(keys),
        }
        operator = "attention_decode"
        if queries > 1:
            operator, shape = "attention_prefill", {**shape, "q_len": float(queries)}
        call = Call(
            operator.replace("_", "-"),
            operator,
            dtype,
            shape,
            macs=macs,
            out_bytes=out_bytes,
            compulsory_bytes=kept,
        )
        return [call], "attention is one fused call, the write of the KV cache within it"
    number = dtype.partition("+")[0]
    calls = _unfused(problem, number, macs, sequences * heads, queries, keys, kept, out_bytes)
    if options.fusion == "library":
        calls = [call for call in calls if call.name not in IN_SOFTMAX]
        return calls, "attention is product, softmax (scales and masks), product; no score is saved"
    return calls, "attention is product, scale, mask, softmax, product; no masked score is saved"


def _unfused(
    problem: AttentionProblem,
    number: str,
    macs: Mapping[str, int],
    batch: int,
    queries: int,
    keys: int,
    kept_bytes: int,
    out_bytes: int,
) -> list[Call]:
    rows = {"m": float(batch * queries), "n": float(keys)}
    score_bytes = batch * queries * keys * problem.score.bits // 8
    first = {"batch": batch, "m": queries, "n": keys, "k": problem.depth}
    second = {"batch": batch, "m": queries, "n": problem.width, "k": keys}
    calls = [
        Call(
            "scores",
            "batched_gemm",
            number,
            first,
            macs={problem.scores: macs[problem.scores]},
            out_bytes=score_bytes,
            compulsory_bytes=kept_bytes // 2,
        ),
        Call("scale", "copy", number, rows, out_bytes=score_bytes),
    ]
    if problem.mask is not None:
        calls.append(Call("mask", "copy", number, rows, out_bytes=score_bytes))
    return [
        *calls,
        Call("softmax", "softmax", number, rows, out_bytes=score_bytes),
        Call(
            "context",
            "batched_gemm",
            number,
            second,
            macs={problem.context: macs[problem.context]},
            out_bytes=out_bytes,
            compulsory_bytes=kept_bytes // 2,
        ),
        Call("join-heads", "copy", number, {"m": batch * queries, "n": problem.width}),
    ]


def _sequences(cascade: Cascade, problem: AttentionProblem) -> int:
    """Return the sequences side by side: the extent of the variable ``b``, 1 without it."""
    extents = cascade.einsum(problem.scores).extents
    found = extents.get("b", 1)
    return found if problem.groups % found == 0 else 1
