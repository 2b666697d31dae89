"""The independent checker: agrees with the definition, finds every breach, accuses nobody else."""

from __future__ import annotations

import random
from importlib.resources import files

import pytest

from archsim.dram.checker import ChannelChecker, check
from archsim.dram.standard import load_standard
from archsim.dram.traces import Command
from tests.dram.tracing import legal_trace, plain_breaches

FAMILIES = (
    *("ddr3-1600", "ddr4-3200", "ddr5-4800", "lpddr5-6400"),
    *("gddr6-14000", "hbm2-2000", "hbm3-6400", "hbm3-6400-8hi"),
)
SHIPPED = sorted(
    path.name.removesuffix(".yaml") for path in (files("hw_configs") / "memory").iterdir()
)
STANDARDS = [
    *FAMILIES,
    *(pytest.param(name, marks=pytest.mark.slow) for name in SHIPPED if name not in FAMILIES),
]
"""One standard of each family, and the other grades among the slow tests."""


@pytest.mark.parametrize("name", STANDARDS)
def test_legal_traces_pass(name):
    standard = load_standard(name)
    for seed in range(4):
        report = check(standard, legal_trace(standard, 400, seed))
        assert report.violations == []
        assert report.num_commands >= 400


@pytest.mark.parametrize("name", STANDARDS)
def test_distances_are_those_of_the_definition(name):
    standard = load_standard(name)
    rows = [row.rule for row in standard.constraints]
    for seed in range(3):
        trace = legal_trace(standard, 60, seed, spread=0.5)
        rng = random.Random(seed)
        hurried = [item._replace(clock=max(1, item.clock - rng.randrange(30))) for item in trace]
        hurried.sort(key=lambda item: item.clock)
        found = {(item.number, item.rule) for item in check(standard, hurried).violations}
        expected = {(number, rows[row]) for number, row in plain_breaches(standard, hurried)}
        timing = {pair for pair in found if pair[1] in rows}
        assert expected == timing


@pytest.mark.parametrize("name", STANDARDS)
def test_mutants_without_slack_are_found_and_only_those(name):
    standard = load_standard(name)
    rng = random.Random(1)
    trace = legal_trace(standard, 300, 11)
    clean = check(standard, trace)
    assert clean.violations == []
    caught = spared = 0
    for place in rng.sample(range(1, len(trace)), 80):
        item = trace[place]
        earlier = item._replace(clock=item.clock - 1)
        if earlier.clock < trace[place - 1].clock:
            continue
        mutant = check(standard, [*trace[:place], earlier])
        accused = [found for found in mutant.violations if found.number == place + 1]
        edge = standard.ticks_per_clock == 2 and earlier.clock % 2 == 0
        free = edge and item.name in ("PREpb", "PREab")
        if clean.earliest[place] == item.clock or (edge and not free):
            assert accused, (place, item)
            caught += 1
        elif standard.ticks_per_clock == 1:
            assert not accused, (place, item, accused)
            spared += 1
    assert caught > 20


def pairs(standard):
    """Every earlier and later command of every row of the constraint table."""
    for number, row in enumerate(standard.constraints):
        for before in row.previous:
            for after in row.following:
                yield number, row, standard.commands[before], standard.commands[after]


@pytest.mark.parametrize("name", STANDARDS)
def test_every_distance_blocks_one_tick_before_and_not_after(name):
    standard = load_standard(name)
    for number, row, before, after in pairs(standard):
        if row.sibling and standard.levels[row.level].size == 1:
            continue
        gap = standard.gap(row, standard.commands.index(before), standard.commands.index(after))
        if gap <= 0:
            continue
        checker = ChannelChecker(standard)
        begin = 1001
        for item in earlier_commands(standard, row, before, begin):
            checker.record(item)
        asked = {
            bound.rule: bound.tick
            for bound in checker.bounds(after.name, later_fields(standard, row))
        }
        assert asked[number] == begin + gap, (row.rule, before.name, after.name)
        late = Command(begin + gap, after.name, later_fields(standard, row))
        for clock, blocked in ((begin + gap - 1, True), (begin + gap, False)):
            item = late._replace(clock=clock)
            bounds = [b for b in checker.bounds(item.name, item.fields) if b.rule == number]
            accused = [text for rule, text in checker.problems(item, bounds) if "legal" in text]
            assert bool(accused) == blocked


