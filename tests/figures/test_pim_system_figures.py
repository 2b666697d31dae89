"""Figures of systems with computing memories: what their tables hold, and that they draw."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.figures.figure import FigureRequest
from archsim.figures.pim_breakdown import FIGURE as BREAKDOWN
from archsim.figures.pim_speedup import CLAIMS
from archsim.figures.pim_speedup import FIGURE as SPEEDUP
from archsim.figures.rendering import render


@pytest.mark.parametrize("figure", [SPEEDUP, BREAKDOWN], ids=lambda figure: figure.name)
def test_it_draws_and_takes_no_data(figure, tmp_path):
    data = figure.data(FigureRequest())
    assert render(figure, data, "svg").startswith(b"<?xml")
    with pytest.raises(ConfigError, match="takes no --data"):
        figure.data(FigureRequest(data=tmp_path))


def test_speedups_grow_with_the_context_where_attention_is_in_memory():
    table = SPEEDUP.data(FigureRequest()).tables["speedup"]
    chosen = table.where(system="dgx-attacc", batch=16, quantity="equal batch")
    ratios = chosen.column("speedup")
    assert len(ratios) == 5
    assert list(ratios) == sorted(ratios)
    assert ratios[0] > 1


def test_shares_of_time_and_energy_are_whole():
    table = BREAKDOWN.data(FigureRequest()).tables["breakdown"]
    for case in set(table.column("case")):
        for quantity in ("time", "energy"):
            chosen = table.where(case=case, quantity=quantity)
            shares = [row[3] for row in chosen.rows if row[2] != "hidden"]
            assert sum(shares) == pytest.approx(100)


def test_published_ratios_stand_beside_ours():
    table = SPEEDUP.data(FigureRequest()).tables["published"]
    assert [row[0] for row in table.rows] == list(CLAIMS)
    for _, ours, published, verdict in table.rows:
        assert ours > 0
        assert published > 0
        assert verdict in ("reproduced", "not-reproduced")
