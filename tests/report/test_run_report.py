"""The report of a run: its parts, at any width, from the result alone."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping import Infeasible
from archsim.report.comparison import render_comparison
from archsim.report.layout import Bar, count, percent, to_text
from archsim.report.run import amount, render_result
from archsim.results import Phase
from tests.results.samples import feasible_result, infeasible_result

GOLDEN_80 = """\
tiny-array · llama-toy · decode
batch 1 · context 1024 · weights=bf16,act=bf16,kv=bf16,accumulator=fp32
fidelity tile
mapper attention=unfused gemm=gemm

latency         20 ms  energy                3 J
between tokens  20 ms    dynamic             2.5 J
tokens/s        50       static              500 mJ
useful MACs     8 G    energy per new token  3 J
DRAM traffic    16 GB  mean power            150 W
                       area                  123.4 mm2
latency expected within 18 ms … 22 ms (estimates of dram.efficiency)

Roofline
bound 18 ms, set by dram (compute 1 ms, memory 18 ms)
intensity 0.5 MAC/B, ridge 90 MAC/B: on the memory side
this run takes 1.11 times the bound

Critical path
waiting for  because of   share    time
dram         bandwidth   75.0 %   15 ms  ██████████████████
array        compute     12.5 %  2.5 ms  ███
dram         latency     12.5 %  2.5 ms  ███

Time by layer type
            share   time
ffn        75.0 %  15 ms  ██████████████████
attention  25.0 %   5 ms  ██████
"""


def test_golden_report_at_80_columns():
    assert to_text(render_result(feasible_result()), width=80).startswith(GOLDEN_80)


@pytest.mark.parametrize("width", [60, 80, 100, 132, 200])
def test_every_part_is_there_and_no_line_is_too_wide(width):
    text = to_text(render_result(feasible_result()), width=width)
    assert max(map(len, text.splitlines())) <= width
    for part in (
        "Roofline",
        "Critical path",
        "Time by layer type",
        "Resources",
        "Bytes by memory level",
        "Energy by component",
        "What would help",
        "Assumptions",
        "Warnings",
        "configuration 0123456789abcdef",
    ):
        assert part in text


def test_wide_terminals_pair_sections():
    text = to_text(render_result(feasible_result()), width=140)
    assert any("Roofline" in line and "Critical path" in line for line in text.splitlines())


def test_no_escape_codes_without_color_and_some_with():
    assert "\x1b" not in to_text(render_result(feasible_result()))
    assert "\x1b[" in to_text(render_result(feasible_result()), color=True)


def test_an_ascii_terminal_gets_ascii():
    text = to_text(render_result(feasible_result()), encoding="ascii")
    assert text.isascii()
    assert "##" in text


def test_what_is_missing_is_left_out():
    bare = dataclasses.replace(
        feasible_result(), area_mm2=None, sensitivities={}, what_if={}, error_band=None, warnings=()
    )
    text = to_text(render_result(bare))
    for part in ("area", "What would help", "expected within", "Warnings"):
        assert part not in text


def test_two_phases_have_a_table():
    result = dataclasses.replace(
        feasible_result(),
        ttft_s=0.01,
        phases={
            "prefill": Phase(0.01, 1, 128, 1.0, 10**9, 10**9, 0.009),
            "decode": Phase(0.01, 2, 2, 2.0, 10**9, 10**9, 0.0),
        },
    )
    text = to_text(render_result(result))
    assert "Phases" in text
    assert "first token" in text
    assert "energy per prompt token" in text


def test_infeasible_panel_speaks_human_units():
    text = to_text(render_result(infeasible_result()))
    assert "Does not run on this machine" in text
    assert "16 GiB (17179869184 B)" in text
    assert "It needs 2 times what there is." in text
    assert "Roofline" not in text


def test_markup_in_names_is_plain_text():
    result = dataclasses.replace(feasible_result(), warnings=("[bold]no[/bold] :smile:",))
    assert "[bold]no[/bold] :smile:" in to_text(render_result(result))


def test_comparison_is_relative_to_the_first_that_runs():
    slow = dataclasses.replace(feasible_result(), latency_s=0.04)
    text = to_text(render_comparison([infeasible_result(), feasible_result(), slow]), width=100)
    lines = text.splitlines()
    assert lines[0] == "llama-toy · decode"
    assert "does not fit" in lines[4]
    assert "1.00×" in lines[5]
    assert "0.50×" in lines[6]
    assert "dram needs 16 GiB, has 8 GiB" in text


@given(st.floats(0, 1), st.integers(1, 60), st.booleans())
def test_bar_fills_its_share(fraction, width, ascii_only):
    text = Bar(fraction).text(width, ascii_only=ascii_only)
    assert len(text) == width
    filled = sum(letter in "█#" for letter in text)
    assert abs(filled - fraction * width) <= 1
    assert (fraction > 0 and not ascii_only) <= bool(text.strip())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0 %"), (0.00001, "<0.1 %"), (0.5, "50.0 %"), (1.0, "100.0 %")],
)
def test_percent(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (999, "999"), (1234, "1.234 k"), (8.03e9, "8.03 G")]
)
def test_count(value, text):
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (512, "B", "512 B"),
        (2**20, "B", "1 MiB (1048576 B)"),
        (3, "arrays", "3 arrays"),
        (2, "s", "2 s"),
    ],
)
def test_amount(value, unit, text):
    assert amount(value, unit) == text


def test_nothing_available_is_no_division():
    bad = Infeasible("dram", 1, 0, "B")
    text = to_text(render_result(dataclasses.replace(infeasible_result(), infeasible=bad)))
    assert "times what there is" not in text
