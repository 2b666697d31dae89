"""Every variation of a layer equals the plain transformer, at once and position by position."""

import numpy as np
import pytest

from archsim.errors import WorkloadError
from tests.workloads import plain_transformer as plain
from workloads import build_workload
from workloads.layer_kinds import layer_kind, layer_runs, stage_name
from workloads.model import NormConfig

LAYER_NORM = NormConfig(kind="layer", epsilon=1e-5)
NO_ROTATION = {"positions": "none", "rope_theta": None}
MODELS = {
    "biases on queries, keys, values only": plain.tiny_model(
        attention_bias=True, output_bias=False
    ),
    "normalised heads": plain.tiny_model(qk_norm="head"),
    "normalised over all heads": plain.tiny_model(qk_norm="full"),
    "normalised heads, not rotated": plain.tiny_model(qk_norm="head", **NO_ROTATION),
    "window": plain.tiny_model(attention_window=3),
    "window as long as the text": plain.tiny_model(attention_window=7),
    "local, then global": plain.tiny_model(attention_window=2, global_every=2),
    "every second layer unrotated": plain.tiny_model(unrotated_every=2),
    "half rotated": plain.tiny_model(rotary_fraction=0.5),
    "capped": plain.tiny_model(score_cap=1.5, query_scale=0.3),
    "sinks": plain.tiny_model(attention_sinks=True, attention_window=4),
    "slopes": plain.tiny_model(positions="alibi", rope_theta=None),
    "relative biases": plain.tiny_model(
        positions="relative", rope_theta=None, relative_buckets=3, query_scale=1.0
    ),
    "norms before and after": plain.tiny_model(
        norm=NormConfig(kind="rms", epsilon=1e-5, placement="both")
    ),
    "parallel, two norms": plain.tiny_model(parallel=True, norm=LAYER_NORM, gated=False),
    "parallel, one norm": plain.tiny_model(parallel=True, shared_norm=True),
}


def stages(model, **options):
    return {stage.name: stage.cascade for stage in build_workload(model, **options).stages}


def kinds(model):
    return [(stage_name(model, kind), kind) for kind, _ in layer_runs(model)]


@pytest.mark.parametrize("name", MODELS)
def test_prefill_equals_plain_transformer(name):
    model = MODELS[name]
    weights = plain.random_weights(model)
    rows = np.random.default_rng(1).normal(size=(2, 6, model.hidden_size))
    for stage, kind in kinds(model):
        cascade = stages(model, batch=2, context=6)[stage]
        result = plain.run_stage(model, cascade, weights[stage], rows, range(6))["Y"]
        expected = [plain.layer(model, weights[stage], sequence, kind) for sequence in rows]
        np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-12)


def old_rows(full, first, new, window):
    """Caches of a step at position `first`: the rows it may see, and room for the new ones."""
    caches = {}
    for name in ("K", "V"):
        keep = min(first, window - 1) if window else first
        old = full[name][:, :, first - keep : first]
        room = np.full((*old.shape[:2], new, old.shape[3]), np.nan)
        caches[name] = np.concatenate([old, room], axis=2)
    return caches


@pytest.mark.parametrize(
    "options",
    [
        {"phase": "decode", "context": 5},
        {"phase": "decode", "context": 3, "draft_tokens": 2},
        {"phase": "prefill", "history": 2, "context": 4},
    ],
    ids=["decode", "verify", "chunk"],
)
@pytest.mark.parametrize("name", MODELS)
def test_later_positions_equal_a_prefill_at_once(name, options):
    model = MODELS[name]
    weights = plain.random_weights(model)
    rows = np.random.default_rng(3).normal(size=(2, 6, model.hidden_size))
    first = options.get("history", options["context"])
    for stage, kind in kinds(model):
        whole = stages(model, batch=2, context=6)[stage]
        full = plain.run_stage(model, whole, weights[stage], rows, range(6))
        step = stages(model, batch=2, **options)[stage]
        caches = old_rows(full, first, 6 - first, kind.window)
        last = plain.run_stage(
            model, step, weights[stage], rows[:, first:], range(first, 6), caches
        )
        np.testing.assert_allclose(last["Y"], full["Y"][:, first:], rtol=1e-11, atol=1e-12)


