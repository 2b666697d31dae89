"""Attention on a GPU: one fused call, or two batched products and a softmax.

The fused kernels are FlashAttention's kin: prefill, causal or not, with or without history, and
decoding with split keys; the write of new keys and values to the cache is part of them. Latent
attention that is absorbed has a kernel of its own; unfolded, it is prefill with heads whose keys
are wider than their values. Without fusion the scores go through memory: product, scale and mask,
softmax, product, and heads side by side again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from mappers import gpu_requests
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import GpuMapping, check_format, kept_bytes, the_gpu, time_calls
from mappers.gpu_options import NAMES, GpuOptions, read_options

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from workloads import Cascade

SIXTEEN: Final = ("bf16", "fp16")

SEQUENCES: Final = re.compile(r"b\d*")
"""Variables that number sequences: of the batch, or of one group of a mixed batch."""

IN_SOFTMAX: Final = ("scale", "mask")
"""Kernels of unfused attention that a compiler makes part of the softmax."""


LATENT_SAID: Final = (
    "latent attention is one absorbed call, the write of its cache within it; it is not among the "
    "measurements: shares of the peaks are those that FlashMLA publishes for an H800"
)


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
            found = [_dtype(_problem(part)) for part in gpu_requests.parts(cascade)]
        except MappingError as error:
            return str(error)
        return next(filter(None, (check_format(gpu, dtype) for dtype in found)), None)

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return the runs of einsums that are one fragment: all requests of a mixed batch."""
        return gpu_requests.blocks(cascade)

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
        pieces = gpu_requests.parts(cascade)
        calls: list[Call] = []
        said: list[str] = [gpu_requests.SAID] if len(pieces) > 1 else []
        kept: set[str] = set()
        for piece in pieces:
            made, word = _calls(piece, _problem(piece), chosen)
            calls += made
            said.append(word)
            if len(made) == 1:
                kept |= {tensor.name for tensor in piece.role_tensors("intermediate")}
        calls = gpu_requests.together(calls) if len(pieces) > 1 else calls
        return GpuMapping(
            self.id,
            cascade.name,
            cascade.einsums[0].layer,
            gpu,
            time_calls(calls, gpu, chosen),
            fused=tuple(e.name for e in cascade.einsums if e.output.tensor in kept),
            said=tuple(dict.fromkeys(said)),
        )


def _problem(cascade: Cascade) -> AttentionProblem:
    problem = find_attention(cascade)
    if isinstance(problem, str):
        raise MappingError(problem)
    return problem


def _dtype(problem: AttentionProblem) -> str:
    query = problem.query.format.name.partition(":")[0]
    cached = min(problem.key.format.bits, problem.value.format.bits)
    if cached == problem.query.format.bits:
        return query
    if cached > problem.query.format.bits:
        # Queries are made wide again for it, as libraries do.
        return min(problem.key.format, problem.value.format, key=lambda item: item.bits).name
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
    if fused and problem.shares_key:
        return [_latent(cascade, problem, dtype, macs)], LATENT_SAID
    out_bytes = cascade.tensor(problem.result.name).num_bytes(cascade)
    kept = kept_bytes(cascade)
    causal = problem.mask is not None
    if fused:
        shape = {
            "batch": float(sequences),
            "heads": float(heads),
            "kv_heads": float(groups),
            # Work and traffic are those of the mean of both widths: 2 Q K (E + F), K (E + F).
            "head_dim": (problem.depth + problem.width) / 2,
            "kv_len": float(keys),
        }
        said = "attention is one fused call, the write of the KV cache within it"
        if not causal and queries > 1:
            # A causal call visits Q (K - Q/2) pairs, one without a mask Q K.
            shape["kv_len"] += queries / 2
            said += "; without a mask it is timed as a causal one of as many pairs"
        if problem.shaping:
            said += "; caps and biases of scores cost nothing within it"
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
        if problem.depth != problem.width:
            said += (
                f"; keys of {problem.depth} and values of {problem.width} elements are timed as "
                f"heads of {(problem.depth + problem.width) / 2:g}"
            )
        return [call], said
    number = dtype.partition("+")[0]
    calls = _unfused(problem, number, macs, sequences * heads, queries, keys, kept, out_bytes)
    if options.fusion == "library":
        calls = [call for call in calls if call.name not in IN_SOFTMAX]
        return calls, "attention is product, softmax (scales and masks), product; no score is saved"
    return calls, "attention is product, scale, mask, softmax, product; no masked score is saved"


def _latent(
    cascade: Cascade, problem: AttentionProblem, dtype: str, macs: Mapping[str, int]
) -> Call:
    """Return absorbed latent attention: every head attends to the one vector of a position."""
    return Call(
        "attention-latent",
        "attention_latent",
        dtype,
        {
            "batch": float(problem.groups),
            "heads": float(problem.heads),
            "q_len": float(problem.queries),
            "kv_len": float(problem.keys),
            "head_dim": float(problem.depth),
            "value_dim": float(problem.width),
        },
        macs=macs,
        out_bytes=cascade.tensor(problem.result.name).num_bytes(cascade),
        compulsory_bytes=kept_bytes(cascade),
    )


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
    """Return the sequences side by side: the extent of ``b`` (of a group, ``b0``), else 1."""
    extents = cascade.einsum(problem.scores).extents
    found = next((extents[name] for name in extents if SEQUENCES.fullmatch(name)), 1)
    return found if problem.groups % found == 0 else 1
