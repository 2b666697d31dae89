from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from archsim.engine import interpret
from archsim.program import ProgramBuilder, affine
from archsim.program.counting import sum_clamped

NUMBERS = st.integers(-50, 50)


@given(NUMBERS, NUMBERS, st.integers(0, 60))
def test_clamped_sum_equals_the_sum(base, slope, count):
    assert sum_clamped(base, slope, count) == sum(max(0, base + slope * i) for i in range(count))


@given(st.integers(0, 10**6))
def test_counts_of_dependent_trips_equal_those_of_the_reference(seed):
    rng = random.Random(seed)
    b = ProgramBuilder("nest")
    op = b.op("x")
    ops = []

    def nest(depth, stack):
        if stack and rng.random() < 0.7:
            trip = affine(rng.randint(-3, 5), rng.randint(-2, 2), rng.choice(stack))
        else:
            trip = rng.randint(0, 5)
        with b.loop(trip, "loop") as loop:
            if depth < 3:
                nest(depth + 1, [*stack, loop])
            b.place(op)
            ops.append(op)
            if depth < 2 and rng.random() < 0.5:
                nest(depth + 1, [*stack, loop])

    nest(0, [])
    program = b.build()
    assert program.instance_counts == (len(interpret(program).instances[0]),)


def test_huge_triangles_are_counted_by_arithmetic():
    b = ProgramBuilder("triangle")
    with b.loop(10**9, "row") as row, b.loop(affine(1, 1, row), "column"):
        b.place(b.op("x"))
    assert b.build().num_instances() == {"x": 10**9 * (10**9 + 1) // 2}
