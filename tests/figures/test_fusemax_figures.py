"""The FuseMax figures: their data agree with what is published, and they draw the same."""

from __future__ import annotations

import pytest

from archsim.figures.figure import FigureRequest, load_figure
from archsim.figures.rendering import render

NAMES = ("fusemax-utilization", "fusemax-speedup", "fusemax-energy", "fusemax-ablation")


@pytest.fixture(scope="module", params=NAMES)
def drawn(request):
    figure = load_figure(request.param)
    return figure, figure.data(FigureRequest())


def test_it_draws_the_same_bytes(drawn):
    figure, data = drawn
    assert all(table.rows for table in data.tables.values())
    assert render(figure, data, "svg") == render(figure, data, "svg")


def test_quoted_points_lie_on_our_lines():
    for name in ("fusemax-utilization", "fusemax-speedup"):
        table = load_figure(name).data(FigureRequest()).tables["points"]
        pairs = [(row[4], row[5]) for row in table.rows if row[5] is not None and row[0] != "FLAT"]
        assert len(pairs) >= 6
        assert all(ours == pytest.approx(published, rel=2e-3) for ours, published in pairs)


def test_the_ablation_shows_each_step():
    steps = load_figure("fusemax-ablation").data(FigureRequest()).tables["steps"]
    by_config = {row[0]: row for row in steps.where(tokens=65536).rows}
    assert by_config["+Binding"][3] < by_config["+Architecture"][3] < by_config["+Cascade"][3]
    assert by_config["+Binding"][2] == pytest.approx(by_config["+Binding"][3], rel=0.01)
