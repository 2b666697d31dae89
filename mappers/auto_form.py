"""Closed form of a plan: every traversal takes its busiest resource, the memory takes its traffic.

With software pipelining nothing else counts in steady state: a traversal of N tiles and B row
blocks takes max over the units of (N times what a tile takes, plus B times what ends a block), not
less than N times the bounds of its initiation interval. Traversals of a group follow one another;
the traffic of all of them runs beside.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mappers.closed_form import ClosedForm, Phase, Tally

if TYPE_CHECKING:
    from mappers.auto_graph import Task
    from mappers.auto_plan import AutoPlan
    from mappers.work import Work


def closed_form(plan: AutoPlan) -> ClosedForm:
    """Return the closed form of a plan: one phase for a pair of keys and values, repeated."""
    tally = traffic(plan)
    compute_ps = 0
    last = plan.graph.num_phases - 1
    for number, found in enumerate(plan.schedules):
        part = Tally()
        for task in plan.graph.phase(number):
            _add(plan, part, task, plan.num_tiles)
        for task in plan.graph.tails if number == last else ():
            _add(plan, part, task, plan.num_blocks)
        least_ps = max(found.resource_ps, found.recurrence_ps)
        compute_ps += max(*part.busy_ps.values(), plan.num_tiles * least_ps)
        tally.include(part)
    times = [(compute_ps, "compute")]
    times += [(busy, "bandwidth") for _, busy in sorted(tally.busy_ps.items())]
    time_ps, cause = max(times, key=lambda item: item[0])
    phase = Phase("auto", time_ps, cause, tally, _expression(plan, tally, time_ps, cause))
    return ClosedForm("auto", plan.problem.groups, (phase,), plan.problem.tags)


def lower_bound_ps(plan: AutoPlan) -> int:
    """Return a time that no program of a plan goes below: the busiest resource of all."""
    tally = traffic(plan)
    for task in plan.graph.tasks:
        _add(plan, tally, task, plan.num_blocks if task.per_block else plan.num_tiles)
    return plan.problem.groups * max(tally.busy_ps.values())


def _add(plan: AutoPlan, tally: Tally, task: Task, times: int) -> None:
    einsum = einsum_of(plan, task)
    for work in (plan.tile.works[task.name], *plan.tile.ports((task,))):
        tally.add(einsum, work, times)


def traffic(plan: AutoPlan) -> Tally:
    """Return what moves between memory and buffer for a pair of keys and values."""
    problem, tally = plan.problem, Tally()
    streams = Counter(
        (sum(block.columns for block in item.blocks), streamed_keys(plan, item.num_rows))
        for item in plan.supers
    )
    for (columns, keys), times in streams.items():
        tally.add(problem.scores, plan.load("query", columns * problem.depth), times)
        for number in range(plan.graph.num_phases):
            for stream in plan.streams(number):
                tally.add(*_streamed(plan, stream, keys), times)
        tally.add(problem.context, plan.store(columns * problem.width), times)
    return tally


def _streamed(plan: AutoPlan, stream: str, keys: int) -> tuple[str, Work]:
    problem = plan.problem
    if stream == "key":
        return problem.scores, plan.load("key", keys * problem.depth)
    return problem.context, plan.load("value", keys * problem.width)


def streamed_keys(plan: AutoPlan, num_rows: int) -> int:
    """Return the keys that stream by in some tiles: no more than there are."""
    return min(num_rows * plan.shape.keys, plan.problem.keys)


def einsum_of(plan: AutoPlan, task: Task) -> str:
    """Return the einsum of the workload to which a task belongs."""
    problem = plan.problem
    if task.kind == "product":
        return problem.scores if task.makes_scores else problem.context
    return problem.softmax[-1]


def _expression(plan: AutoPlan, tally: Tally, time_ps: int, cause: str) -> str | None:
    """Return the time as arithmetic over the machine's parameters, where one of them sets it."""
    array = plan.tile.costs.array
    if cause == "compute":
        return (
            f"{time_ps / array.clock.period_ps!r} * 1e12 / {{hardware.clocks.{array.config.clock}}}"
        )
    outer = plan.machine.component(plan.machine.outermost)
    if tally.busy_ps.get(outer.name) != time_ps:
        return None
    num_bytes = time_ps * outer.bandwidth_bytes_per_s("read") / 1e12
    return f"{num_bytes!r} * 1e12 / {{hardware.components.{outer.name}.bandwidth}}"
