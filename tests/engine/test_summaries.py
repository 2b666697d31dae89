"""Loops entered as before are not simulated again, and nothing shows it but the work saved."""

from __future__ import annotations

import pytest

from archsim.engine import run_program
from archsim.engine.lowering import lower
from archsim.engine.windows import busy_in_bins, instances_in
from archsim.errors import OperationBudgetError
from archsim.program import Program, ProgramBuilder, affine
from tests.engine.comparison import check_program
from tests.engine.generators import generate
from tests.engine.recurring import experts, heads_of_rows, recurring_programs


def test_a_row_of_causal_attention_costs_a_few_operations():
    few, many = run_program(heads_of_rows(1, 1000)), run_program(heads_of_rows(1, 4096))
    assert many.recalls > 4000
    assert many.simulated - few.simulated <= 3 * (4096 - 1000)
    assert sum(share.ps for share in many.attribution) == many.makespan_ps
    without = run_program(heads_of_rows(1, 4096), path=False, recall=False, backend="jit")
    assert without.makespan_ps == many.makespan_ps
    assert without.simulated > 2 * many.simulated


def test_a_loop_that_cannot_be_folded_is_known_as_a_whole():
    """The rows of a head are simulated for the first heads only, whatever their number."""
    few, many = run_program(heads_of_rows(4, 40)), run_program(heads_of_rows(5000, 40))
    assert many.simulated == few.simulated
    assert many.attribution[0].ps > 1000 * few.attribution[0].ps
    check_program(heads_of_rows(7, 11))


def test_layers_of_experts_are_known_as_a_whole():
    """And experts by what they find, which the expert before leaves behind."""
    tokens = (40, 3, 40, 40, 0, 3, 17, 40) * 6
    few, many = run_program(experts(tokens, 3)), run_program(experts(tokens, 30))
    assert many.simulated <= few.simulated + 1
    assert few.recalls > 60
    assert few.simulated < 0.6 * run_program(experts(tokens, 3), recall=False).simulated
    check_program(experts(tokens[:9], 6))


@pytest.mark.parametrize("program", recurring_programs(), ids=lambda program: program.name)
def test_windows_and_bins_are_those_of_the_run_without(program):
    known, plain = run_program(program), run_program(program, recall=False)
    edges = [known.makespan_ps * n // 37 for n in range(38)]
    for resource in program.resources:
        assert busy_in_bins(known, resource, edges) == busy_in_bins(plain, resource, edges)
    for op in program.ops:
        begin, end = edges[11], edges[29]
        assert instances_in(known, op, begin, end, 9) == instances_in(plain, op, begin, end, 9)
    assert known.attribution == plain.attribution


def test_memory_does_not_grow_with_what_is_known():
    for program in recurring_programs():
        for recall in (False, True):
            lowered = lower(program, fold=True, logging=False, recall=recall)
            size = len(lowered.mem)
            assert size < 40_000
            longer = lower(program, fold=True, logging=False, recall=recall)
            assert len(longer.mem) == size
    rows = [len(lower(heads_of_rows(9, n), fold=True, logging=False).mem) for n in (5, 10**8)]
    assert rows[0] == rows[1]


def test_the_same_run_recalls_the_same():
    for seed in range(20):
        first, second = (run_program(generate("C", 9000 + seed)) for _ in range(2))
        assert (first.simulated, first.jumps, first.recalls) == (
            second.simulated,
            second.jumps,
            second.recalls,
        )


def endless_rows() -> Program:
    """Rows without end, each of which is known."""
    b = ProgramBuilder("endless")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
    other = b.op("y", holds=[(b.resource("s"), 3)], latency=2)
    with b.loop(10**9, "row") as row, b.loop(affine(5, 1, row), "column"):
        b.place(op)
        b.place(other)
    b.after(other, op)
    return b.build()


@pytest.mark.parametrize("backend", ["python", "jit"])
@pytest.mark.parametrize("path", [True, False])
def test_what_is_known_counts_against_the_budget(backend, path):
    with pytest.raises(OperationBudgetError, match="2000 operations in summaries of loops"):
        run_program(endless_rows(), max_ops=2000, path=path, backend=backend)
