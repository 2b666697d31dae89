"""Formats with scales, scaled by einsums: the same values, the same bytes, the same products."""

import numpy as np
import pytest

from tests.workloads import plain_transformer as plain
from tests.workloads.test_variants import stages
from workloads import Cascade, build_workload, load_workload
from workloads.model import MlaConfig, MoeConfig


def values_of(stored, name):
    """The values of a matrix with scales along one axis, and perhaps zero points."""
    scale, zero = stored[f"{name}SCALE"], stored.get(f"{name}ZERO", 0.0)
    axis = next(i for i, extent in enumerate(stored[name].shape) if scale.shape[i] != extent)
    each = stored[name].shape[axis] // scale.shape[axis]
    scale = np.repeat(scale, each, axis=axis)
    zero = np.repeat(zero, each, axis=axis) if np.ndim(zero) else zero
    return (stored[name] - zero) * scale


@pytest.mark.parametrize("weights", ["int4:g5:fp16", "int4:g5:fp16:int4", "mxfp4"])
def test_dequantisation_multiplies_by_the_scale_of_the_group(weights):
    model = plain.tiny_model()
    options = {"context": 4, "precision": f"weights={weights}", "dequantise": True}
    workload = build_workload(model, **options)
    cascade = workload.stages[1].cascade
    rng = np.random.default_rng(9)
    stored = {
        tensor.name: rng.normal(size=tensor.shape(cascade)) * 0.5
        for tensor in cascade.role_tensors("weight")
    }
    plainly = dict(stored)
    for name in ("WQ", "WK", "WV", "WO", "WG", "WU", "WD"):
        plainly[name] = values_of(stored, name)
    rows = rng.normal(size=(1, 4, model.hidden_size))
    made = plain.run_stage(model, cascade, stored, rows, range(4))["Y"]
    np.testing.assert_allclose(made[0], plain.layer(model, plainly, rows[0]), rtol=1e-10)
    assert workload.num_parameters() == build_workload(model, context=4).num_parameters()
    again = Cascade.from_json(cascade.to_json())
    assert again.signature() == cascade.signature()


def test_explicit_scales_take_the_bytes_that_the_format_says():
    precision = "weights=int4:g128:fp16"
    options = {"context": 4, "precision": precision}
    folded = load_workload("llama3-8b", **options)
    explicit = load_workload("llama3-8b", **options, dequantise=True)
    assert explicit.weight_bytes() == folded.weight_bytes()
    assert explicit.macs() == folded.macs()
    counts = explicit.op_counts()["mul"] - folded.op_counts()["mul"]
    # All matrices but the embedding, of which four rows are.
    assert counts == explicit.num_parameters() - 128256 * 4096 - 65 * 4096 + 4 * 4096


@pytest.mark.parametrize("weights", ["int4:g5:fp16", "nvfp4"])
def test_embedding_head_and_experts_are_dequantised(weights):
    moe = MoeConfig(experts=4, active=2, expert_size=5)
    model = plain.tiny_model(moe=moe, positions="learned", rope_theta=None, token_types=2)
    options = {"context": 4, "precision": f"weights={weights}", "dequantise": True}
    options["routing"] = (3, 3, 1, 1)
    made = stages(model, **options)
    rng = np.random.default_rng(9)
    stored = {
        name: {
            tensor.name: rng.normal(size=tensor.shape(cascade))
            for tensor in cascade.role_tensors("weight")
        }
        for name, cascade in made.items()
    }
    ids = {"TOK": [[3, 1, 16, 0]], "POS": [0, 1, 2, 3], "TYPE": [[0, 1, 1, 0]]}
    embedded = made["embedding"].execute({**stored["embedding"], **ids})["Y"][0]
    tables = {name: values_of(stored["embedding"], name) for name in ("WTE", "WPE", "WTT")}
    rows = tables["WTE"][ids["TOK"][0]] + tables["WPE"][:4] + tables["WTT"][ids["TYPE"][0]]
    np.testing.assert_allclose(embedded, rows, rtol=1e-12)
    logits = made["head"].execute({**stored["head"], "X": embedded[None]})["Y"][0]
    last = plain.normalise(model, embedded[-1], stored["head"]["HNG"])
    np.testing.assert_allclose(logits, last @ values_of(stored["head"], "WLM").T, rtol=1e-12)
    layer = made["layer"]
    for part in "UGD":
        whole = values_of(stored["layer"], f"WX{part}")
        names = ("SEQ", "POS", "SLOT")
        inputs = {name: np.zeros(layer.tensor(name).shape(layer)) for name in names}
        run = layer.execute({**stored["layer"], **inputs, "X": embedded[None]})
        np.testing.assert_allclose(run[f"WX{part}D0"], whole[:2], rtol=1e-12)
        np.testing.assert_allclose(run[f"WX{part}D1"], whole[2:], rtol=1e-12)
    folded = build_workload(model, **{**options, "dequantise": False})
    explicit = build_workload(model, **options)
    assert explicit.num_parameters() == folded.num_parameters()
    assert explicit.active_parameters() == folded.active_parameters()
    assert explicit.macs() == folded.macs()


