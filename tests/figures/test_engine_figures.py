"""The engine's figures: what they count is what runs count, and they draw the same every time."""

from __future__ import annotations

import pytest

from archsim.engine import run_program
from archsim.figures.engine_example import example
from archsim.figures.engine_folding import SWEEPS
from archsim.figures.engine_nesting import panels
from archsim.figures.figure import FigureRequest, load_figure
from archsim.figures.rendering import render

NAMES = ("engine-folding", "engine-example", "engine-nesting", "engine-timeline")


@pytest.fixture(scope="module", params=NAMES)
def drawn(request):
    figure = load_figure(request.param)
    return figure, figure.data(FigureRequest())


def test_a_figure_is_found_by_name_and_its_data_never_change(drawn):
    figure, data = drawn
    assert figure.data(FigureRequest(seed=1)) == data
    assert all(table.rows for table in data.tables.values())


def test_it_draws_the_same_bytes(drawn):
    figure, data = drawn
    picture = render(figure, data, "svg")
    assert picture == render(figure, data, "svg")
    assert b"<svg" in picture


def test_simulated_work_does_not_grow_with_foldable_trips():
    table = load_figure("engine-folding").data(FigureRequest()).tables["folding"]
    for sweep in SWEEPS:
        part = table.where(program=sweep.label)
        simulated, operations = part.column("simulated_operations"), part.column("operations")
        assert all(a <= b for a, b in zip(simulated, operations, strict=True))
        if max(sweep.trips) >= 10**7:
            assert len(set(simulated[2:])) == 1, sweep.label
            assert max(operations) >= 10**10
        else:
            growth = simulated[-1] / simulated[-2]
            assert growth < 0.3 * operations[-1] / operations[-2], sweep.label


def test_the_example_is_that_of_the_unrolled_run():
    table = load_figure("engine-example").data(FigureRequest()).tables["instances"]
    unrolled = run_program(example(), fold=False)
    for name, number, start, *_ in table.rows:
        assert start == unrolled.start_ps(name, number)
    assert set(table.column("how")) == {"simulated", "period", "copied"}
    assert table.where(operation="load").column("start_ps")[:5] == (0, 5, 15, 23, 31)
    assert table.where(operation="compute").column("start_ps")[:5] == (7, 15, 23, 31, 39)
    assert unrolled.makespan_ps == 7 + 8 * 1000


def test_every_iteration_of_a_nest_has_an_origin():
    table = load_figure("engine-nesting").data(FigureRequest()).tables["iterations"]
    for panel in panels():
        part = table.where(nest=panel.name)
        cells = set(zip(part.column("outer"), part.column("inner"), strict=True))
        assert cells == {
            (row, n) for row, length in enumerate(panel.lengths) for n in range(length)
        }
        timing = run_program(panel.program, backend="python")
        op = panel.program.op_ids[panel.op]
        simulated = sum(number == op for number, _, _ in timing.log.simulated())
        assert part.column("how").count("simulated") == simulated
    assert "copied by the outer loop" not in table.where(nest="triangular").column("how")
