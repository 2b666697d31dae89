import numpy as np
import pytest

from tests.workloads import plain_transformer as plain
from workloads import build_workload
from workloads.model import ACTIVATIONS, NormConfig

MODELS = {
    "grouped": plain.tiny_model(),
    "multi-head": plain.tiny_model(kv_heads=6),
    "multi-query": plain.tiny_model(kv_heads=1),
    "layer norm, biases, learned positions": plain.tiny_model(
        norm=NormConfig(kind="layer", epsilon=1e-5),
        attention_bias=True,
        ffn_bias=True,
        gated=False,
        positions="learned",
        rope_theta=None,
        activation="gelu-tanh",
    ),
    "gate with bias, rotary keys with bias": plain.tiny_model(
        attention_bias=True, ffn_bias=True, activation="gelu"
    ),
    "encoder": plain.tiny_encoder(),
    "encoder, norm first": plain.tiny_encoder(norm=NormConfig(kind="rms", epsilon=1e-6)),
}


def stages(model, **options):
    return {stage.name: stage for stage in build_workload(model, **options).stages}


@pytest.mark.parametrize("name", MODELS)
def test_layer_equals_plain_transformer(name):
    model = MODELS[name]
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(1).normal(size=(3, 5, model.hidden_size))
    cascade = stages(model, batch=3, context=5)["layer"].cascade
    result = plain.run_stage(model, cascade, weights, rows, range(5))["Y"]
    expected = np.stack([plain.layer(model, weights, sequence) for sequence in rows])
    np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "gated"),
    [(name, True) for name in ACTIVATIONS]
    + [(name, False) for name in ACTIVATIONS if name != "silu-clipped"],
)
def test_feed_forward_equals_plain(activation, gated):
    model = plain.tiny_model(activation=activation, gated=gated)
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(2).normal(size=(1, 2, model.hidden_size))
    cascade = stages(model, context=2)["layer"].cascade
    result = plain.run_stage(model, cascade, weights, rows, range(2))
    expected = plain.feed_forward(model, weights, result["FN"][0])
    np.testing.assert_allclose(result["FO"][0], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in MODELS if "encoder" not in name])