@pytest.mark.parametrize("tied", [True, False])
def test_scales_of_a_tied_embedding_count_once(tied):
    model = plain.tiny_model(tied_embeddings=tied)
    options = {"context": 2, "precision": "weights=int8:g2:fp16"}
    folded = build_workload(model, **options)
    explicit = build_workload(model, dequantise=True, **options)
    matrices = 17 * 10 * (1 if tied else 2) + 2 * (10 * 24 * 2 + 10 * 8 * 2 + 3 * 10 * 14)
    assert folded.num_parameters() == explicit.num_parameters() == matrices + 5 * 10
    assert explicit.weight_bytes() == folded.weight_bytes() == 2 * matrices + 5 * 10 * 2


CACHED = {
    "grouped heads": plain.tiny_model(),
    "window": plain.tiny_model(attention_window=3),
    "latent, absorbed": plain.tiny_model(
        mla=MlaConfig(latent_rank=6, plain_dim=4, rotary_dim=2, value_dim=3, absorb="always"),
        kv_heads=6,
        head_dim=6,
    ),
    "latent, plain": plain.tiny_model(
        mla=MlaConfig(latent_rank=6, plain_dim=4, rotary_dim=2, value_dim=3, absorb="never"),
        kv_heads=6,
        head_dim=6,
    ),
}


@pytest.mark.parametrize("kv", ["int4:g2:fp16", "int8:g2:fp16:int8", "fp8:g2:fp16"])
@pytest.mark.parametrize("name", CACHED)
def test_a_cache_with_scales_holds_the_same_values(name, kv):
    model = CACHED[name]
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(4).normal(size=(1, 6, model.hidden_size))
    options = {"precision": f"kv={kv}", "dequantise": True}
    whole = plain.run_stage(model, stages(model, context=6)["layer"], weights, rows, range(6))
    scaled = stages(model, context=6, **options)["layer"]
    first = plain.run_stage(model, scaled, weights, rows, range(6))
    np.testing.assert_allclose(first["Y"], whole["Y"], rtol=1e-9, atol=1e-12)
    step = stages(model, phase="decode", context=5, **options)["layer"]
    caches = {}
    for tensor in step.role_tensors("kv"):
        length = tensor.shape(step)[2]
        old = np.array(
            first[
                tensor.name.replace("KC", "KVC")
                if model.mla and tensor.name not in first
                else tensor.name
            ][:, :, 6 - length :]
        )
        old[:, :, -1] = np.nan
        caches[tensor.name] = old
    last = plain.run_stage(model, step, weights, rows[:, 5:], [5], caches)
    np.testing.assert_allclose(last["Y"], whole["Y"][:, 5:], rtol=1e-8, atol=1e-11)
    folded = stages(model, phase="decode", context=5, precision=f"kv={kv}")["layer"]
    moved = [cascade.compulsory_traffic() for cascade in (step, folded)]
    for direction in ("read", "write"):
        assert abs(moved[0]["kv", direction] - moved[1]["kv", direction]) <= 6
    assert step.macs() == folded.macs()
    names = [tensor.name for tensor in step.role_tensors("kv")]
    assert all("C" in item for item in names)
    if "fp16:" not in kv and not model.mla:
        largest = {"int4": 7, "fp8": 448}[kv[:4].rstrip(":")]
        assert np.abs(first["KC"]).max() == pytest.approx(largest)


def test_a_cross_cache_with_scales_holds_the_same_values():
    model = plain.tiny_model(
        family="encoder-decoder", encoder_layers=1, positions="none", rope_theta=None
    )
    weights = plain.random_weights(model)["decoder-layer"]
    rng = np.random.default_rng(4)
    rows, source = rng.normal(size=(1, 1, 10)), rng.normal(size=(1, 3, 10))
    options = {"precision": "kv=int8:g4:fp16", "dequantise": True}
    cascade = stages(model, context=3, **options)["decoder-layer"]
    made = plain.run_stage(model, cascade, weights, rows, [0], {"ENC": source})
    expected = plain.layer(model, weights, rows[0], source=source[0])
    np.testing.assert_allclose(made["Y"][0], expected, rtol=1e-10)
    later = stages(model, phase="decode", context=1, source=3, **options)["decoder-layer"]
    assert "cross_key_projection" not in str(later)
    assert "ck_cache_dequantise" in str(later)
