import dataclasses
import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from archsim.numberformat import parse_format, parse_precision
from tests.workloads import plain_transformer as plain
from tests.workloads.test_einsum import value, visited_points
from workloads import Cascade, CascadeBuilder, attention_cascade, build_workload

BF16 = parse_format("bf16")


def decoder_layer(**options):
    return build_workload(plain.tiny_model(), **options).stages[1].cascade


CASCADES = {
    "decoder layer": decoder_layer(batch=2, context=4),
    "decode step": decoder_layer(phase="decode", batch=2, context=4),
    "encoder layer": build_workload(plain.tiny_encoder(), context=3).stages[1].cascade,
    "embedding": build_workload(plain.tiny_encoder(), context=3).stages[0].cascade,
    "head": build_workload(plain.tiny_model(), context=3).stages[2].cascade,
    "1-pass": attention_cascade("1-pass", queries=3, keys=5, head_dim=2, tile=2, causal=True),
}


@pytest.mark.parametrize("name", CASCADES)
def test_json_round_trip(name):
    cascade = CASCADES[name]
    read = Cascade.from_json(json.loads(json.dumps(cascade.to_json())))
    assert read == cascade
    assert hash(read) == hash(cascade)
    assert read.signature() == cascade.signature()


def test_signature_names_the_content():
    signatures = {cascade.signature() for cascade in CASCADES.values()}
    assert len(signatures) == len(CASCADES)
    cascade = CASCADES["1-pass"]
    assert dataclasses.replace(cascade, name="other").signature() == cascade.signature()
    other = attention_cascade("1-pass", queries=3, keys=5, head_dim=2, tile=3, causal=True)
    assert other.signature() != cascade.signature()
    fewer_bits = decoder_layer(batch=2, context=4, precision="kv=fp8")
    assert fewer_bits.signature() != CASCADES["decoder layer"].signature()


def test_signature_is_stable():
    """Mapping caches on disk are keyed by it: a change throws them away."""
    builder = CascadeBuilder("product")
    for rank, extent in (("I", 4), ("J", 3), ("K", 2)):
        builder.rank(rank, extent)
    builder.tensor("A", "I K", "input", BF16)
    builder.tensor("B", "K J", "weight", parse_format("int4:g128:fp16"))
    builder.tensor("C", "I J", "output", BF16)
    builder.einsum("product", "C[i,j] = A[i,k] * B[k,j]", op_class="gemm", layer="ffn")
    assert builder.build().signature() == "baa9dc4afc69b2cf"


@pytest.mark.parametrize(
    "broken", [{}, {"name": "x"}, {"ranks": 3}, {"ranks": [1]}, {"einsums": [{"name": 1}]}]
)
def test_broken_json(broken):
    data = {"name": "x", "ranks": [], "tensors": [], "einsums": []}
    data = broken and data | broken
    if broken == {"name": "x"}:
        del data["tensors"]
    with pytest.raises(WorkloadError, match="cascade JSON"):
        Cascade.from_json(data)


def touched(cascade, tensor, *, written):
    """Enumerate the elements of a tensor that any visited point reads or writes."""
    elements = set()
    for einsum in cascade.einsums:
        for access in [einsum.output] if written else einsum.operands:
            if access.tensor == tensor:
                for point in visited_points(einsum):
                    elements.add(tuple(value(index, point) for index in access.indices))
    return elements


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_compulsory_bytes_equal_enumeration(batch, positions, history, is_decode):
    if is_decode:
        cascade = decoder_layer(phase="decode", batch=batch, context=history)
    else:
        cascade = decoder_layer(batch=batch, context=positions)
    expected = {}
    for tensor in cascade.tensors:
        made = touched(cascade, tensor.name, written=True)
        read = touched(cascade, tensor.name, written=False) - made
        moved = {
            "read": read if tensor.role in ("input", "weight", "constant", "kv") else (),
            "write": made if tensor.role in ("output", "kv") else (),
        }
        for direction, elements in moved.items():
            if elements:
                key = (tensor.role, direction)
                expected[key] = expected.get(key, 0) + 2 * len(elements)
    assert cascade.compulsory_traffic() == expected
    total = sum(cascade.compulsory_bytes().values())
    assert total == sum(expected.values())


def test_gathers_read_only_the_rows_they_need():
    few = build_workload(plain.tiny_model(), batch=2, context=3).stages[0].cascade
    assert few.compulsory_bytes() == {"weight": 6 * 10 * 2, "input": 6 * 4, "output": 6 * 10 * 2}
    many = build_workload(plain.tiny_model(), batch=2, context=30).stages[0].cascade
    assert many.compulsory_bytes()["weight"] == 17 * 10 * 2


def test_head_reads_the_last_position_only():
    assert CASCADES["head"].compulsory_bytes() == {
        "input": 10 * 2,
        "weight": (17 * 10 + 10) * 2,
        "output": 17 * 2,
    }


@pytest.mark.parametrize("name", CASCADES)
@pytest.mark.parametrize("fused", [(), ("QK", "SN", "A")])
def test_footprint_equals_a_walk_over_the_order(name, fused):
    cascade = CASCADES[name]
    activations = [
        tensor
        for tensor in cascade.role_tensors("input", "intermediate", "output")
        if tensor.name not in fused
    ]
    live = {tensor.name for tensor in activations if tensor.role == "input"}
    sizes = []
    for position, einsum in enumerate(cascade.einsums):
        live.add(einsum.output.tensor)
        sizes.append(sum(t.num_bytes(cascade) for t in activations if t.name in live))
        needed = {read for later in cascade.einsums[position + 1 :] for read in later.reads()}
        needed |= {later.output.tensor for later in cascade.einsums[position + 1 :]} & live
        needed |= {tensor.name for tensor in activations if tensor.role == "output"}
        live &= needed
    found = cascade.footprint(fused=fused)
    assert [size for _, size in found.timeline] == sizes
    assert found.peak_bytes == max(sizes) == sum(size for _, size in found.live)
    assert found.peak_bytes == cascade.footprint_bytes(fused=fused)


