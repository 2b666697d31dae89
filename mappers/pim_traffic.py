"""What attention in memory moves: new keys and values, vectors, and scores to a softmax outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.components.base import ANY_FORMAT, base_format
from archsim.errors import MappingError
from mappers.closed_form import Phase, Tally
from mappers.pim_lengths import extent
from mappers.pim_mapping import joined, move_phase
from mappers.work import Work, service_work

if TYPE_CHECKING:
    from archsim.mapping import MapContext
    from mappers.attention_problem import AttentionProblem
    from mappers.pim_machine import PimMachine
    from workloads import Cascade


def cache_write(
    pim: PimMachine, cascade: Cascade, problem: AttentionProblem, rows_ps: int = 0
) -> Phase | None:
    """Return the writing of new keys and values, beyond what their bytes took already.

    Parameters
    ----------
    pim, cascade, problem
        What is written where.
    rows_ps
        Time of the commands that write them, rows opened and closed included; 0: their bytes fill
        rows.
    """
    einsum = problem.scores
    new = extent(cascade, einsum, "p")
    num_bytes = 2 * problem.key.format.bytes(problem.groups * new * problem.depth)
    store = service_work(pim.memory, "write", {"bytes": num_bytes}, ANY_FORMAT)
    tally = Tally()
    if pim.link is None:
        beyond = rows_ps - store.latency_ps
        if beyond <= 0:
            return None
        tally.busy_ps[pim.units.name] = beyond
        return Phase("cache rows", beyond, "activation", tally, pim.units.time_expr(beyond))
    sent = service_work(pim.link, "transfer", {"bytes": num_bytes}, ANY_FORMAT)
    tally.add(einsum, store, 1)
    tally.add(einsum, sent, 1)
    slow: Work = max(store, sent, key=lambda work: work.latency_ps)
    if rows_ps > slow.latency_ps:
        tally.busy_ps[pim.units.name] = rows_ps
        text = pim.units.time_expr(rows_ps)
        return Phase("cache write", rows_ps, "activation", tally, text)
    return Phase("cache write", slow.latency_ps, "bandwidth", tally, slow.latency_expr)


def around(
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
    """Return the softmax on the vector unit, scores there and probabilities back.

    Notes
    -----
    A row is divided by its sum as one reciprocal and a multiplication for each score.
    """
    vector = pim.machine.vector
    if vector is None:
        raise MappingError("softmax is on the vector unit, but the machine has none")
    scores, rows = problem.pairs(), problem.groups * problem.heads * problem.queries
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
        if counts.get("div", 0) > rows:
            counts["mul"] = counts.get("mul", 0) + counts["div"]
            counts["div"] = rows
        number = base_format(cascade.tensor(einsum.output.tensor).format.name)
        work = service_work(vector, "elementwise", counts, number)
        tally.add(name, work, 1)
        time_ps += work.latency_ps
        cycles.append(f"({work.latency_expr})")
    if time_ps:
        tally.busy_ps = dict.fromkeys(tally.busy_ps, time_ps)
        phases.append(Phase("softmax", time_ps, "compute", tally, " + ".join(cycles)))
    return phases