def test_head_with_caps_scales_and_biases():
    model = plain.tiny_model(
        logit_cap=2.0, logit_scale=0.5, head_bias=True, embedding_scale=3.0, tied_embeddings=True
    )
    weights = plain.random_weights(model)
    head, table = weights["head"], weights["embedding"]["WTE"]
    tokens = np.array([[3, 1, 4]])
    rows = stages(model, context=3)["embedding"].execute({"WTE": table, "TOK": tokens})["Y"]
    np.testing.assert_allclose(rows, table[tokens] * 3.0)
    raw = plain.normalise(model, rows, head["HNG"]) * 0.5 @ table.T + head["BLM"]
    expected = 2.0 * np.tanh(raw / 2.0)
    last = stages(model, context=3)["head"].execute({**head, "X": rows})["Y"]
    np.testing.assert_allclose(last, expected[:, -1], rtol=1e-12)
    verify = stages(model, phase="decode", context=5, draft_tokens=2)["head"]
    np.testing.assert_allclose(verify.execute({**head, "X": rows})["Y"], expected, rtol=1e-12)


def encoder_decoder(**changes):
    fields = {
        "family": "encoder-decoder",
        "encoder_layers": 3,
        "positions": "relative",
        "rope_theta": None,
        "relative_buckets": 3,
        "tied_embeddings": True,
    }
    return plain.tiny_model(**(fields | changes))


@pytest.mark.parametrize(
    "model",
    [
        encoder_decoder(),
        encoder_decoder(norm=LAYER_NORM, attention_bias=True, ffn_bias=True, gated=False),
        encoder_decoder(norm=NormConfig(kind="rms", epsilon=1e-5, placement="post")),
        encoder_decoder(norm=NormConfig(kind="rms", epsilon=1e-5, placement="both")),
    ],
    ids=["rms", "layer", "post", "both"],
)
def test_encoder_decoder_equals_plain_transformer(model):
    weights = plain.random_weights(model)
    rng = np.random.default_rng(7)
    source = rng.normal(size=(2, 5, model.hidden_size))
    first = stages(model, batch=2, context=5)
    encoder, decoder = layer_kind(model, 0, encoder=True), layer_kind(model, 0)
    w = weights["encoder-layer"]
    out = plain.run_stage(model, first["encoder-layer"], w, source, range(5))["Y"]
    expected = np.stack([plain.layer(model, w, sequence, encoder) for sequence in source])
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)
    if model.norm.placement != "post":
        end = first["encoder-end"].execute({**weights["encoder-end"], "X": out})["Y"]
        gain = weights["encoder-end"]
        plainly = plain.normalise(model, out, gain["YG"], gain.get("YB"))
        np.testing.assert_allclose(end, plainly, rtol=1e-10)
    rows = rng.normal(size=(2, 3, model.hidden_size))
    w = weights["decoder-layer"]
    expected = [plain.layer(model, w, rows[i], decoder, out[i]) for i in range(2)]
    caches = {"ENC": out}
    made = plain.run_stage(model, first["decoder-layer"], w, rows[:, :1], range(1), caches)
    np.testing.assert_allclose(made["Y"], np.stack(expected)[:, :1], rtol=1e-9, atol=1e-12)
    cross = {name: made[name] for name in ("CK", "CV")}
    for position in (1, 2):
        caches = {name: made[name] for name in ("K", "V")}
        caches = {
            name: np.pad(old, [(0, 0)] * 2 + [(0, 1), (0, 0)]) for name, old in caches.items()
        }
        caches |= cross
        step = stages(model, phase="decode", batch=2, context=position, source=5)["decoder-layer"]
        new = rows[:, position : position + 1]
        made = plain.run_stage(model, step, w, new, [position], caches)
        np.testing.assert_allclose(made["Y"][:, 0], np.stack(expected)[:, position], rtol=1e-9)