def test_decode_step_equals_last_row_of_prefill(name):
    model = MODELS[name]
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(3).normal(size=(2, 6, model.hidden_size))
    whole = stages(model, batch=2, context=6)["layer"].cascade
    full = plain.run_stage(model, whole, weights, rows, range(6))
    step = stages(model, phase="decode", batch=2, context=5)["layer"].cascade
    caches = {"K": full["K"].copy(), "V": full["V"].copy()}
    for cache in caches.values():
        cache[:, :, 5:] = np.nan  # the step itself must write the new row
    last = plain.run_stage(model, step, weights, rows[:, 5:], [5], caches)
    np.testing.assert_allclose(last["Y"], full["Y"][:, 5:], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(last["K"], full["K"], rtol=1e-12)
    np.testing.assert_allclose(last["V"], full["V"], rtol=1e-12)


def test_whole_decoder_generates_like_plain_transformer():
    """Embedding, layers with caches, head: prefill of 4 tokens, then two growing steps."""
    model = plain.tiny_model(tied_embeddings=True)
    weights = plain.random_weights(model)
    tokens = np.random.default_rng(4).integers(model.vocabulary, size=(2, 6))

    def plain_logits(length):
        result = []
        for sequence in tokens[:, :length]:
            rows = weights["embedding"]["WTE"][sequence]
            for _ in range(model.layers):
                rows = plain.layer(model, weights["layer"], rows)
            last = plain.normalise(model, rows[-1], weights["head"]["HNG"])
            result.append(weights["embedding"]["WTE"] @ last)
        return np.stack(result)

    def run(workload, new, positions, caches):
        parts = {stage.name: stage for stage in workload.stages}
        rows = parts["embedding"].cascade.execute({**weights["embedding"], "TOK": new})["Y"]
        grown = []
        for old in caches:
            out = plain.run_stage(
                model, parts["layer"].cascade, weights["layer"], rows, positions, old
            )
            rows = out["Y"]
            grown.append({name: np.pad(out[name], _ROOM_FOR_ONE) for name in ("K", "V")})
        logits = parts["head"].cascade.execute({**weights["head"], "X": rows})["Y"]
        return logits, grown

    generate = build_workload(model, phase="generate", batch=2, context=4, new_tokens=3)
    assert generate.num_steps == 2
    logits, caches = run(generate.prefill(), tokens[:, :4], range(4), [{}] * model.layers)
    np.testing.assert_allclose(logits, plain_logits(4), rtol=1e-10)
    for index in range(2):
        new = tokens[:, 4 + index : 5 + index]
        logits, caches = run(generate.step(index), new, [4 + index], caches)
        np.testing.assert_allclose(logits, plain_logits(5 + index), rtol=1e-10)


_ROOM_FOR_ONE = ((0, 0), (0, 0), (0, 1), (0, 0))


def test_encoder_embedding_and_pooler_equal_plain():
    model = plain.tiny_encoder()
    weights = plain.random_weights(model)
    rng = np.random.default_rng(5)
    tokens = rng.integers(model.vocabulary, size=(2, 5))
    types = rng.integers(2, size=(2, 5))
    parts = stages(model, batch=2, context=5)
    w = weights["embedding"]
    out = parts["embedding"].cascade.execute(
        {**w, "TOK": tokens, "POS": np.arange(5), "TYPE": types}
    )["Y"]
    total = w["WTE"][tokens] + w["WPE"][:5] + w["WTT"][types]
    np.testing.assert_allclose(out, plain.normalise(model, total, w["YG"], w["YB"]), rtol=1e-12)
    pooled = parts["head"].cascade.execute({**weights["head"], "X": out})["Y"]
    expected = np.tanh(out[:, 0] @ weights["head"]["WP"] + weights["head"]["BP"])
    np.testing.assert_allclose(pooled, expected, rtol=1e-12)


def test_encoder_without_pooler_ends_in_its_last_layer():
    assert list(stages(plain.tiny_encoder(pooler=False), context=3)) == ["embedding", "layer"]


def test_decoder_that_normalises_last_needs_no_final_norm():
    model = plain.tiny_model(norm=NormConfig(kind="rms", epsilon=1e-5, placement="post"))
    head = stages(model, context=3)["head"].cascade
    assert [einsum.name for einsum in head.einsums] == ["logits"]


def test_grouping_only_shares_keys_and_values():
    """A grouped model equals the multi-head model with the same heads repeated."""
    grouped, full = MODELS["grouped"], MODELS["multi-head"]
    weights = plain.random_weights(grouped)["layer"]
    rows = np.random.default_rng(6).normal(size=(1, 4, grouped.hidden_size))
    repeated = dict(weights)
    for name in ("WK", "WV"):
        repeated[name] = np.repeat(weights[name], grouped.group, axis=1)
    heads = grouped.heads
    repeated["WQ"] = weights["WQ"].reshape(grouped.hidden_size, heads, 1, -1)
    repeated["WO"] = weights["WO"].reshape(heads, 1, -1, grouped.hidden_size)
    results = [
        plain.run_stage(model, stages(model, context=4)["layer"].cascade, w, rows, range(4))["Y"]
        for model, w in ((grouped, weights), (full, repeated))
    ]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_layer_and_class_tags():
    cascade = stages(MODELS["grouped"], context=4)["layer"].cascade
    classes = {einsum.name: einsum.op_class for einsum in cascade.einsums}
    assert classes["query_projection"] == "gemm"
    names = list(classes)
    run = [name for name in names if classes[name] in ("attention", "softmax")]
    start = names.index("scores")
    assert run == names[start : start + 6], "attention is one run of consecutive einsums"
    decode = stages(MODELS["grouped"], phase="decode", context=4)["layer"].cascade
    assert decode.einsum("query_projection").op_class == "gemv"
    assert {einsum.layer for einsum in cascade.einsums} == {"attention", "ffn", "norm"}


def test_matmul_dimensions_of_a_grouped_layer():
    model = MODELS["grouped"]
    cascade = stages(model, batch=3, context=5)["layer"].cascade
    shapes = {}
    for einsum in cascade.einsums:
        found = einsum.matmul()
        if found is not None:
            shapes[einsum.name] = (found.batch, found.m, found.n, found.k, found.lhs, found.rhs)
    assert shapes == {
        "query_projection": (1, 15, 24, 10, "AN", "WQ"),
        "key_projection": (1, 15, 8, 10, "AN", "WK"),
        "value_projection": (1, 15, 8, 10, "AN", "WV"),
        "scores": (6, 15, 5, 4, "Q", "K"),
        "context": (6, 15, 4, 5, "A", "V"),
        "output_projection": (1, 15, 10, 24, "AV", "WO"),
        "gate_projection": (1, 15, 14, 10, "FN", "WG"),
        "up_projection": (1, 15, 14, 10, "FN", "WU"),
        "down_projection": (1, 15, 10, 14, "HI", "WD"),
    }
    logits = stages(model, batch=3, context=5)["head"].cascade.einsum("logits").matmul()
    assert (logits.batch, logits.m, logits.n, logits.k) == (1, 3, 17, 10)
    assert (logits.lhs_elements, logits.rhs_elements, logits.out_elements) == (30, 170, 51)


def test_sinusoidal_positions_are_added_to_the_embedding():
    model = plain.tiny_model(positions="sinusoidal", rope_theta=None, embedding_scale=2.0)
    weights = plain.random_weights(model)
    assert "WPE" not in weights["embedding"]
    embedding = stages(model, context=3)["embedding"].cascade
    sines = np.random.default_rng(1).normal(size=(3, model.hidden_size))
    made = embedding.execute({**weights["embedding"], "TOK": [[4, 0, 9]], "SINE": sines})["Y"]
    expected = 2.0 * weights["embedding"]["WTE"][[4, 0, 9]] + sines
    np.testing.assert_allclose(made[0], expected, rtol=1e-12)
    assert "query_rotary" not in str(stages(model, context=3)["layer"].cascade)
