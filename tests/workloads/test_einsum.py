from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from tests.workloads import plain_transformer as plain
from workloads import Einsum, PrefixFilter, attention_cascade, build_workload


def value(index, point):
    return index.offset + sum(factor * point[name] for name, factor in index.terms)


def visited_points(einsum):
    """Enumerate the iteration space and keep the points that pass every filter."""
    names = [name for name, _ in einsum.space]
    for point in product(*(range(extent) for _, extent in einsum.space)):
        at = dict(zip(names, point, strict=True))
        filters = [i for access in einsum.operands for i in access.indices if i.bound is not None]
        if all(
            value(index.bound, at) - (index.window or 10**9)
            < value(index, at)
            <= value(index.bound, at)
            for index in filters
        ):
            yield at


@given(st.integers(1, 12), st.integers(1, 12), st.integers(-15, 15), st.integers(0, 9), st.data())
def test_filter_count_equals_enumeration(keys, queries, offset, window, data):
    kept = PrefixFilter((("m", keys),), (("p", queries),), offset, window)
    first = data.draw(st.integers(0, queries))
    stop = data.draw(st.integers(0, queries))
    rows = [
        sum(p + offset - (window or 99) < m <= p + offset for m in range(keys))
        for p in range(queries)
    ]
    assert [kept.visible(p) for p in range(queries)] == rows
    assert kept.visited() == sum(rows)
    assert kept.visited(first, stop) == sum(rows[first:stop])


def test_filter_count_of_a_million_rows_is_closed_form():
    kept = PrefixFilter((("m", 10**12 + 10**6),), (("p", 10**6),), 10**12)
    assert kept.visited() == 10**6 * 10**12 + 10**6 * (10**6 + 1) // 2


@given(
    st.sampled_from(["3-pass", "2-pass-deferred", "1-pass"]),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 8),
    st.booleans(),
)
def test_counts_equal_enumeration(form, queries, history, tile, causal):
    cascade = attention_cascade(
        form,
        queries=queries,
        keys=queries + history,
        head_dim=2,
        group=2,
        tile=tile,
        causal=causal,
    )
    for einsum in cascade.einsums:
        points = len(list(visited_points(einsum)))
        assert einsum.points() == points
        assert einsum.dense_points() >= points
        counts = einsum.op_counts()
        if einsum.op_class == "attention" and einsum.reduce:
            assert counts == {"mac": points}
            assert einsum.macs() == points
        else:
            assert einsum.macs() == 0
            assert all(count % points == 0 for count in counts.values()) or not points


def test_vector_counts_by_hand():
    """Counts per point, written out: map operations plus one reduction step."""
    model = plain.tiny_model(norm=plain.NormConfig(kind="layer", epsilon=1e-5))
    cascade = build_workload(model, batch=2, context=3).stages[1].cascade
    rows, width, hidden = 2 * 3, 10, 14
    seen = 2 * 6 * (1 + 2 + 3)
    pairs = rows * 6 * 2
    expected = {
        "attention_norm_sum": {"add": rows * width},
        "attention_norm_mean": {"mul": rows},
        "attention_norm_centre": {"add": rows * width},
        "attention_norm_square_sum": {"add": rows * width, "mul": rows * width},
        "attention_norm_root": {"add": rows, "div": rows, "mul": rows},
        "attention_norm_scale": {"add": rows * width, "mul": 2 * rows * width},
        "query_rotary_low": {"add": pairs, "mul": 2 * pairs},
        "query_scale": {"mul": rows * 24},
        "scores": {"mac": seen * 4},
        "row_max": {"max": seen},
        "numerator": {"add": seen, "exp": seen},
        "denominator": {"add": seen},
        "normalise": {"div": seen},
        "context": {"mac": seen * 4},
        "activation": {
            "add": rows * hidden,
            "div": rows * hidden,
            "exp": rows * hidden,
            "mul": rows * hidden,
        },
        "ffn_residual": {"add": rows * width},
    }
    assert {name: cascade.einsum(name).op_counts() for name in expected} == expected
    assert cascade.einsum("scores").dense_macs() == 2 * 6 * 9 * 4


def parse(statement, **options):
    extents = {"i": 3, "j": 4, "k": 5, "b": 2}
    return Einsum.parse("e", statement, extents, **options)


@pytest.mark.parametrize(
    "statement",
    [
        "C[i,j] = A[i,k] + B[k,j]",
        "C[i] = A[i,k]",
        "C[i,k] = A[i,k] * B[k]",
        "C[i,j] = A[i,k] * B[j]",
        "C[b] = A[b,k] * B[b,k]",
        "C[i,j] = A[i,k] * A[j,k]",
        "C[i,j] = A[i,k] * B[k,j] * 2.0",
    ],
)
def test_what_is_no_matrix_product(statement):
    assert parse(statement).matmul() is None
    assert parse(statement).macs() == 0


def test_matrix_products():
    dims = parse("C[b,i,j] = A[b,i,k] * B[b,k,j]").matmul()
    assert (dims.batch, dims.m, dims.n, dims.k) == (2, 3, 4, 5)
    assert dims.dense_macs == 120
    vector = parse("C[i] = A[i,k] * B[k]").matmul()
    assert (vector.m, vector.n, vector.k) == (3, 1, 5)
    assert parse("C[i,j] = A[i,k] * B[k,j]", reduce={"k": "max"}).matmul() is None


@pytest.mark.parametrize(
    ("statement", "options", "message"),
    [
        ("C[i] = A[i,z]", {}, "no rank for variable z"),
        ("C[i] = A[i,k]", {"reduce": {"i": "max"}}, "not reduced; given 'i'; allowed: k"),
    ],
)
def test_einsum_refusals(statement, options, message):
    with pytest.raises(WorkloadError, match=message):
        parse(statement, **options)


def test_filter_needs_a_gapless_coordinate():
    with pytest.raises(WorkloadError, match="without gaps"):
        _ = parse("C[i] = A[i,k*2<=i]").filter
