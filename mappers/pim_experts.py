"""Experts on both sides at once: those with few tokens in memory, the others on the processor.

The processor's fused call is taken to be divisible: its time is that of all experts, in proportion
to how many it keeps. Router, shared calls and collectives stay on the processor, before and behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.closed_form import Phase, Tally
from mappers.gpu_mapping import GpuMapping
from mappers.pim_choice import on_processor
from mappers.pim_mapping import PimMapping
from mappers.pim_products import product, product_phases

if TYPE_CHECKING:
    from archsim.mapping import FragmentMapping, Json, MapContext, OperatorUse
    from mappers.pim_machine import PimMachine
    from workloads import Cascade

SIXTEEN: Final = "bf16"
"""Format in which the peak of the units is taken."""

EXPERTS_CALL: Final = "moe"
"""Operator of the processor's call for all experts."""


@dataclass(frozen=True, slots=True)
class Group:
    """Experts with as many tokens each.

    Attributes
    ----------
    tokens, experts
        Tokens of one, and how many there are.
    phases
        All of them in memory.
    """

    tokens: int
    experts: int
    phases: tuple[Phase, ...]

    @property
    def each_ps(self) -> float:
        """Time of one expert in memory, ps."""
        return sum(phase.time_ps for phase in self.phases) / self.experts


@dataclass(frozen=True, slots=True)
class Split:
    """How many experts run in memory, and what either side takes.

    Attributes
    ----------
    in_memory, experts
        Experts in memory, and all.
    memory_ps, processor_ps
        Time of either side.
    """

    in_memory: int
    experts: int
    memory_ps: int
    processor_ps: int

    @property
    def time_ps(self) -> int:
        """Both at once."""
        return max(self.memory_ps, self.processor_ps)


def best_split(each_ps: Sequence[tuple[float, int]], processor_ps: int) -> Split:
    """Return the split at which both sides end first.

    Parameters
    ----------
    each_ps
        Time of one expert in memory and how many like it there are, those with few tokens first.
    processor_ps
        Time of all experts on the processor.
    """
    total = sum(count for _, count in each_ps)
    best = Split(0, total, 0, processor_ps)
    memory, taken = 0.0, 0
    for each, count in each_ps:
        for _ in range(count):
            memory, taken = memory + each, taken + 1
            rest = round(processor_ps * (total - taken) / total)
            found = Split(taken, total, round(memory), rest)
            if found.time_ps < best.time_ps:
                best = found
    return best


def both(
    mapper_id: str,
    pim: PimMachine,
    cascade: Cascade,
    options: Mapping[str, Json],
    context: MapContext,
) -> FragmentMapping | Infeasible:
    """Map a layer of experts onto both sides.

    Raises
    ------
    MappingError
        There is no GPU beside the memory.
    """
    processor = pim.processor("gemm")
    other = None if processor is None else on_processor(pim, processor, cascade, options, context)
    if isinstance(other, Infeasible):
        return other
    if not isinstance(other, GpuMapping):
        raise MappingError(f"{cascade.name}: both sides at once need a GPU beside the memory")
    groups = _groups(pim, cascade, context)
    if isinstance(groups, Infeasible):
        return groups
    calls = [kernel for kernel in other.kernels if kernel.call.op == EXPERTS_CALL]
    split = best_split([(g.each_ps, g.experts) for g in groups], sum(k.time_ps for k in calls))
    phases: list[Phase] = []
    for kernel in other.kernels:
        if kernel not in calls:
            phases.append(kernel.phase(other.gpu))
        elif kernel is calls[0]:
            phases.append(_together(pim, split, groups, [k.phase(other.gpu) for k in calls]))
    uses = [kernel.use(other.gpu) for kernel in other.kernels if kernel not in calls]
    uses += [_both_use(pim, kernel.use(other.gpu), split) for kernel in calls[:1]]
    note = (
        f"{split.in_memory} of {split.experts} experts in memory ({split.memory_ps / 1e6:.4g} us), "
        f"the others on the processor ({split.processor_ps / 1e6:.4g} us), at once"
    )
    return PimMapping(
        mapper_id,
        cascade.name,
        cascade.einsums[-1].layer,
        tuple(phases),
        other.fused,
        (note, *other.notes),
        {"placement": "both", "in_memory": split.in_memory, "experts": split.experts},
        operators=tuple(uses),
    )


def _both_use(pim: PimMachine, use: OperatorUse, split: Split) -> OperatorUse:
    """Return the experts as reports list them: all of them over the rates of both sides."""
    return replace(
        use,
        time_ps=split.time_ps,
        peak_macs_per_s=use.peak_macs_per_s + pim.units.peak_macs_per_s(SIXTEEN),
        peak_bytes_per_s=use.peak_bytes_per_s + pim.units.peak_read_bytes_per_s(),
        energy_pj=0.0,
    )


def _groups(pim: PimMachine, cascade: Cascade, context: MapContext) -> list[Group] | Infeasible:
    """Return the experts in memory, those with few tokens first."""
    found: dict[tuple[int, int, str], list[Phase]] = {}
    for einsum in cascade.einsums:
        dims = einsum.matmul()
        if einsum.op_class != "expert" or dims is None:
            continue
        item = product(pim, cascade, einsum, context)
        if isinstance(item, Infeasible):
            return item
        key = (dims.m, dims.batch, einsum.name.rpartition("_")[2])
        found.setdefault(key, []).extend(product_phases(pim, cascade, item, context))
    return [
        Group(tokens, experts, tuple(phases))
        for (tokens, experts, _), phases in sorted(found.items(), key=lambda pair: pair[0])
    ]


def _together(
    pim: PimMachine, split: Split, groups: Sequence[Group], calls: Sequence[Phase]
) -> Phase:
    """Return both sides as one phase, with their shares of the actions."""
    tally = Tally()
    left = split.in_memory
    for group in groups:
        taken = min(left, group.experts)
        left -= taken
        for phase in group.phases:
            _include(tally, phase.tally, taken, group.experts)
    for phase in calls:
        _include(tally, phase.tally, split.experts - split.in_memory, split.experts)
    tally.busy_ps = {name: min(busy, split.time_ps) for name, busy in tally.busy_ps.items()}
    if split.memory_ps >= split.processor_ps:
        text = pim.units.time_expr(split.memory_ps)
        return Phase("experts", split.time_ps, "bandwidth", tally, text)
    texts = [phase.time_expr for phase in calls]
    whole = " + ".join(f"({text})" for text in texts if text is not None)
    share = (split.experts - split.in_memory) / split.experts
    scaled = None if None in texts else f"{share!r} * ({whole})"
    return Phase("experts", split.time_ps, calls[0].cause, tally, scaled)


def _include(tally: Tally, part: Tally, taken: int, of: int) -> None:
    """Add a share of a tally."""
    for name, busy in part.busy_ps.items():
        tally.busy_ps[name] = tally.busy_ps.get(name, 0) + busy * taken // of
    for einsum, counts in part.counts.items():
        known = tally.counts.setdefault(einsum, {})
        for key, count in counts.items():
            known[key] = known.get(key, 0) + count * taken // of
