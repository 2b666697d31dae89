"""Functions made of additions and multiplications: their cycles, and the unit that has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archsim.components.series_laws import (
    cycles_division,
    cycles_exponential,
    cycles_reciprocal,
    cycles_series,
)
from archsim.machine import load_hardware


@given(
    count=st.integers(0, 10**6),
    adders=st.integers(1, 1024),
    multipliers=st.integers(1, 1024),
    steps=st.integers(1, 12),
)
def test_laws_count_every_operation(count, adders, multipliers, steps):
    units = (adders, multipliers)
    work = cycles_series(count, 3 * count, *units)
    assert count <= work * adders
    assert 3 * count <= work * multipliers
    assert cycles_exponential(count, steps, *units) == cycles_series(
        count * steps, count * steps, *units
    )
    reciprocal = cycles_reciprocal(count, steps, *units)
    assert reciprocal <= cycles_division(count, steps, *units)
    assert cycles_exponential(count, steps + 1, *units) >= cycles_exponential(count, steps, *units)


def test_the_unit_of_pim_gpt():
    unit = load_hardware("pim-gpt").vector.unit
    assert unit.lanes == 256
    assert unit.cycles_per_operation == {
        "add": 1,
        "max": 1,
        "compare": 1,
        "mul": 2,
        "mac": 3,
        "exp": 6 + 12,
        "div": 3 + 14,
        "compute_other": 1,
    }
