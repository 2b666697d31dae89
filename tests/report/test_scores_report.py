"""Tables of suites and benches."""

from __future__ import annotations

from archsim.report.layout import to_text
from archsim.report.scores import render_bench, render_scores
from archsim.validation.scoring import Scores
from archsim.validation.suite import Bar, Item, Outcome


def scores(predicted: float, **more: object) -> dict:
    items = [
        Item("a", "cycles", "cycles", predicted, 100.0, {"array": "8x8"}),
        Item("b", "cycles", "cycles", 0.0, 0.0, {"array": "4x4"}),
    ]
    outcome = Outcome(2, items, {"stalled": 3}, [Bar("cycles", 1.0)], **more)
    return Scores("toy", outcome).to_json_object()


def test_a_suite_that_holds():
    text = to_text(render_scores(scores(100.0, notes=["a note"])))
    assert "toy: 2 cases, 2 numbers scored" in text
    assert "3 × stalled" in text
    assert "a note" in text
    assert "every bar holds" in text
    assert "Largest errors" not in text


def test_a_suite_that_misses_shows_where():
    text = to_text(render_scores(scores(110.0, groupings=(("array",),))))
    assert "a bar is missed" in text
    assert "Largest errors" in text
    assert "cycles, 8x8" in text
    assert "cycles, 4x4" not in text


def test_baselines_are_printed():
    text = to_text(render_scores(scores(100.0, baselines={"peak": [Item("a", "c", "", 1, 2)]})))
    assert "peak" in text


def test_bench():
    bench = {
        "bench": "engine",
        "metrics": [{"name": "rate", "value": 5.5e7, "unit": "operations/s", "ratio_to": None}],
        "exact": True,
    }
    text = to_text(render_bench(bench))
    assert "55000000" in text
    assert "exact" in text


def test_own_records_keep_their_figures_whole_where_there_is_little_room():
    details = [
        {"gpu": "a100-80g-sxm", "op": "attention_decode", "source": "a-library-1.2.3", "n": 12345},
        {"gpu": "t4", "op": "gemm", "source": "another", "n": 7},
    ]
    report = render_scores(scores(100.0, details=details))
    wide, narrow = to_text(report, width=100), to_text(report, width=40)
    assert "gpu           op                source" in wide
    assert "gpu, op, source" in narrow
    assert "12345" in narrow
    assert max(map(len, narrow.splitlines())) <= 40
