"""The bandwidth figure: recorded runs lie on our lines."""

from __future__ import annotations

import pytest

from archsim.figures.figure import FigureRequest
from archsim.figures.pim_bandwidth import FIGURE
from archsim.figures.rendering import render


@pytest.fixture(scope="module")
def data():
    return FIGURE.data(FigureRequest())


def test_recorded_runs_lie_on_our_lines(data):
    runs, recorded = data.tables["runs"], data.tables["recorded"]
    ours = {(str(row[0]), row[1]): float(str(row[2])) for row in runs.rows}
    assert len(recorded.rows) >= 6
    for level, _, tokens, share in recorded.rows:
        assert share == pytest.approx(ours[f"attacc-{level}", tokens], rel=0.01)


def test_it_draws_the_same_bytes(data):
    assert render(FIGURE, data, "svg") == render(FIGURE, data, "svg")
