"""Programs of mapper auto: all the work, in an order in which every tile has what it needs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import run_program
from archsim.engine.interpreter import interpret
from archsim.mapping import Infeasible
from mappers.auto import AutoMapper
from mappers.auto_timing import delay
from tests.mappers.attention import attention, mapped, small


def shapes():
    return st.fixed_dictionaries(
        {
            "queries": st.integers(1, 30),
            "extra": st.integers(0, 30),
            "heads": st.integers(1, 3),
            "group": st.integers(1, 3),
            "depth": st.integers(1, 9),
            "width": st.integers(1, 9),
            "causal": st.booleans(),
        }
    )


@settings(max_examples=12, deadline=None)
@given(
    shapes(),
    st.sampled_from(["fusemax-cloud", "flat-cloud"]),
    st.sampled_from(["1 KiB", "4 KiB", "64 KiB"]),
    st.sampled_from([2, 8]),
)
def test_programs_do_all_the_work_and_are_never_faster_than_their_units(shape, base, room, lanes):
    machine, chosen = small(lanes=lanes, capacity=room, base=base), dict(shape)
    keys = chosen["queries"] + chosen.pop("extra")
    mapping = mapped(AutoMapper(), attention(keys, **chosen), machine)
    if isinstance(mapping, Infeasible):
        return
    closed, program = mapping.analytic(), mapping.program()
    timing = run_program(program, path=False)
    assert timing.makespan_ps == interpret(program).makespan_ps
    assert timing.warnings == ()
    ours, theirs = program.total_counts(), closed.total_counts()
    for key in ours.keys() | theirs.keys():
        if key[0] in ("array", "vector"):
            assert ours.get(key, 0) == theirs.get(key, 0)
    compute = [ps for name, ps in timing.busy_ps.items() if name in ("array", "vector")]
    assert max(compute) <= timing.makespan_ps
    assert mapping.footprints["buffer"] <= machine.capacity_bytes("buffer")


@pytest.mark.parametrize(
    ("keys", "queries", "batch", "room"),
    [(64, 64, 3, "64 KiB"), (64, 64, 2, "2 KiB"), (8, 8, 9, "64 KiB"), (80, 24, 2, "4 KiB")],
)
def test_every_tile_waits_for_what_it_needs(keys, queries, batch, room):
    """Starts on the engine, tile by tile: needs within a tile, from tile to tile, at the end."""
    mapping = mapped(
        AutoMapper(),
        attention(keys, queries=queries, batch=batch, depth=8, width=8),
        small(capacity=room),
    )
    plan = mapping.plan
    run = interpret(mapping.program())
    starts = {task.name: run.starts(task.name) for task in plan.graph.tasks}
    tiles, widths = plan.num_tiles, {width for item in plan.supers for width, _ in item.runs}
    (width,) = widths
    for need in plan.graph.needs:
        source, target = plan.graph.task(need.source), plan.graph.task(need.target)
        wait = delay(plan.tile, source, target).ps
        if need.distance:
            wait = plan.tile.works[need.source].latency_ps
        for number, start in enumerate(starts[need.target]):
            before = number - need.distance * width
            same_group = before >= 0 and _group(plan, before) == _group(plan, number)
            if same_group:
                assert start >= starts[need.source][before] + wait
    for name, times in starts.items():
        assert len(times) == batch * (plan.num_blocks if plan.graph.task(name).per_block else tiles)
    for source, target in plan.graph.waits:
        done = plan.tile.works[source].latency_ps
        for number, start in enumerate(starts[target]):
            if plan.graph.task(target).per_block:
                last = _last_tile(plan, number)
                assert start >= starts[source][last] + done

    (tail,) = plan.graph.tails
    ends = [start + plan.tile.works[tail.name].latency_ps for start in starts[tail.name]]
    stores = run.starts("move result")
    assert len(stores) == len(ends)
    assert all(start >= end for start, end in zip(stores, ends, strict=True))


def _group(plan, number):
    """Return the group of row blocks to which a tile belongs, counted through all heads."""
    head, rest = divmod(number, plan.num_tiles)
    for index, item in enumerate(plan.supers):
        if rest < item.num_tiles:
            return head, index
        rest -= item.num_tiles
    raise AssertionError


def _last_tile(plan, number):
    """Return the number of the last tile of a row block, counted through all heads."""
    head, block = divmod(number, plan.num_blocks)
    first = head * plan.num_tiles
    for item in plan.supers:
        size = len(item.blocks)
        if block < size:
            return first + item.num_tiles - size + block
        block -= size
        first += item.num_tiles
    raise AssertionError
