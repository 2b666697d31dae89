"""Comparison of every way to run a program, start by start."""

from __future__ import annotations

import random
from collections import Counter

from archsim.engine import Interpretation, Timing, interpret, run_program
from archsim.program import Program

CODES = {"zero": (0, 0), "release": (-1, -2), "order": (-2, -2), "wait": (1, 1)}
"""Code of what decided a start: base and step per hold or constraint."""


def code_of(kind: str, which: int) -> int:
    """Return the code that the log uses."""
    base, step = CODES[kind]
    return base + step * which if step else 0


def check_program(program: Program, backend: str = "jit") -> tuple[Interpretation, Timing]:
    """Assert that folded, unrolled and interpreted runs agree in everything."""
    reference = interpret(program)
    folded = run_program(program, backend=backend)
    unrolled = run_program(program, fold=False, backend=backend)
    plain = run_program(program, fold=False, path=False, backend=backend)
    lean = run_program(program, path=False, backend=backend)
    forgetful = run_program(program, recall=False, backend=backend)
    last = tuple(runs[-1].start_ps if runs else -1 for runs in reference.instances)
    counts = tuple(len(runs) for runs in reference.instances)
    assert counts == program.instance_counts
    for timing in (folded, unrolled, plain, lean, forgetful):
        assert timing.makespan_ps == reference.makespan_ps
        assert timing.instance_counts == counts
        assert timing.last_starts_ps == last
    assert unrolled.simulated == plain.simulated == sum(counts)
    assert unrolled.jumps == plain.jumps == 0
    assert (lean.simulated, lean.jumps, lean.recalls) == (
        folded.simulated,
        folded.jumps,
        folded.recalls,
    )
    assert unrolled.recalls == plain.recalls == forgetful.recalls == 0
    path = dict(Counter(reference.path()))
    for timing in (folded, unrolled, forgetful):
        for op, name in enumerate(program.ops):
            expected = [instance.start_ps for instance in reference.instances[op]]
            assert timing.starts_ps(name) == expected, name
        assert dict(timing.weight_counts) == path
        assert sum(share.ps for share in timing.attribution) == reference.makespan_ps
    assert folded.attribution == unrolled.attribution
    check_places(reference, folded)
    check_places(reference, forgetful)
    return reference, folded


def check_places(reference: Interpretation, timing: Timing, samples: int = 20) -> None:
    """Assert start and binding of random instances, looked up one by one."""
    assert timing.log is not None
    rng = random.Random(reference.program.name)
    for op, runs in enumerate(reference.instances):
        if not runs:
            continue
        numbers = {0, len(runs) - 1} | {rng.randrange(len(runs)) for _ in range(samples)}
        numbers |= {n for n in timing.log.jump_edges(op) if n < len(runs)}
        for number in numbers:
            instance = runs[number]
            assert timing.log.start_ps(op, number) == instance.start_ps
            assert timing.log.binding(op, number) == (
                code_of(instance.kind, instance.which),
                instance.source,
                instance.source_number,
            )