def earlier_commands(standard, row, before, begin):
    """As many earlier commands as the row's window, the one that counts at `begin`."""
    for index in range(row.window):
        yield Command(begin + index, before.name, (0,) * len(standard.levels[1:]))


def later_fields(standard, row):
    fields = [0] * len(standard.levels[1:])
    if row.sibling:
        fields[row.level - 1] = 1
    return tuple(fields)


def widened(name):
    """The standard, with two ranks or two stack ids where it has such a level."""
    standard = load_standard(name)
    levels = [level.name for level in standard.levels if level.name in ("rank", "sid")]
    return load_standard(name, [f"hardware.organisation.levels.{level}=2" for level in levels])


def implied(standard, row):
    """Whether a row over several commands asks no more than single steps between them do."""

    def step(before, after):
        return max(
            (
                other.nominal_ticks
                for other in standard.constraints
                if other.level <= row.level and other.window == 1 and not other.sibling
                if before in other.previous and after in other.following
            ),
            default=0,
        )

    steps = [step(a, b) for a in row.previous for b in (*row.previous, *row.following)]
    return row.window > 1 and row.nominal_ticks <= row.window * min(steps)


@pytest.mark.parametrize("name", STANDARDS)
def test_every_distance_binds_somewhere(name):
    standard = widened(name)
    loose = {
        number
        for number, row in enumerate(standard.constraints)
        if row.nominal_ticks > 0 and not implied(standard, row)
    }
    for seed in range(60):
        report = check(standard, legal_trace(standard, 400, seed, spread=(0.1, 0.3, 1)[seed % 3]))
        assert report.violations == []
        loose -= set(report.tight)
        if not loose:
            break
    assert [standard.constraints[number].rule for number in loose] == []


