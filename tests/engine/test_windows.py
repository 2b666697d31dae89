"""Windows, bins and slices against the spelled-out run."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from archsim.engine import run_program
from archsim.engine.windows import (
    busy_in_bins,
    count_slices,
    expanded,
    instances_in,
    overview,
    started_before,
)
from archsim.errors import SimulationError
from tests.engine.directed import directed_programs, dram_rows, gpu_waves, triangular
from tests.engine.generators import generate
from tests.engine.test_run import pipeline

PROGRAMS = [
    *[generate(kind, seed) for kind in "AB" for seed in range(9000, 9020)],
    *directed_programs()[::25],
    triangular(),
    gpu_waves(300, 7),
]


def spelled(timing):
    """Return every hold of a shared resource: resource, start, end, operation, instance."""
    program = timing.program
    return [
        (resource, start, start + span, op, number)
        for op, name in enumerate(program.ops)
        for number, start in enumerate(timing.starts_ps(name))
        for resource, span in program.holds(op)
        if span and not program.private[resource]
    ]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_windows_hold_what_the_expansion_holds(program):
    timing = run_program(program, backend="jit")
    rng = random.Random(program.name)
    everything = spelled(timing)
    for _ in range(4):
        begin, end = sorted(rng.randrange(timing.makespan_ps + 2) for _ in range(2))
        name = rng.choice(program.ops)
        starts, span = timing.starts_ps(name), rng.choice([0, 1, 50])
        inside = [
            n
            for n, start in enumerate(starts)
            if start < end and (start + span > begin or (not span and start >= begin))
        ]
        assert list(instances_in(timing, name, begin, end, span)) == inside
        wanted = sorted(item for item in everything if item[1] < end and item[2] > begin)
        got = [
            (s.resource, s.begin_ps, s.end_ps, s.op, s.number) for s in expanded(timing, begin, end)
        ]
        assert sorted(got) == wanted
        assert count_slices(timing, begin, end) == len(wanted)


@pytest.mark.parametrize("program", PROGRAMS[::3], ids=lambda program: program.name)
def test_bins_are_exact_and_sum_to_the_whole(program):
    timing = run_program(program, backend="jit")
    rng = random.Random(program.name)
    end = max([timing.makespan_ps, *(item[2] for item in spelled(timing))])
    inner = sorted(rng.randrange(end + 1) for _ in range(5))
    for resource, busy in timing.busy_ps.items():
        number = program.resources.index(resource)
        bins = busy_in_bins(timing, resource, [0, *inner, end])
        assert sum(bins) == busy
        for first, last, held in zip([0, *inner], [*inner, end], bins, strict=True):
            assert held == sum(
                max(0, min(item[2], last) - max(item[1], first))
                for item in spelled(timing)
                if item[0] == number
            )
            assert held <= (last - first) * program.capacities[number]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_overview_stands_for_every_hold_and_never_overlaps(program):
    timing = run_program(program, backend="jit")
    slices = list(overview(timing))
    everything = spelled(timing)
    assert sum(item.instances for item in slices) == len(everything)
    assert sum(item.busy_ps for item in slices) == sum(
        end - start for _, start, end, *_ in everything
    )
    for resource, servers in enumerate(program.capacities):
        track = sorted(s[1:3] for s in slices if s.resource == resource)
        if servers == 1:
            assert all(a[1] <= b[0] for a, b in pairwise(track))


def test_windows_of_a_run_too_long_to_expand():
    timing = run_program(dram_rows(10**9, 32))
    middle = timing.makespan_ps // 2
    end = middle + 10**4
    slices = list(expanded(timing, middle, end))
    assert 0 < len(slices) == count_slices(timing, middle, end) < 10**4
    assert all(s.begin_ps < end and s.end_ps > middle for s in slices)
    assert len(list(overview(timing))) < 1000
    for resource, busy in timing.busy_ps.items():
        assert sum(busy_in_bins(timing, resource, [0, middle, timing.makespan_ps])) == busy


def test_what_does_not_exist_is_refused():
    timing = run_program(pipeline().build())
    assert started_before(timing, 0, 0) == 0
    assert started_before(timing, 0, 10**9) == 100
    with pytest.raises(SimulationError, match="no operation"):
        instances_in(timing, "nobody", 0, 1)
    with pytest.raises(SimulationError, match="no resource"):
        busy_in_bins(timing, "nothing", [0, 1])
    with pytest.raises(SimulationError, match="path=True"):
        list(overview(run_program(pipeline().build(), path=False)))