def merged(weights, adapter):
    """Weights with one adapter's update added."""
    result = dict(weights)
    for name in ("WQ", "WK", "WV", "WO", "WG", "WU", "WD"):
        down, up = weights[f"{name}A"][adapter], weights[f"{name}B"][adapter]
        result[name] = weights[name] + np.tensordot(down, up, 1)
    return result


@pytest.mark.parametrize("bias", [False, True])
def test_adapters_equal_merged_weights(bias):
    model = plain.tiny_model(attention_bias=bias, ffn_bias=bias)
    options = {"batch": 4, "adapters": 2, "adapter_rank": 3}
    cascade = stages(model, context=5, **options)["layer"]
    rng = np.random.default_rng(8)
    weights = {
        tensor.name: rng.normal(size=tensor.shape(cascade)) * 0.5
        for tensor in cascade.role_tensors("weight")
    }
    rows = rng.normal(size=(4, 5, model.hidden_size))
    full = plain.run_stage(model, cascade, weights, rows, range(5))
    expected = [
        plain.layer(model, merged(weights, number // 2), rows[number]) for number in range(4)
    ]
    np.testing.assert_allclose(full["Y"], expected, rtol=1e-9, atol=1e-11)
    step = stages(model, phase="decode", context=4, **options)["layer"]
    last = plain.run_stage(model, step, weights, rows[:, 4:], [4], old_rows(full, 4, 1, 0))
    np.testing.assert_allclose(last["Y"], full["Y"][:, 4:], rtol=1e-9, atol=1e-11)


def test_adapters_cost_their_rank():
    base = build_workload(plain.tiny_model(), batch=4, context=5)
    adapted = build_workload(plain.tiny_model(), batch=4, context=5, adapters=2, adapter_rank=3)
    d, heads, kv, s = 10, 24, 8, 14
    each = 3 * (2 * (d + heads) + 2 * (d + kv) + 3 * (d + s))
    assert adapted.num_parameters() - base.num_parameters() == 2 * 2 * each
    assert adapted.macs() - base.macs() == 2 * 4 * 5 * each
    with pytest.raises(WorkloadError, match=r"options\.adapters: .*a divisor of the batch, 4"):
        build_workload(plain.tiny_model(), batch=4, adapters=3)


def test_sampling_ranks_the_logits():
    model = plain.tiny_model()
    weights = plain.random_weights(model)["head"]
    rows = np.random.default_rng(3).normal(size=(2, 4, model.hidden_size))
    head = stages(model, batch=2, context=4, sampled=3)["head"]
    made = head.execute({**weights, "X": rows})
    np.testing.assert_array_equal(made["NEXT"], np.argsort(-made["Y"], axis=1)[:, :3])
    best = np.exp(np.sort(made["Y"], axis=1)[:, :-4:-1])
    np.testing.assert_allclose(made["PROB"], best / best.sum(1, keepdims=True), rtol=1e-12)
    greedy = stages(model, phase="decode", batch=2, context=4, sampled=1, draft_tokens=3)["head"]
    made = greedy.execute({**weights, "X": rows})
    np.testing.assert_array_equal(made["NEXT"][..., 0], made["Y"].argmax(-1))
    base = build_workload(model, phase="decode", context=4)
    drawn = build_workload(model, phase="decode", context=4, sampled=1)
    assert drawn.op_counts()["max"] - base.op_counts()["max"] == model.vocabulary
    with pytest.raises(WorkloadError, match=r"options\.sampled: .*given 18; allowed: 0 to 17"):
        build_workload(model, sampled=18)
    with pytest.raises(WorkloadError, match=r"options\.sampled"):
        build_workload(plain.tiny_encoder(), sampled=1)