def test_footprint_names_what_is_live():
    found = CASCADES["decoder layer"].footprint()
    assert found.einsum == "numerator"
    assert found.live == (("QK", 384), ("SN", 384), ("GM", 192), ("X", 160))
    unfused = CASCADES["decoder layer"].footprint(fused=("QK", "SN", "A"))
    assert unfused.einsum != "numerator"


def test_subset_turns_borders_into_inputs_and_outputs():
    whole = CASCADES["decoder layer"]
    names = ["scores", "row_max", "numerator", "denominator", "normalise", "context"]
    part = whole.subset(names, "attention")
    roles = {tensor.name: tensor.role for tensor in part.tensors}
    assert roles == {
        "K": "kv",
        "V": "kv",
        "Q": "input",
        "QK": "intermediate",
        "SN": "intermediate",
        "GM": "intermediate",
        "SD": "intermediate",
        "AV": "output",
        "A": "intermediate",
    }
    assert {rank.name for rank in part.ranks} == set("BPGREFM")
    assert part.macs() == sum(whole.einsum(name).macs() for name in names)
    with pytest.raises(
        WorkloadError, match=r"unknown einsum; given 'score'.*did you mean 'scores'"
    ):
        whole.subset(["score"], "x")


def test_subsets_executed_in_turn_equal_the_whole():
    model = plain.tiny_model()
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(0).normal(size=(2, 4, 10))
    whole = CASCADES["decoder layer"]
    expected = plain.run_stage(model, whole, weights, rows, range(4))
    cosines, sines = plain.rotary_tables(model, np.arange(4))
    known = {**weights, "X": rows, "COS": cosines, "SIN": sines}
    names = [einsum.name for einsum in whole.einsums]
    for start in range(0, len(names), 5):
        part = whole.subset(names[start : start + 5], "part")
        wanted = {tensor.name for tensor in part.tensors}
        known |= part.execute({k: v for k, v in known.items() if k in wanted})
    np.testing.assert_allclose(known["Y"], expected["Y"], rtol=1e-12)


def test_execution_refusals():
    cascade = CASCADES["decode step"].subset(["scores"], "scores")
    query, keys = np.zeros((2, 2, 3, 1, 4)), np.zeros((2, 2, 5, 4))
    with pytest.raises(WorkloadError, match="input K is missing"):
        cascade.execute({"Q": query})
    with pytest.raises(WorkloadError, match=r"input K has the wrong shape; given '\(2, 2, 4, 4\)'"):
        cascade.execute({"Q": query, "K": keys[:, :, :4]})
    step = CASCADES["decode step"].subset(["value_projection", "context"], "values")
    given = {"AN": np.zeros((2, 1, 10)), "WV": np.zeros((10, 2, 4)), "A": np.zeros((2, 2, 3, 1, 5))}
    with pytest.raises(WorkloadError, match="input V is missing"):
        step.execute(given)


@given(st.sampled_from(["gemm", "max"]), st.integers(0, 2**32 - 1))
def test_matrix_product_by_einsum_equals_the_generic_path(kind, seed):
    """A shifted index takes the generic path; both must agree."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    builder = CascadeBuilder("x")
    for rank, extent in (("I", 3), ("K", 4), ("J", 5), ("L", 6)):
        builder.rank(rank, extent)
    for name, ranks, role in (
        ("A", "I K", "input"),
        ("B", "K J", "input"),
        ("S", "L J", "input"),
        ("C", "I J", "output"),
        ("D", "I J", "output"),
    ):
        builder.tensor(name, ranks, role, BF16)
    reduce = {"k": "max"} if kind == "max" else None
    tags = {"op_class": "gemm", "layer": "ffn", "reduce": reduce}
    builder.einsum("plain", "C[i,j] = A[i,k] * B[k,j]", **tags)
    builder.einsum("shifted", "D[i,j] = A[i,k] * S[k+2,j]", **tags)
    out = builder.build().execute({"A": a, "B": b, "S": np.pad(b, ((2, 0), (0, 0)))})
    every = a[:, :, None] * b[None]
    expected = every.max(1) if kind == "max" else every.sum(1)
    np.testing.assert_allclose(out["C"], expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(out["D"], expected, rtol=1e-12, atol=1e-14)


def test_points_beyond_the_filter_are_left_alone():
    cascade = CASCADES["decoder layer"].subset(["scores"], "scores")
    ones = {"Q": np.ones((2, 2, 3, 4, 4)), "K": np.ones((2, 2, 4, 4))}
    scores = cascade.execute(ones)["QK"]
    for query, key in product(range(4), repeat=2):
        assert np.all(scores[..., query, key] == (4 if key <= query else 0))


def test_text_form():
    lines = str(CASCADES["1-pass"]).splitlines()
    assert lines[0] == "attention-1-pass:"
    assert "  tile_max: LM[b,g,r,m1,p] = BQK[b,g,r,m1,m0<=p-m1*2+2,p]  (max over m0)" in lines


def test_integer_formats_count_their_scales():
    precision = parse_precision("weights=int4:g128:fp16")
    model = plain.tiny_model()
    workload = build_workload(model, context=2, precision=precision)
    tensor = workload.stages[1].cascade.tensor("WU")
    assert tensor.num_bytes(workload.stages[1].cascade) == -(-140 * 528 // 1024)
