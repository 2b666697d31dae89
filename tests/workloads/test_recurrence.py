"""Transformer-XL: a memory of hidden states, scores by distance, an adaptive vocabulary."""

import math

import numpy as np
import pytest

from archsim.errors import ConfigError, WorkloadError
from archsim.numberformat import Precision
from tests.workloads import plain_transformer as plain
from workloads import build_workload, load_mixed, load_model, load_workload, parameters
from workloads.layers.layer_builder import Step
from workloads.layers.transformer import embedding_cascade
from workloads.model import NormConfig


def tiny_recurrent(**changes):
    fields = {
        "kv_heads": 6,
        "positions": "distance",
        "rope_theta": None,
        "memory": 4,
        "norm": NormConfig(kind="layer", epsilon=1e-5, placement="post"),
        "activation": "relu",
        "gated": False,
        "ffn_bias": True,
        "hidden_size": 12,
        "head_dim": 2,
    }
    return plain.tiny_model(**(fields | changes))


def adaptive(**changes):
    fields = {"cutoffs": (5, 9), "cutoff_divisor": 2, "tied_embeddings": True}
    return tiny_recurrent(vocabulary=17, **(fields | changes))


def sines(count, width):
    """Sines and cosines of the distances 0 … count - 1."""
    frequency = 10000.0 ** -(np.arange(0, width, 2) / width)
    angle = np.outer(np.arange(count), frequency)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def recurrent_layer(model, w, rows, memory):
    """One layer on one segment (P, D) after some remembered rows, one pair at a time."""
    seen = np.concatenate([memory, rows])
    encoded = sines(len(seen), model.hidden_size)
    out = np.zeros_like(rows)
    for group in range(model.heads):
        matrix = {name: w[name][:, group] for name in ("WK", "WV")}
        query, distance = w["WQ"][:, group, 0], w["WJ"][:, group, 0]
        for position, row in enumerate(rows):
            here = len(memory) + position
            scores = []
            for other in range(here + 1):
                content = (row @ query + w["BQC"][group, 0]) @ (seen[other] @ matrix["WK"])
                gap = encoded[here - other] @ distance
                scores.append(content + (row @ query + w["BQJ"][group, 0]) @ gap)
            weight = np.exp(np.array(scores) / math.sqrt(model.head_dim))
            value = weight / weight.sum() @ (seen[: here + 1] @ matrix["WV"])
            out[position] += value @ w["WO"][group, 0]
    rows = plain.normalise(model, rows + out, w["ANG"], w["ANB"])
    made = plain.feed_forward(model, w, rows)
    return plain.normalise(model, rows + made, w["YG"], w["YB"])


def run_segment(model, weights, rows, memory, **options):
    """Execute a layer's cascade on one segment (B, P, D) with remembered rows (B, M, D)."""
    length, past = rows.shape[1], memory.shape[1]
    phase = {"context": length, "history": past} | options
    cascade = build_workload(model, batch=len(rows), **phase).stages[1].cascade
    gap = past + np.arange(length)[:, None] - np.arange(past + length)
    inputs = {
        **weights,
        "X": rows,
        "SINE": sines(past + length, model.hidden_size),
        "GAP": np.maximum(gap, 0),
    }
    wanted = {tensor.name for tensor in cascade.role_tensors("kv")}
    if past and "MEM" in wanted:
        room = np.full(rows.shape, np.nan)
        inputs["MEM"] = np.concatenate([memory, room], axis=1)[:, None]
    return cascade, cascade.execute(inputs)


def test_segments_remember_the_rows_before_them():
    model = tiny_recurrent()
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(1).normal(size=(2, 9, model.hidden_size))
    first, made = run_segment(model, weights, rows[:, :5], rows[:, :0])
    expected = [recurrent_layer(model, weights, row[:5], row[:0]) for row in rows]
    np.testing.assert_allclose(made["Y"], expected, rtol=1e-10)
    np.testing.assert_array_equal(made["MEM"][:, 0], rows[:, :5])
    _, made = run_segment(model, weights, rows[:, 5:], rows[:, 1:5])
    expected = [recurrent_layer(model, weights, row[5:], row[1:5]) for row in rows]
    np.testing.assert_allclose(made["Y"], expected, rtol=1e-10)
    # All distances are multiplied, each score picks one; keys and values are made of all rows.
    macs = {einsum.name: einsum.macs() for einsum in first.einsums}
    assert macs["distance_scores"] == 2 * 6 * 5 * 5 * 2
    assert macs["scores"] == 2 * 6 * 15 * 2
    assert macs["key_projection"] == 2 * 5 * 12 * 12


def test_a_decode_step_sees_what_a_segment_sees():
    model = tiny_recurrent()
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(2).normal(size=(1, 8, model.hidden_size))
    step = {"phase": "decode", "context": 7, "history": 0}
    cascade, made = run_segment(model, weights, rows[:, 7:], rows[:, 3:7], **step)
    assert cascade.rank("M").extent == 5
    expected = recurrent_layer(model, weights, rows[0, 7:], rows[0, 3:7])
    np.testing.assert_allclose(made["Y"][0], expected, rtol=1e-10)


def test_scaled_memory_holds_the_same_values():
    model = tiny_recurrent()
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(3).normal(size=(1, 5, model.hidden_size))
    _, whole = run_segment(model, weights, rows, rows[:, :0])
    options = {"precision": "kv=int8:g4:fp16", "dequantise": True}
    _, made = run_segment(model, weights, rows, rows[:, :0], **options)
    np.testing.assert_allclose(made["Y"], whole["Y"], rtol=1e-9)


