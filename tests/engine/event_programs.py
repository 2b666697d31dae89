"""Random programs with run-time arbitration, and the comparison of every way to run them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from archsim.engine import EventTiming, interpret_events, simulate_events
from archsim.program import Program, ProgramBuilder
from archsim.program.arbitration import Arbitration, Opening, fcfs, priority, weighted
from archsim.program.builder import OpRef


@dataclass(frozen=True)
class EventCase:
    """Arguments of one run."""

    program: Program
    arbitration: dict[str, Arbitration] = field(default_factory=dict)
    window: int | None = None
    arrivals_ps: dict[str, list[int]] = field(default_factory=dict)

    def run(self, **options) -> EventTiming:
        return simulate_events(
            self.program,
            self.arbitration,
            window=self.window,
            arrivals_ps=self.arrivals_ps,
            **options,
        )

    def with_window(self, window: int | None) -> EventCase:
        return replace(self, window=window)


def draw_loop(rng: random.Random, turns: int, *, nested: bool = False, back: int = 4) -> Program:
    """Return one loop over a few operations, with waits of zero or more; maybe loops inside."""
    b = ProgramBuilder("loop")
    resources = [b.resource(f"r{i}", rng.choice((1, 1, 1, 2, 3))) for i in range(rng.randint(1, 4))]
    longest = rng.choice((3, 20, 200))
    shortest = rng.choice((0, 1, longest // 2))
    ops: list[OpRef] = []

    def body(size: int, depth: int) -> None:
        for _ in range(size):
            if nested and depth < 3 and rng.random() < 0.25:
                with b.loop(rng.randint(0, 4), "inner"):
                    body(rng.randint(1, 3), depth + 1)
            elif ops and rng.random() < 0.1:
                b.place(rng.choice(ops))
            else:
                holds = []
                if rng.random() < 0.9:
                    holds.append((rng.choice(resources), rng.randint(shortest, longest)))
                latency = rng.randint(0, longest)
                ops.append(b.op(f"o{len(ops)}", holds=holds, latency=latency))
                b.place(ops[-1])

    with b.loop(turns, "turn"):
        body(rng.randint(1, 6), 1)
    for target in ops:
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            b.after(
                target,
                rng.choice(ops),
                back=rng.randint(1, back),
                delay=rng.choice((0, 0, rng.randint(0, longest))),
                anchor=rng.choice(("start", "result")),
            )
    return b.build()


def draw_arbitration(rng: random.Random, program: Program, *, openings: bool) -> dict:
    """Return rules for most of the shared resources that operations hold."""
    found: dict[str, Arbitration] = {}
    for number, name in enumerate(program.resources):
        users = [
            op
            for i, op in enumerate(program.ops)
            if any(held == number for held, _ in program.holds(i))
        ]
        if program.private[number] or not users or rng.random() < 0.15:
            continue
        opening = None
        if openings and rng.random() < 0.4:
            text = "".join(rng.choice("01") for _ in range(rng.randint(1, 8))) + "1"
            opening = Opening.pattern(text[rng.randrange(len(text)) :], rng.choice((1, 1, 7)))
        ranks = {op: rng.randint(0, 2) for op in users if rng.random() < 0.8}
        rule = rng.randrange(3)
        if rule == 0:
            found[name] = fcfs(ranks, opening=opening)
        elif rule == 1:
            found[name] = priority(ranks, opening=opening)
        else:
            weights = [rng.randint(1, 4) for _ in range(3)]
            found[name] = weighted(weights, ranks, opening=opening)
    return found


def case_of(seed: int) -> EventCase:
    """Return case ``seed`` of the loops."""
    return draw_case(random.Random(f"events {seed}"))


def stream_of(seed: int) -> EventCase:
    """Return case ``seed`` of the streams."""
    return draw_stream(random.Random(f"stream {seed}"))


def draw_case(rng: random.Random, *, turns: int | None = None, openings: bool = True) -> EventCase:
    """Return a flat or nested loop under random rules with a random window."""
    size = turns if turns is not None else rng.choice((1, 2, 3, 10, 40, 120))
    nested = rng.random() < 0.3
    program = draw_loop(rng, size, nested=nested)
    while sum(program.instance_counts) > 700 and turns is None:
        size = size * 2 // 3
        program = draw_loop(rng, size, nested=nested)
    arbitration = draw_arbitration(rng, program, openings=openings)
    return EventCase(program, arbitration, rng.randint(1, 6))


def short_of(seed: int) -> EventCase:
    """Return case ``seed`` of the loops whose times are 0, 1 and 2 ps."""
    return draw_short(random.Random(f"short {seed}"))


def draw_short(rng: random.Random) -> EventCase:
    """Return a loop in which much happens at the same time and states look alike."""
    b = ProgramBuilder("short")
    resources = [b.resource(f"r{i}") for i in range(2)]
    ops: list[OpRef] = []
    with b.loop(60, "turn"):
        for i in range(rng.randint(2, 4)):
            holds = [(rng.choice(resources), rng.choice((0, 0, 1)))] if rng.random() < 0.8 else []
            ops.append(b.op(f"o{i}", holds=holds, latency=rng.choice((0, 0, 1, 2))))
            b.place(ops[-1])
    for target in ops:
        for _ in range(rng.randint(1, 2)):
            back, delay = rng.randint(1, 3), rng.choice((0, 0, 1))
            b.after(target, rng.choice(ops), back=back, delay=delay)
    program = b.build()
    return EventCase(
        program, draw_arbitration(rng, program, openings=False), window=rng.randint(1, 4)
    )


def take_turns(weights: tuple[int, int], window: int, lefts: int = 1) -> EventCase:
    """Return two requesters that meet once a turn; between turns only the pointer is left."""
    b = ProgramBuilder("take-turns")
    port = b.resource("port")
    lead = b.op("lead", latency=5)
    with b.loop(120, "turn"):
        b.place(lead)
        for name, times in (("left", lefts), ("right", 1)):
            op = b.op(name, holds=[(port, 10)], latency=10)
            b.after(op, lead)
            for _ in range(times):
                b.place(op)
    rule = weighted(weights, {"left": 0, "right": 1})
    return EventCase(b.build(), {"port": rule}, window)


def draw_stream(rng: random.Random) -> EventCase:
    """Return requests that arrive when they like, in bursts or not, and feed each other."""
    program = draw_loop(rng, rng.randint(1, 30), back=2)
    arrivals = {}
    for op, count in program.num_instances().items():
        if rng.random() < 0.6:
            times = [rng.randint(0, rng.choice((5, 400))) for _ in range(count)]
            arrivals[op] = sorted(times) if rng.random() < 0.7 else times
    arbitration = draw_arbitration(rng, program, openings=True)
    return EventCase(program, arbitration, rng.choice((None, 1, 3)), arrivals)


def check_case(case: EventCase, *, backends: tuple[str, ...] = ("jit",)) -> EventTiming:
    """Assert that folded, unfolded and interpreted runs agree on every time."""
    program = case.program
    reference = interpret_events(
        program, case.arbitration, window=case.window, arrivals_ps=case.arrivals_ps
    )
    counts = tuple(len(each) for each in reference.instances)
    assert counts == program.instance_counts
    for backend in backends:
        for fold in (True, False):
            timing = case.run(fold=fold, backend=backend)
            lean = case.run(fold=fold, backend=backend, log=False)
            for op, name in enumerate(program.ops):
                found = [timing.served(name, n) for n in range(counts[op])]
                assert found == reference.instances[op], (name, fold, backend)
            for each in (timing, lean):
                assert each.makespan_ps == reference.makespan_ps
                assert each.instance_counts == counts
            assert (lean.simulated, lean.events) == (timing.simulated, timing.events)
            assert lean.longest_waits_ps == timing.longest_waits_ps
            if not fold:
                assert timing.jumps == 0
                assert timing.simulated == sum(counts)
    waits = tuple(
        max((served.start_ps - served.ready_ps for served in each), default=0)
        for each in reference.instances
    )
    folded = case.run(backend=backends[0])
    assert folded.longest_waits_ps == waits
    return folded
