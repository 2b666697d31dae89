"""Figures of GPUs: what their tables hold, and that they draw."""

from __future__ import annotations

import pytest

from archsim.errors import NotRunError
from archsim.figures.figure import FigureRequest
from archsim.figures.gpu_roofline import FIGURE as ROOFLINE
from archsim.figures.gpu_roofline import GPUS
from archsim.figures.gpu_validation import FIGURE as VALIDATION
from archsim.figures.rendering import render

HEADER = (
    "gpu,op,dtype,m,n,k,batch,heads,kv_heads,head_dim,q_len,kv_len,experts,topk,tp,bytes,"
    "latency_us,timing,kernel,source"
)


@pytest.fixture
def rows(tmp_path):
    """Return a table of made-up times of GEMMs and additions."""
    lines = [HEADER]
    for m in (1, 16, 300, 4096):
        lines.append(f"H200,gemm,bf16,{m},4096,4096,,,,,,,,,,,{5 + m / 4},profiler,x,own")
        lines.append(f"L40S,add,bf16,{m},4096,,,,,,,,,,,,{3 + m / 90},profiler,x,own")
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return FigureRequest(data=path)


def test_rows_that_were_never_fitted_are_points(rows):
    data = VALIDATION.data(rows)
    table = data.tables["rows"]
    assert len(table.rows) == 8
    assert set(table.column("family")) == {"gemm", "vector"}
    assert render(VALIDATION, data, "png") == render(VALIDATION, data, "png")


def test_without_measurements_there_is_no_scatter():
    with pytest.raises(NotRunError, match="--data"):
        VALIDATION.data(FigureRequest())


def test_no_cold_operator_is_above_the_roof_beyond_the_peak(rows):
    data = ROOFLINE.data(rows)
    table = data.tables["operators"]
    assert set(table.column("gpu")) == set(GPUS)
    for speed, roof in zip(
        table.where(kind="gemm").column("predicted_flop_per_s"),
        table.where(kind="gemm").column("roof_flop_per_s"),
        strict=True,
    ):
        assert 0 < speed <= roof
    assert len(data.tables["measured"].rows) == 4
    assert render(ROOFLINE, data, "svg").startswith(b"<?xml")