@pytest.mark.parametrize("loads", [(7,), (3, 2, 2), (2, 0, 5)])
def test_tokens_get_the_vectors_of_their_clusters(loads):
    model = adaptive(embedding_scale=1.5)
    weights = plain.random_weights(model)["embedding"]
    words = [cluster for cluster, load in enumerate(loads) for _ in range(load)]
    order = np.random.default_rng(4).permutation(7)
    cascade = embedding_cascade(model, Step(1, 7, 0, Precision(), clusters=loads))
    inputs = dict(weights)
    expected = np.zeros((7, model.hidden_size))
    slots = np.zeros(7)
    for slot, (place, cluster) in enumerate(zip(order, words, strict=True)):
        row = (slot * 3) % 4
        inputs.setdefault(f"ROW{cluster}", []).append(row)
        slots[place] = slot
        expected[place] = 1.5 * weights[f"WTE{cluster}"][row] @ weights[f"WEP{cluster}"].T
    made = cascade.execute({**inputs, "SLOT": slots[None]})["Y"][0]
    np.testing.assert_allclose(made, expected, rtol=1e-12)
    macs = sum(load * 12 * 12 // 2**cluster for cluster, load in enumerate(loads))
    assert cascade.macs() == macs


@pytest.mark.parametrize("drafts", [0, 2])
def test_adaptive_softmax_gives_log_probabilities_of_all_words(drafts):
    model = adaptive()
    weights = plain.random_weights(model)["head"]
    rows = np.random.default_rng(5).normal(size=(2, 1 + drafts, model.hidden_size))
    options = {"phase": "decode", "context": 3, "draft_tokens": drafts}
    head = build_workload(model, batch=2, sampled=3, **options).stages[-1].cascade
    made = head.execute({**weights, "X": rows})
    log_probability = made["Y"] if drafts else made["Y"][:, None]
    np.testing.assert_allclose(np.exp(log_probability).sum(-1), 1.0, rtol=1e-12)
    for sequence, position in np.ndindex(2, 1 + drafts):
        row = rows[sequence, position]

        def logits(cluster, row=row):
            projection = weights[f"WEP{cluster}"] if cluster else weights["WHP"]
            return row @ projection @ weights[f"WTE{cluster}"].T + weights[f"BLM{cluster}"]

        extra = row @ weights["WHP"] @ weights["WCL"].T + weights["BCL"]
        top = np.exp(np.concatenate([logits(0), extra]))
        top /= top.sum()
        whole = [top[:5]]
        for cluster in (1, 2):
            inner = np.exp(logits(cluster))
            whole.append(top[4 + cluster] * inner / inner.sum())
        expected = np.log(np.concatenate(whole))
        np.testing.assert_allclose(log_probability[sequence, position], expected, rtol=1e-10)
        best = np.argsort(-expected)[:3]
        chosen = made["NEXT"][sequence, position] if drafts else made["NEXT"][sequence]
        np.testing.assert_array_equal(chosen, best)


def test_the_published_shape():
    """Every term of the count, from the published configuration."""
    tables = 20000 * 1024 + 20000 * 256 + 160000 * 64 + 67735 * 16
    projections = 1024 * (1024 + 256 + 64 + 16) + 1024 * 1024
    head = 267735 + 3 * 1024 + 3
    attention = 5 * 1024 * 1024 + 2 * 1024 + 2 * 16 * 64
    feed_forward = 2 * 1024 * 4096 + 4096 + 1024 + 2 * 1024
    model = load_model("transformer-xl")
    total = tables + projections + head + 18 * (attention + feed_forward)
    assert parameters(model) == total == 285_205_322
    assert build_workload(model, precision="weights=int4:g16:fp16").num_parameters() == total


def test_memory_is_what_it_keeps():
    short = load_workload("transformer-xl", context=128)
    assert short.kv_bytes_per_token == 18 * 1024 * 2
    assert short.kv_bytes() == 128 * short.kv_bytes_per_token
    long = load_workload("transformer-xl", context=128, history=5000)
    assert long.kv_bytes() == 1600 * long.kv_bytes_per_token
    assert not long.warnings
    run = load_workload("transformer-xl", phase="generate", context=1590, new_tokens=30)
    steps = [run.step(i).macs() for i in range(run.num_steps)]
    assert run.total_macs() == run.macs() + sum(steps)
    assert steps[-1] == steps[-2] > steps[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": 0}, "memory must be given for positions distance"),
        ({"kv_heads": 2}, "memory needs a decoder with"),
        ({"cutoffs": (5,)}, "cutoffs need a decoder with tied_embeddings"),
        ({"cutoffs": (9, 5), "tied_embeddings": True}, "cutoffs need"),
        ({"cutoffs": (17,), "tied_embeddings": True}, "cutoffs need"),
        ({"cutoff_divisor": 2}, "cutoff_divisor needs cutoffs"),
        (
            {"cutoffs": (3, 5, 7), "cutoff_divisor": 2, "tied_embeddings": True},
            "divides hidden_size",
        ),
    ],
)
def test_bad_descriptions(changes, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        tiny_recurrent(**changes)


def test_bad_clusters_and_mixed_batches():
    with pytest.raises(WorkloadError, match="must add up to all tokens"):
        embedding_cascade(adaptive(), Step(1, 7, 0, Precision(), clusters=(3, 3)))
    with pytest.raises(WorkloadError, match="not a memory of hidden states"):
        load_mixed("transformer-xl", [(4, 0)])
