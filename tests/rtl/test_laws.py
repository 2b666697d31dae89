"""Laws of the reference blocks: batched twins, monotony, refresh, and what the blocks measured."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.components import (
    arbiter_batch,
    arbiter_laws,
    cim_batch,
    cim_laws,
    credit_batch,
    credit_laws,
    pim_batch,
    pim_laws,
    pingpong_batch,
    pingpong_laws,
    router_batch,
    router_laws,
    softmax_batch,
    softmax_laws,
)

small = st.integers(1, 200)
counts = st.lists(small, min_size=1, max_size=6)
timings = st.builds(
    pim_laws.PimTiming,
    **{
        name: st.integers(1, 60)
        for name in ("t_rcd", "t_rp", "t_ras", "t_ccd", "t_rtp", "t_wtp", "t_cl", "t_mac")
    },
    t_rfc=st.integers(1, 500),
)


def same(batched, scalar, *columns):
    """Compare a batched law with its scalar twin over the rows of several columns."""
    arrays = [np.asarray(column, dtype=np.int64) for column in columns]
    values = batched(*arrays)
    assert values.dtype == np.int64
    assert values.tolist() == [scalar(*row) for row in zip(*columns, strict=True)]


TWINS = [
    (cim_batch.cycles_cim_steps_batch, cim_laws.cycles_cim_steps, 4),
    (cim_batch.cycles_cim_latency_batch, cim_laws.cycles_cim_latency, 2),
    (pingpong_batch.cycles_pingpong_interval_batch, pingpong_laws.cycles_pingpong_interval, 2),
    (pingpong_batch.cycles_pingpong_batch, pingpong_laws.cycles_pingpong, 3),
    (credit_batch.cycles_credit_latency_batch, credit_laws.cycles_credit_latency, 1),
    (credit_batch.cycles_credit_round_trip_batch, credit_laws.cycles_credit_round_trip, 2),
    (credit_batch.cycles_credit_accept_batch, credit_laws.cycles_credit_accept, 4),
    (credit_batch.cycles_credit_stream_batch, credit_laws.cycles_credit_stream, 4),
    (router_batch.cycles_router_token_batch, router_laws.cycles_router_token, 1),
    (router_batch.cycles_router_batch, router_laws.cycles_router, 2),
    (softmax_batch.cycles_softmax_interval_batch, softmax_laws.cycles_softmax_interval, 3),
    (softmax_batch.cycles_softmax_batch, softmax_laws.cycles_softmax, 4),
]


@pytest.mark.parametrize(
    ("batched", "scalar", "arity"), TWINS, ids=lambda x: getattr(x, "__name__", "")
)
@given(data=st.data())
def test_twins(batched, scalar, arity, data):
    rows = data.draw(st.lists(st.tuples(*[small] * arity), min_size=1, max_size=8))
    same(batched, scalar, *zip(*rows, strict=True))


@given(st.lists(st.tuples(*[small] * 4), min_size=1, max_size=8), st.integers(1, 2))
def test_cim_sets_twin(rows, planes):
    fixed = [(*row[:2], row[2] % 9, row[3], 1 + row[0] % 5, planes) for row in rows]
    same(cim_batch.cycles_cim_sets_batch, cim_laws.cycles_cim_sets, *zip(*fixed, strict=True))
    intervals = [(row[0], row[1], row[3], planes) for row in rows]
    columns = list(zip(*intervals, strict=True))
    same(cim_batch.cycles_cim_interval_batch, cim_laws.cycles_cim_interval, *columns)


@given(timings, st.lists(st.tuples(small, small, st.integers(0, 9)), min_size=1, max_size=8))
def test_pim_twins(timing, rows):
    columns = list(zip(*rows, strict=True))
    for batched, scalar, used in (
        (pim_batch.cycles_pim_gemv_batch, pim_laws.cycles_pim_gemv, columns),
        (pim_batch.cycles_pim_row_batch, pim_laws.cycles_pim_row, columns[1:2]),
        (pim_batch.cycles_pim_write_row_batch, pim_laws.cycles_pim_write_row, columns[1:2]),
        (pim_batch.rows_per_refresh_batch, pim_laws.rows_per_refresh, columns[:2]),
    ):
        same(
            lambda *args, law=batched: law(timing, *args),
            lambda *args, law=scalar: law(timing, *args),
            *used,
        )


@given(timings, st.integers(1, 64), st.integers(1, 20))
def test_refresh_interval_is_kept(timing, macs, rows):
    """Rows between two refreshes fit into tREFI, and one more row would not."""
    row = pim_laws.cycles_pim_row(timing, macs)
    t_refi = timing.t_rfc + rows * row
    assert pim_laws.rows_per_refresh(timing, macs, t_refi) == rows
    assert pim_laws.rows_per_refresh(timing, macs, t_refi + row - 1) == rows
    with_refresh = pim_laws.cycles_pim_gemv(timing, 2 * rows + 1, macs, rows)
    without = pim_laws.cycles_pim_gemv(timing, 2 * rows + 1, macs)
    assert with_refresh - without == 2 * timing.t_rfc


@given(counts, st.data())
def test_arbiter_laws_agree_with_the_order_of_grants(weights, data):
    rounds = data.draw(st.integers(1, 3))
    order = arbiter_laws.wrr_grants(weights, [rounds * weight for weight in weights])
    assert len(order) == arbiter_laws.cycles_wrr_drain(weights, [rounds * w for w in weights])
    requester = data.draw(st.integers(0, len(weights) - 1))
    places = [cycle for cycle, winner in enumerate(order) if winner == requester]
    transfers = np.arange(len(places))
    law = [arbiter_laws.cycles_wrr_grant(weights, requester, q) for q in transfers.tolist()]
    assert places == law
    twin = arbiter_batch.cycles_wrr_grant_batch(weights, requester, transfers)
    assert twin.tolist() == law
    worst = arbiter_laws.cycles_wrr_worst_wait(weights, requester)
    assert arbiter_batch.cycles_wrr_worst_wait_batch(weights, requester).tolist() == worst
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(places)]
    assert all(gap in (0, worst) for gap in gaps)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 30)), min_size=1, max_size=5))
def test_arbiter_serves_every_backlog(pairs):
    weights, backlog = [list(column) for column in zip(*pairs, strict=True)]
    order = arbiter_laws.wrr_grants(weights, backlog)
    assert [order.count(index) for index in range(len(weights))] == backlog
    cycles = arbiter_laws.cycles_wrr_drain(weights, backlog)
    assert arbiter_batch.cycles_wrr_drain_batch(weights, np.array(backlog)) == cycles == len(order)


def test_arbiter_wants_a_weight_for_each():
    with pytest.raises(ValueError, match="2 weights for 1"):
        arbiter_laws.cycles_wrr_drain([1, 2], [3])
    with pytest.raises(ValueError, match="2 weights for 1"):
        arbiter_batch.cycles_wrr_drain_batch([1, 2], np.array([3]))


def test_published_counts():
    """Counts that were measured once on independent prototypes of the blocks."""
    near = pim_laws.PimTiming(14, 14, 33, 4, 5, 20, 14, 6, 50)
    assert pim_laws.cycles_pim_gemv(near, 1, 32) == 144
    assert pim_laws.cycles_pim_row(near, 32) == 157
    assert pim_laws.cycles_pim_gemv(near, 4, 32) == 615
    assert pim_laws.cycles_pim_row(near, 1) == 47
    assert pim_laws.cycles_pim_gemv(near, 3, 1) == 114
    assert cim_laws.cycles_cim_latency(cim_laws.cycles_cim_steps(16, 8), 2) == 11
    assert cim_laws.cycles_cim_sets(16, 8, 2, 20, 1, 1) == 16 + 163
    assert cim_laws.cycles_cim_sets(8, 4, 1, 20, 1, 1) == 8 + 82
    assert [pingpong_laws.cycles_pingpong(8, hold, 6) for hold in (5, 8, 13)] == [52, 55, 85]
    softmax = ((16, 1, 4, 1), (16, 4, 5, 1), (32, 4, 1, 1), (16, 4, 5, 6), (8, 8, 3, 3))
    assert [softmax_laws.cycles_softmax(*row) for row in softmax] == [90, 35, 23, 155, 23]
    rates = [100 / credit_laws.cycles_credit_accept(depth, 3, 2, 100) for depth in (4, 7, 9)]
    assert rates == pytest.approx([4 / 7, 1, 1], rel=0.01)


def test_laws_import_no_numpy():
    names = ("arbiter", "cim", "credit", "pim", "pingpong", "router", "softmax")
    code = "import sys\n" + "\n".join(f"import archsim.components.{n}_laws" for n in names)
    subprocess.run([sys.executable, "-c", code + "\nassert 'numpy' not in sys.modules"], check=True)
