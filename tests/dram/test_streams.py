"""Streams through the max-plus engine against the event-driven controller and recorded runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.dram.controller import ControllerConfig
from archsim.dram.patterns import Space, generate_all, parse_patterns
from archsim.dram.run import simulate_requests
from archsim.dram.standard import load_standard
from archsim.dram.streams import (
    RowStream,
    finer,
    plan_refresh,
    stream_program,
    time_stream,
    whole_rows,
)
from archsim.dram.streams_schedule import lost_ps, opening_ps, spread
from archsim.engine import interpret, run_program

FAMILIES = (
    *("ddr3-1600", "ddr4-3200", "ddr5-4800", "lpddr5-6400"),
    *("gddr6-14000", "hbm2-2000", "hbm2e-3600", "hbm3-6400", "hbm3-6400-8hi"),
)
DEEP = 256
"""Entries of buffers that see every row ahead in time, so that the order of service is that of the
requests."""


def program_ticks(standard, stream, plan=None):
    """Tick of the last event as the controller counts it: data read, or write command issued."""
    time = time_stream(standard, stream, plan)
    last_ps = time.total_ps if stream.direction == "read" else time.last_command_ps
    return last_ps * standard.ticks_per_clock // standard.clock_ps + 1


def event_ticks(standard, text, entries=DEEP, **options):
    controller = ControllerConfig(request_buffer_size=entries, **options)
    sizes = {level.name: level.size for level in standard.levels}
    column = standard.num_data_buses * sizes.get("bankgroup", 1)
    row = standard.num_blocks // sizes["row"]
    space = Space(standard.num_blocks, row, column)
    run = simulate_requests(standard, controller, generate_all(parse_patterns(text), space))
    return run.ticks


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("count", [1, 2, 1000, 20_000])
def test_streams_agree_exactly_without_refresh(name, write, count):
    standard = load_standard(name)
    text = f"stream:n={count},write={100 * write}"
    direction = "write" if write else "read"
    expected = event_ticks(standard, text, refresh="none")
    assert program_ticks(standard, whole_rows(standard, direction, count)) == expected


# Not in order: bursts of another stack overtake (hbm3-6400-8hi), an activation of two clocks on the
# one command bus pushes a burst back by a clock (ddr5-4800, 0.13 %).
OVERTAKING = ("hbm3-6400-8hi", "ddr5-4800")


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in OVERTAKING])
def test_strides_agree_exactly_without_refresh(name):
    standard = load_standard(name)
    sizes = {level.name: level.size for level in standard.levels}
    one_group = RowStream("read", 4000, sizes["column"], 1, sizes["bank"])
    expected = event_ticks(standard, "stride:step=column,n=4000", 32, refresh="none")
    assert program_ticks(standard, one_group) == expected
    one_bank = RowStream("read", 500, 1, 1, 1)
    expected = event_ticks(standard, "stride:step=row,n=500", 32, refresh="none")
    assert program_ticks(standard, one_bank) == expected


# A refresh of one pseudo channel waits for that of the other; after it, the controller's shared
# buffer lets one run ahead, which an in-order program does not.
TOLERANCE = {"hbm2-2000": 0.003, "hbm2e-3600": 0.003, "hbm3-6400": 0.0015, "hbm3-6400-8hi": 0.0015}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("write", [False, True])
def test_streams_agree_with_refresh(name, write):
    standard = load_standard(name)
    text = f"stream:n=100000,write={100 * write}"
    stream = finer(standard, whole_rows(standard, "write" if write else "read", 100_000))
    plan = plan_refresh(standard, stream)
    assert plan.sets == stream.num_sets - 1
    expected = event_ticks(standard, text)
    limit = TOLERANCE.get(name, 0.001)
    assert program_ticks(standard, stream, plan) == pytest.approx(expected, rel=limit)


# Recorded runs of Ramulator 2.1, map B, 20 000 or 5 000 requests.
@pytest.mark.parametrize(
    ("name", "stream", "refreshed", "ticks"),
    [
        ("ddr4-3200", ("read", 20_000, 128, 4, 4), False, 80_045),
        ("ddr4-3200", ("read", 20_000, 128, 4, 4), True, 83_813),
        ("ddr4-3200", ("write", 20_000, 128, 4, 4), True, 83_979),
        ("ddr4-3200", ("read", 20_000, 128, 1, 4), False, 160_041),
        ("ddr4-3200", ("read", 5000, 1, 1, 1), True, 387_831),
        ("ddr4-3200", ("write", 5000, 1, 1, 1), True, 460_671),
        ("ddr5-4800-ramulator", ("read", 20_000, 64, 8, 4), False, 160_069),
        ("ddr5-4800-ramulator", ("read", 5000, 1, 1, 1), True, 599_696),
        ("lpddr5-6400", ("read", 20_000, 64, 4, 4), False, 40_035),
        ("gddr6-14000-ramulator", ("read", 20_000, 64, 4, 4), False, 40_056),
        ("hbm2-2000-ramulator", ("read", 10_000, 32, 4, 4, 2), False, 20_034),
        ("hbm2-2000-ramulator", ("write", 5000, 1, 1, 1), True, 262_385),
        ("hbm3-6400", ("read", 20_000, 32, 1, 4), False, 160_101),
        ("hbm3-6400", ("read", 5000, 1, 1, 1), False, 719_965),
    ],
)
def test_recorded_runs(name, stream, refreshed, ticks):
    standard = load_standard(name)
    made = RowStream(*stream)
    if refreshed:
        made = finer(standard, made)
    plan = plan_refresh(standard, made) if refreshed else None
    assert program_ticks(standard, made, plan) == ticks


@pytest.mark.parametrize("name", ["ddr4-3200", "hbm3-6400"])
def test_cost_does_not_grow_with_length(name):
    standard = load_standard(name)
    simulated = []
    for count in (10**6, 10**9):
        stream = whole_rows(standard, "read", count)
        simulated.append(time_stream(standard, stream).simulated)
    assert simulated[1] < 2 * simulated[0]
    stream = whole_rows(standard, "read", 10**9)
    long = time_stream(standard, stream, plan_refresh(standard, stream))
    assert long.simulated < 10**6


@pytest.mark.parametrize("name", FAMILIES)
def test_folded_streams_are_the_unfolded_ones(name):
    standard = load_standard(name)
    for direction in ("read", "write"):
        stream = replace(whole_rows(standard, direction, 4000), columns=8, lookahead=8)
        program = stream_program(standard, stream, plan_refresh(standard, stream))
        folded = run_program(program, path=False).makespan_ps
        assert folded == run_program(program, path=False, fold=False).makespan_ps
        assert folded == interpret(program).makespan_ps


@pytest.mark.parametrize("timing", ["nRCD", "nRP", "nRTP", "nRFC", "nRRD_S", "nFAW", "nCCD_L"])
def test_longer_distances_are_never_faster(timing):
    base = load_standard("ddr4-3200")
    slower = load_standard(
        "ddr4-3200",
        [
            f"hardware.timings.{timing}={base.timings[timing] + 8}",
            f"hardware.timings.nRRD_L={base.timings['nRRD_L'] + 8}",
            f"hardware.timings.nRAS={base.timings['nRAS'] + 16}",
            f"hardware.timings.nRC={base.timings['nRC'] + 32}",
        ],
    )
    for columns in (1, 4, 128):
        stream = RowStream("read", 5000, columns, 4, 4)
        plan = plan_refresh(base, stream)
        assert (
            time_stream(slower, stream, plan).total_ps >= time_stream(base, stream, plan).total_ps
        )


def test_lost_slots_of_a_set():
    assert opening_ps(5, 8, 48) == (0, 8, 16, 24, 48)
    assert lost_ps((0, 4, 8, 12), 4, 8, 9) == 0
    assert lost_ps((0, 8, 16, 24), 2, 4, 9) == 4
    assert lost_ps((0, 4, 8, 12), 2, 4, 9) == 2
    assert lost_ps((0,), 2, 4, 9) == 0
    assert lost_ps((0, 8), 2, 4, 1) == 6


@pytest.mark.parametrize(
    ("sets", "count", "rest"), [(100, 7, 3), (1000, 33, 5), (10, 10, 0), (5, 0, 2), (3, 2, 9)]
)
def test_refreshes_are_spread_evenly(sets, count, rest):
    plan = spread(sets, count, rest)
    assert (plan.sets, plan.count) == (sets, count)
    between = {size for _, parts in plan.groups for size, _ in parts}
    assert not between or max(between) - min(between) <= 1
