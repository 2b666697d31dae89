"""Attention in memory: keys and values in the banks, heads dealt to channels.

New keys and values are written into their rows, each query head's scores are multiplied where the
keys lie, a softmax unit makes probabilities of them, and the contexts are multiplied where the
values lie. Query heads that share keys read them once for each `vectors` of them. A prompt is taken
position by position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from archsim.components.base import ANY_FORMAT, base_format
from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.closed_form import Phase, Tally
from mappers.pim_choice import choose, on_processor
from mappers.pim_lengths import weighted_lengths
from mappers.pim_machine import pim_machine, the_pim
from mappers.pim_mapping import PimMapping, joined, move_phase, unit_phases
from mappers.pim_matrix import GPU_OPTIONS
from mappers.work import Work, service_work

if TYPE_CHECKING:
    from archsim.components.pim_cost import PimCost
    from archsim.machine import Machine
    from archsim.mapping import FragmentMapping, Json, MapContext
    from mappers.pim_machine import PimMachine
    from workloads import Cascade


class PimAttentionMapper:
    """Maps attention; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "pim-attention"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = GPU_OPTIONS

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        pim = pim_machine(machine)
        if isinstance(pim, str):
            return f"machine {machine.name} {pim}"
        problem = _problem(cascade)
        processor = pim.processor("attention")
        if isinstance(problem, str):
            return problem if processor is None else processor.supports(cascade, machine)
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map the attention of one layer.

        Raises
        ------
        MappingError
            The machine has no units in its memory, or keys and values lie elsewhere.
        """
        pim = the_pim(machine)
        home = pim.home("attention", options, "attention")
        problem = _problem(cascade)
        processor = pim.processor("attention")
        if not pim.is_shared:
            if home not in ("pim", "faster"):
                raise MappingError(
                    f"attention cannot run on the processor: keys and values lie in "
                    f"{pim.memory.name}, with the units"
                )
            home = "pim"
        if isinstance(problem, str):
            if home == "pim" or processor is None:
                raise MappingError(problem)
            home = "xpu"
        beside = None
        if processor is not None and pim.is_shared:

            def beside() -> FragmentMapping | Infeasible | str:
                return on_processor(pim, processor, cascade, options, context)

        def in_memory() -> PimMapping | Infeasible:
            assert not isinstance(problem, str)
            return _mapping(self.id, pim, cascade, problem, context)

        return choose(self.id, home, cascade.name, context, in_memory, beside)


def _problem(cascade: Cascade) -> AttentionProblem | str:
    problem = find_attention(cascade)
    if isinstance(problem, str):
        return problem
    if problem.shares_key or problem.depth != problem.width:
        return "latent attention is not modelled in memory"
    return problem


def _mapping(
    mapper_id: str,
    pim: PimMachine,
    cascade: Cascade,
    problem: AttentionProblem,
    context: MapContext,
) -> PimMapping | Infeasible:
    number = problem.key.format.name
    size = pim.units.element_bytes(number)
    if isinstance(size, Infeasible):
        return size
    if problem.value.format.bits != problem.key.format.bits:
        detail = "keys and values in one format"
        return Infeasible(
            "lanes", problem.value.format.bits, problem.key.format.bits, "bit", detail
        )
    extents = cascade.einsum(problem.scores).extents
    requests = extents.get("b", 1)
    requests = requests if problem.groups % requests == 0 else 1
    kv_heads = problem.groups // requests
    lengths = weighted_lengths(problem)
    per_length = problem.heads * problem.queries // sum(times for _, times in lengths)
    passes = -(-per_length // pim.units.units.vectors)
    phases: list[Phase] = list(joined([_cache_write(pim, cascade, problem)]))
    counts: dict[tuple[str, str, str], int] = {}
    parts: list[tuple[PimCost, int]] = []
    for tokens, times in lengths:
        cost = pim.units.attention(
            tokens, problem.depth, kv_heads * passes, kv_heads, requests, size, context.cache
        )
        if isinstance(cost, Infeasible):
            return cost
        parts.append((cost, times))
        for key, count in pim.units.counts(cost, base_format(number), size).items():
            executed = count * per_length // passes if key[1] == "mac" else count
            counts[key] = counts.get(key, 0) + executed * times
    whole, times = _together(parts)
    mac = next(key for key in counts if key[1] == "mac")
    half = counts[mac] // 2
    amounts = {
        problem.scores: {**counts, mac: counts[mac] - half},
        problem.context: {mac: half},
    }
    phases += unit_phases(pim, "attention", whole, times, amounts)
    phases += _around(pim, cascade, problem, context)
    return PimMapping(
        mapper_id,
        cascade.name,
        problem.tags.get("layer", "attention"),
        tuple(phases),
        tuple(e.name for e in cascade.einsums if e.output.tensor != problem.result.name),
        tuple(_notes(pim, problem, whole, passes, per_length, len(lengths))),
        {
            "operation": {
                "tokens": problem.keys,
                "head_size": problem.depth,
                "heads": kv_heads * passes,
                "kv_heads": kv_heads,
                "requests": requests,
                "element_bytes": size,
                "time_ps": parts[-1][0].time_ps,
            }
        },
    )


def _together(parts: list[tuple[PimCost, int]]) -> tuple[PimCost, int]:
    """Return one cost for operations of several lengths, and how often it is paid."""
    if len(parts) == 1:
        return parts[0]

    def total(name: str) -> int:
        return sum(times * int(getattr(cost, name)) for cost, times in parts)

    names = ("time_ps", "stream_ps", "refresh_ps", "vector_ps", "due_ps")
    sizes = ("read_bytes", "useful_bytes", "opened_bytes", "moved_bytes")
    is_line = any(cost.is_line for cost, _ in parts)
    changes = {name: total(name) for name in (*names, *sizes)}
    return replace(parts[0][0], **changes, is_line=is_line), 1


def _cache_write(pim: PimMachine, cascade: Cascade, problem: AttentionProblem) -> Phase | None:
    """Return the writing of new keys and values, beyond what their bytes took already.

    Notes
    -----
    A channel opens a row for each new key, and one for each new value or, where values lie channel
    by channel, one for each of its elements; tokens of a prompt that share a row open it once.
    """
    einsum = problem.scores
    device, write = pim.units.device, pim.units.units.write
    new = cascade.einsum(einsum).extents.get("p", 1)
    size = problem.key.format
    row_bytes = device.columns * device.standard.burst_bytes
    rows = -(-size.bytes(new * problem.depth) // row_bytes)
    if write.values == "channel-major":
        rows += problem.depth * -(-size.bytes(new) // row_bytes)
    else:
        rows += -(-size.bytes(new * problem.depth) // row_bytes)
    items = -(-problem.groups // (device.stacks * device.channels))
    opened_ps = -(-items * rows // write.parallel_rows) * pim.units.row_cycle_ps()
    num_bytes = 2 * size.bytes(problem.groups * new * problem.depth)
    store = service_work(pim.memory, "write", {"bytes": num_bytes}, ANY_FORMAT)
    tally = Tally()
    if pim.link is None:
        beyond = opened_ps - store.latency_ps
        if beyond <= 0:
            return None
        tally.busy_ps[pim.units.name] = beyond
        return Phase("cache rows", beyond, "activation", tally, pim.units.time_expr(beyond))
    sent = service_work(pim.link, "transfer", {"bytes": num_bytes}, ANY_FORMAT)
    tally.add(einsum, store, 1)
    tally.add(einsum, sent, 1)
    slow: Work = max(store, sent, key=lambda work: work.latency_ps)
    if opened_ps > slow.latency_ps:
        tally.busy_ps[pim.units.name] = opened_ps
        text = pim.units.time_expr(opened_ps)
        return Phase("cache write", opened_ps, "activation", tally, text)
    return Phase("cache write", slow.latency_ps, "bandwidth", tally, slow.latency_expr)


def _around(
    pim: PimMachine, cascade: Cascade, problem: AttentionProblem, context: MapContext
) -> list[Phase]:
    """Return what happens outside the units: vectors on their way, and a softmax elsewhere."""
    machine = pim.machine
    query = cascade.tensor(problem.query.name)
    result = cascade.tensor(problem.result.name)
    reads, writes = result.num_bytes(cascade), 0
    homes = context.placement.homes
    if pim.link is not None:
        writes = query.num_bytes(cascade)
    elif not pim.keeps_activations:
        if homes.get(query.name, machine.outermost) == machine.outermost:
            reads += query.num_bytes(cascade)
        if homes.get(result.name, machine.outermost) == machine.outermost:
            writes = result.num_bytes(cascade)
    found = [move_phase(pim, "attention vectors", problem.context, reads, writes)]
    if pim.units.units.softmax == "vector":
        found += _softmax(pim, cascade, problem)
    return list(joined(found))


def _softmax(pim: PimMachine, cascade: Cascade, problem: AttentionProblem) -> list[Phase | None]:
    """Return the softmax on the vector unit, scores there and probabilities back."""
    vector = pim.machine.vector
    if vector is None:
        raise MappingError("softmax is on the vector unit, but the machine has none")
    scores = problem.pairs()
    num_bytes = problem.score.bytes(scores)
    phases = [move_phase(pim, "scores and probabilities", problem.scores, num_bytes, num_bytes)]
    tally = Tally()
    time_ps = 0
    cycles: list[str] = []
    for name in problem.softmax:
        einsum = cascade.einsum(name)
        counts = {key: n for key, n in einsum.op_counts().items() if n}
        if not counts:
            continue
        number = base_format(cascade.tensor(einsum.output.tensor).format.name)
        work = service_work(vector, "elementwise", counts, number)
        tally.add(name, work, 1)
        time_ps += work.latency_ps
        cycles.append(f"({work.latency_expr})")
    if time_ps:
        tally.busy_ps = dict.fromkeys(tally.busy_ps, time_ps)
        phases.append(Phase("softmax", time_ps, "compute", tally, " + ".join(cycles)))
    return phases


def _notes(
    pim: PimMachine,
    problem: AttentionProblem,
    cost: PimCost,
    passes: int,
    per_length: int,
    lengths: int,
) -> list[str]:
    found = []
    channels = pim.units.device.channels * pim.units.device.stacks
    turns = problem.groups * passes / channels
    if turns % 1:
        whole = -(-problem.groups * passes // channels)
        found.append(
            f"heads take {whole} {'turn' if whole == 1 else 'turns'} of {channels} channels, the "
            f"last in part: {turns / whole:.0%} of channel time is used"
        )
    if passes < per_length:
        found.append(f"keys and values are read once for {per_length // passes} query heads")
    elif per_length > 1:
        found.append("keys and values are read again for each query head: units keep one vector")
    if lengths > 1:
        found.append(
            "a prompt is taken position by position, its lengths sampled and summed in between"
        )
    if cost.is_line:
        found.append("operations of very many commands are continued as a line from shorter ones")
    return found
