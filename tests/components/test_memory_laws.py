"""Laws of vector unit, buffer, DMA and transfers: closed forms against step-by-step counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.components import memory_batch as batch
from archsim.components.dma import cycles_dma
from archsim.components.sram import cycles_sram, cycles_sram_strided
from archsim.components.vector_unit import cycles_reduce, cycles_vector
from archsim.errors import ConfigError
from archsim.units import transfer_ps

counts = st.integers(0, 10**6)
lanes = st.integers(1, 4096)


@given(counts, lanes, st.integers(1, 9), st.integers(0, 500))
def test_more_lanes_are_never_slower(count, width, cycles, extra):
    slow = cycles_vector(count, width, cycles)
    assert cycles_vector(count, width + extra, cycles) <= slow
    assert slow * width >= count * cycles


def test_reduction_shares_lanes_among_rows():
    # 8 lanes, one row of 32: each lane folds 4, then 3 tree steps.
    assert cycles_reduce(32, 1, 8, 1) == 4 + 3
    # 2 rows of 16 on 8 lanes: 4 lanes a row, 4 each, 2 tree steps.
    assert cycles_reduce(32, 2, 8, 1) == 4 + 2
    # As many rows as lanes: one element of each row a cycle.
    assert cycles_reduce(32, 8, 8, 1) == 4
    assert cycles_reduce(0, 4, 8, 1) == 0


@given(counts, st.integers(1, 1000), lanes, st.integers(1, 9))
def test_a_reduction_is_never_faster_than_its_elements(count, results, width, cycles):
    assert cycles_reduce(count, results, width, cycles) * width >= count * cycles


@given(st.integers(1, 300), st.integers(0, 70), st.sampled_from([1, 2, 3, 8, 12, 32]))
def test_strided_conflicts_equal_a_count_by_bank(words, stride, banks):
    visits = [0] * banks
    for index in range(words):
        visits[index * stride % banks] += 1
    assert cycles_sram_strided(words, stride, banks) == max(visits)


@given(st.lists(st.tuples(counts, st.integers(1, 5000), lanes), min_size=1))
def test_batched_twins_equal_the_scalar_laws(rows):
    x, y, z = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    pairs = [
        (batch.cycles_vector_batch(x, z, 3), [cycles_vector(a, c, 3) for a, _, c in rows]),
        (batch.cycles_reduce_batch(x, y, z, 3), [cycles_reduce(a, b, c, 3) for a, b, c in rows]),
        (batch.cycles_sram_batch(x, z), [cycles_sram(a, c) for a, _, c in rows]),
        (
            batch.cycles_sram_strided_batch(x, y, 24),
            [cycles_sram_strided(a, b, 24) for a, b, _ in rows],
        ),
        (batch.cycles_dma_batch(x, y, 7, 64), [cycles_dma(a, b, 7, 64) for a, b, _ in rows]),
    ]
    for many, scalar in pairs:
        assert many.tolist() == scalar


@given(
    st.lists(st.integers(0, 2**40), min_size=1),
    st.one_of(st.integers(10**6, 10**13).map(float), st.floats(1e6, 1e13)),
)
def test_batched_transfers_are_exact(sizes, rate):
    scalar = [transfer_ps(size, rate) for size in sizes]
    assert batch.transfer_ps_batch(np.array(sizes), rate).tolist() == scalar


def test_batched_transfers_refuse_what_has_no_answer():
    assert batch.transfer_ps_batch(np.array([], dtype=np.int64), 1e9).tolist() == []
    with pytest.raises(ConfigError, match="negative"):
        batch.transfer_ps_batch(np.array([-1]), 1e9)
    with pytest.raises(ConfigError, match="positive and finite"):
        batch.transfer_ps_batch(np.array([1]), 0.0)
    with pytest.raises(ConfigError, match="longer than the time range"):
        batch.transfer_ps_batch(np.array([2**62]), 1.0)