def accused(name, lines, **options):
    """Rules that a trace written as ``clock NAME fields`` breaks, by command number."""
    standard = load_standard(name)
    trace = []
    for line in lines:
        clock, word, fields = line.split()
        trace.append(Command(int(clock), word, tuple(map(int, fields.split(",")))))
    return [(item.number, item.rule) for item in check(standard, trace, **options).violations]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1 ACT 0,0,0,7,0", "23 RD 0,0,0,7,3"], []),
        (["1 RD 0,0,0,7,3"], [(1, "bank state")]),
        (["1 ACT 0,0,0,7,0", "23 RD 0,0,0,8,3"], [(2, "bank state")]),
        (["1 ACT 0,0,0,7,0", "75 ACT 0,0,0,7,0"], [(2, "bank state")]),
        (["1 ACT 0,0,0,7,0", "900 REFab 0,-1,-1,-1,-1"], [(2, "bank state")]),
        (
            ["1 ACT 0,0,0,7,0", "53 PREpb 0,0,0,-1,-1", "75 REFab 0,-1,-1,-1,-1"],
            [],
        ),
        (
            ["1 ACT 0,0,0,7,0", "53 PREab 0,-1,-1,-1,-1", "75 ACT 0,0,0,1,0"],
            [],
        ),
        (["1 ACT 0,0,0,7,0", "23 RDA 0,0,0,7,3", "60 RD 0,0,0,7,4"], [(3, "bank state")]),
        (["1 ACT 0,0,0,7,0", "1 ACT 0,1,0,7,0"], [(2, "tRRD_S"), (2, "command bus")]),
        (["1 ACT 0,4,0,7,0"], [(1, "address")]),
        (["1 ACT 0,-1,0,7,0"], [(1, "address")]),
        (["1 ACT 0,0,0,7,0", "23 RD 0,0,0,7,-1"], [(2, "address")]),
        (
            ["1 ACT 0,0,0,7,0", "23 RD 0,0,0,7,0", "30 WR 0,0,0,7,1"],
            [(3, "tRTW"), (3, "data overlap")],
        ),
    ],
)
def test_bank_and_bus_rules_of_one_command_bus(lines, expected):
    assert accused("ddr4-3200", lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Row and column commands have buses of their own.
        (["1 ACT 0,0,0,0,7,0", "65 RD 0,0,0,0,7,0", "65 ACT 1,0,0,0,3,0"], []),
        # Two pseudo channels share both buses; a column command takes a whole clock.
        (
            ["1 ACT 0,0,0,0,7,0", "5 ACT 1,0,0,0,7,0", "69 RD 0,0,0,0,7,0", "69 RD 1,0,0,0,7,0"],
            [(4, "command bus")],
        ),
        # An activation takes 1.5 clocks, and only precharges may use the edge in the middle.
        (["1 ACT 0,0,0,0,7,0", "3 ACT 1,0,0,0,7,0"], [(2, "command bus")]),
        (["1 ACT 0,0,0,0,7,0", "4 ACT 1,0,0,0,7,0"], [(2, "clock edge")]),
        (["1 ACT 0,0,0,0,7,0", "4 PREpb 0,0,0,1,-1,-1"], []),
        (["1 ACT 0,0,0,0,7,0", "4 PREpb 1,0,0,0,-1,-1"], []),
        (["1 ACT 0,0,0,0,7,0", "93 PREab 0,-1,-1,-1,-1,-1", "94 PREpb 1,0,0,1,-1,-1"], []),
        # In one pseudo channel, right after a row command: only one other bank.
        (["1 ACT 0,0,0,0,7,0", "4 PREab 1,-1,-1,-1,-1,-1"], []),
        (
            ["1 REFpb 0,0,0,0,-1,-1", "2 PREab 0,-1,-1,-1,-1,-1"],
            [(2, "falling edge")],
        ),
        (["1 REFpb 0,0,0,0,-1,-1", "2 PREpb 0,0,0,0,-1,-1"], [(2, "falling edge")]),
        (["1 REFpb 0,0,0,0,-1,-1", "2 PREpb 0,0,0,1,-1,-1"], []),
        (["1 REFab 0,-1,-1,-1,-1,-1", "2 PREpb 0,0,0,1,-1,-1"], [(2, "falling edge")]),
    ],
)
def test_split_buses_and_half_clocks(lines, expected):
    assert accused("hbm3-6400", lines) == expected


def refreshes(ticks):
    return [f"{tick} REFab 0,-1,-1,-1,-1" for tick in ticks]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([12480 * k for k in range(1, 20)], []),
        ([12480 * (k + 8) for k in range(1, 20)], []),
        ([12480 * 10 + 1, 12480 * 10 + 601], [(1, "refresh")]),
        ([1 + 600 * k for k in range(8)], []),
        ([1 + 600 * k for k in range(12)], [(n, "refresh") for n in (9, 10, 11, 12)]),
        ([12480, 12480 * 13], [(2, "refresh"), (3, "refresh")]),
    ],
)
def test_refresh_may_be_postponed_and_pulled_in_but_not_forgotten(ticks, expected):
    assert accused("ddr4-3200", refreshes(ticks), refresh="all-bank") == expected
    assert accused("ddr4-3200", refreshes(ticks)) == []


def test_per_bank_refresh_goes_round():
    def at(number, bank):
        return f"{780 * number + 1} REFpb {bank % 2},0,{bank // 8},{bank // 2 % 4},-1,-1"

    standard = load_standard("hbm3-6400")
    interval = standard.refresh.per_bank_interval_ticks
    assert interval == 780
    lines = [at(1 + bank // 2, bank) for bank in range(32)]
    spaced = [
        f"{int(line.split()[0]) + 16 * (bank % 2)} {line.split(' ', 1)[1]}"
        for bank, line in enumerate(lines)
    ]
    assert accused("hbm3-6400", spaced, refresh="per-bank") == []
    spaced[4] = spaced[4].replace("REFpb 0,0,0,2", "REFpb 0,0,0,1")
    assert (5, "refresh") in accused("hbm3-6400", spaced, refresh="per-bank")
