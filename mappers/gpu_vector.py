"""What is no matrix product on a GPU: norms, rotation, activations, residuals, lookups.

Einsums become the kernels that libraries have: a norm is one kernel and adds the residual before
it; queries and keys are rotated in one; a gate is multiplied in. A residual at the end of a layer
is added by the norm of the next layer: it costs its traffic and no launch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from mappers import gpu_collective, gpu_requests
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import GpuMapping, kept_bytes, the_gpu, time_calls
from mappers.gpu_options import NAMES, GpuOptions, read_options

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from workloads import Cascade, Einsum

NORM_PART: Final = re.compile(r"_(square_sum|sum|mean|centre|root|scale)$")
POSITION: Final = re.compile(r"[bp]\d*")
"""Variables that number tokens: sequences and positions, or those of a group of requests."""

COUNTED: Final = ("add", "mul", "max", "exp", "div")
FORMATS: Final = ("fp32", "bf16", "fp16")
BLOCK: Final = 1024
"""Threads of the largest block. Narrower rows, such as those of query and key norms, have blocks as
narrow (vLLM's launch of rms_norm), so as many more of them run at once: they are timed as rows of
this length. No norm of narrow rows is among the measurements of serving libraries."""

ADDED: Final = 4.0
"""Tensors of a norm that adds: input, residual, new residual, result."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring einsums that one kernel does."""

    kind: str
    einsums: tuple[Einsum, ...]

    @property
    def name(self) -> str:
        """Name of the kernel."""
        return NORM_PART.sub("", self.einsums[-1].name)


class GpuVectorMapper:
    """Maps runs of einsums that are no product; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "gpu-vector"
    classes: frozenset[str] = frozenset({"vector"})
    options: frozenset[str] = NAMES

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        del cascade
        try:
            the_gpu(machine)
        except MappingError as error:
            return str(error)
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> GpuMapping | Infeasible:
        """Map the fragment.

        Raises
        ------
        MappingError
            The machine is no GPU.
        """
        del context
        gpu, chosen = the_gpu(machine), read_options(options, "vector")
        calls: list[Call] = []
        said: list[str] = []
        for group in joined(groups(cascade.einsums), chosen):
            made = _call(cascade, group, chosen)
            calls += made
            if group.kind == "residual" and made and made[0].less is not None:
                said.append("the next layer's norm adds the residual: no launch of its own")
            if group.kind == "gather":
                out = cascade.tensor(group.einsums[-1].output.tensor)
                calls += gpu_collective.behind_embedding(
                    out.num_bytes(cascade), _number(cascade, group), chosen, gpu
                )
        inside = {tensor.name for tensor in cascade.role_tensors("intermediate")}
        return GpuMapping(
            self.id,
            cascade.name,
            cascade.einsums[0].layer,
            gpu,
            time_calls(calls, gpu, chosen),
            fused=tuple(e.name for e in cascade.einsums if e.output.tensor in inside),
            said=tuple(said),
        )


def groups(einsums: Sequence[Einsum]) -> list[Group]:
    """Return einsums grouped by the kernel that does them."""
    found: list[Group] = []
    for einsum in einsums:
        kind = _kind(einsum)
        previous = found[-1] if found else None
        same_norm = (
            previous is not None
            and kind == "norm"
            and previous.kind == "norm"
            and NORM_PART.sub("", einsum.name) == previous.name
        )
        rotation = previous is not None and previous.kind == "rope" and kind in ("rope", "scale")
        if previous is not None and (same_norm or rotation):
            found[-1] = Group(previous.kind, (*previous.einsums, einsum))
        else:
            found.append(Group(kind, (einsum,)))
    return found


def joined(found: Sequence[Group], options: GpuOptions) -> list[Group]:
    """Return groups with each residual joined to the norm behind it, where libraries do that."""
    if options.fusion == "none":
        return list(found)
    made: list[Group] = []
    for group in found:
        before = made[-1] if made else None
        if group.kind == "norm" and before is not None and before.kind == "residual":
            made[-1] = Group("add-norm", (*before.einsums, *group.einsums))
        else:
            made.append(group)
    return made


def _kind(einsum: Einsum) -> str:
    if gpu_requests.VIEW.match(einsum.name) or einsum.name.endswith("query_plain"):
        return "view"
    if einsum.name.endswith("key_share"):
        return "other"
    if einsum.op_class in ("norm", "rope"):
        return einsum.op_class
    if einsum.op_class == "embedding":
        return "gather"
    if einsum.name.endswith("residual"):
        # Shared experts are added to the others by a kernel of its own.
        return "other" if einsum.name.startswith("shared") else "residual"
    if einsum.name.endswith("query_scale"):
        return "scale"
    return "activation" if einsum.name.endswith("activation") else "other"


def _number(cascade: Cascade, group: Group) -> str:
    name = cascade.tensor(group.einsums[-1].output.tensor).format.name.partition(":")[0]
    return name if name in FORMATS else "bf16"


def _call(cascade: Cascade, group: Group, options: GpuOptions) -> list[Call]:
    """Return the kernels of a group; a scale of queries is part of the attention."""
    last = group.einsums[-1]
    tensor = cascade.tensor(last.output.tensor)
    rows, columns = _rows_columns(cascade, group)
    plain: dict[str, float] = {"m": float(rows), "n": float(columns)}
    kind, less = group.kind, None
    if kind in ("scale", "view") or (kind == "rope" and options.library == "trtllm"):
        return []
    operator, shape = "copy", plain
    if kind in ("norm", "add-norm"):
        centred = any(einsum.name.endswith("_mean") for einsum in group.einsums)
        operator = "layernorm" if centred else "rmsnorm"
        shape = {**plain, "tensors": ADDED} if kind == "add-norm" else plain
        if columns < BLOCK and not centred:
            shape = {**shape, "m": float(max(1, rows * columns // BLOCK)), "n": float(BLOCK)}
    elif kind == "residual" and options.fusion == "library":
        operator, shape, less = "rmsnorm", {**plain, "tensors": ADDED}, {"tensors": 2.0}
    elif kind == "rope":
        operator, shape = "rope", _rotated(group)
    elif kind == "activation":
        operator = "silu_mul" if len(last.reads()) > 1 else "gelu"
    elif kind in ("residual", "other"):
        operator = "add" if len(last.reads()) > 1 else "copy"
    counts: dict[str, int] = {}
    for einsum in group.einsums:
        for action, count in einsum.op_counts().items():
            if action in COUNTED and count:
                counts[action] = counts.get(action, 0) + count
    part = cascade.subset([einsum.name for einsum in group.einsums], group.name)
    # Of a cache only the new rows move.
    most = 4 * tensor.format.bytes(rows * columns)
    return [
        Call(
            "rotation" if kind == "rope" else group.name,
            operator,
            _number(cascade, group),
            shape,
            less=less,
            launches=0 if less is not None else 1,
            other=counts,
            out_bytes=tensor.format.bytes(rows * columns),
            compulsory_bytes=0 if kind in ("gather", "rope") else min(kept_bytes(part), most),
        )
    ]


def _rows_columns(cascade: Cascade, group: Group) -> tuple[int, int]:
    """Return the rows that a kernel works on, and what it sums or walks over in each.

    The tensor that it writes may be larger: new rows of a cache are a part of it.
    """
    for einsum in group.einsums:
        if einsum.reduce:
            over = {name for name, _ in einsum.reduce}
            columns = prod(einsum.extents[name] for name in over)
            return max(1, einsum.dense_points() // columns), columns
    last = group.einsums[-1]
    sizes = cascade.tensor(last.output.tensor).shape(cascade)
    columns = sizes[-1] if sizes else 1
    points = last.dense_points()
    return max(1, points // max(1, columns)), columns


def _rotated(group: Group) -> dict[str, float]:
    """Return tokens, and the elements of queries and keys of one token."""
    turned = [einsum for einsum in group.einsums if einsum.op_class == "rope"]
    elements = sum(einsum.dense_points() for einsum in turned)
    extents = turned[0].extents
    tokens = prod(extents[name] for name in extents if POSITION.fullmatch(name))
    return {"m": float(tokens), "n": float(max(1, elements // tokens))}
