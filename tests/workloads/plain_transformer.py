"""A transformer in plain numpy, written without the cascades, and small models to compare with."""

import math

import numpy as np

from workloads import ModelConfig, build_workload
from workloads.model import NormConfig


def tiny_model(**changes):
    """A small model with every extent different, so that a swapped axis cannot go unseen."""
    fields = {
        "name": "tiny",
        "family": "decoder",
        "layers": 2,
        "hidden_size": 10,
        "heads": 6,
        "kv_heads": 2,
        "head_dim": 4,
        "ffn_size": 14,
        "vocabulary": 17,
        "max_context": 32,
        "norm": NormConfig(kind="rms", epsilon=1e-5),
        "activation": "silu",
        "gated": True,
        "positions": "rotary",
        "rope_theta": 100.0,
    }
    return ModelConfig(**(fields | changes))


def tiny_encoder(**changes):
    fields = {
        "family": "encoder",
        "kv_heads": 6,
        "norm": NormConfig(kind="layer", epsilon=1e-12, placement="post"),
        "activation": "gelu",
        "gated": False,
        "attention_bias": True,
        "ffn_bias": True,
        "positions": "learned",
        "rope_theta": None,
        "token_types": 2,
        "embedding_norm": True,
        "pooler": True,
    }
    return tiny_model(**(fields | changes))


def random_weights(model, seed=0):
    """Arrays for the weight tensors of every stage: ``{stage: {tensor: array}}``."""
    rng = np.random.default_rng(seed)
    workload = build_workload(model, context=1)
    shared = {}
    weights = {}
    for stage in workload.stages:
        weights[stage.name] = {}
        for tensor in stage.cascade.role_tensors("weight"):
            values = rng.normal(size=tensor.shape(stage.cascade)) * 0.5
            if stage.repeat == 1:
                values = shared.setdefault(tensor.name, values)
            weights[stage.name][tensor.name] = values
    return weights


def rotary_tables(model, positions):
    half = model.head_dim // 2
    frequency = model.rope_theta ** (-np.arange(half) / half)
    angle = np.outer(positions, frequency)
    return np.cos(angle), np.sin(angle)


def rotate(vectors, positions, theta):
    """Rotate pairs (u, u + E/2) of (positions, heads, E) by complex multiplication."""
    half = vectors.shape[-1] // 2
    turned = np.empty_like(vectors)
    for row, position in enumerate(positions):
        for pair in range(half):
            turn = np.exp(1j * position * theta ** (-pair / half))
            value = (vectors[row, :, pair] + 1j * vectors[row, :, pair + half]) * turn
            turned[row, :, pair] = value.real
            turned[row, :, pair + half] = value.imag
    return turned


def normalise(model, rows, gain, bias=None):
    if model.norm.kind == "rms":
        return rows / np.sqrt((rows**2).mean(-1, keepdims=True) + model.norm.epsilon) * gain
    centred = rows - rows.mean(-1, keepdims=True)
    return centred / np.sqrt(rows.var(-1, keepdims=True) + model.norm.epsilon) * gain + bias


def activate(name, value):
    if name == "relu":
        return np.where(value > 0, value, 0)
    if name == "silu":
        return value / (1 + np.exp(-value))
    if name == "gelu":
        return value * 0.5 * (1 + np.vectorize(math.erf)(value / math.sqrt(2)))
    inner = math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)
    return 0.5 * value * (1 + np.tanh(inner))


def self_attention(model, w, rows):
    """Attention of one sequence (P, D), one query head and one position at a time."""
    length = len(rows)
    queries = np.tensordot(rows, w["WQ"], 1) + w.get("BQ", 0)  # (P, G, R, E)
    keys = np.tensordot(rows, w["WK"], 1) + w.get("BK", 0)  # (P, G, E)
    values = np.tensordot(rows, w["WV"], 1) + w.get("BV", 0)  # (P, G, F)
    # Grouped heads: repeat each key/value head for its queries.
    queries = queries.reshape(length, model.heads, model.head_dim)
    keys = np.repeat(keys, model.group, axis=1)
    values = np.repeat(values, model.group, axis=1)
    if model.positions == "rotary":
        queries = rotate(queries, range(length), model.rope_theta)
        keys = rotate(keys, range(length), model.rope_theta)
    result = np.zeros_like(queries)
    for head in range(model.heads):
        for position in range(length):
            visible = position + 1 if model.family == "decoder" else length
            scores = keys[:visible, head] @ queries[position, head] / math.sqrt(model.head_dim)
            weight = np.exp(scores - scores.max())
            result[position, head] = weight / weight.sum() @ values[:visible, head]
    return result.reshape(length, -1) @ w["WO"].reshape(-1, model.hidden_size) + w.get("BO", 0)


def feed_forward(model, w, rows):
    up = rows @ w["WU"] + w.get("BU", 0)
    if model.gated:
        hidden = activate(model.activation, rows @ w["WG"] + w.get("BG", 0)) * up
    else:
        hidden = activate(model.activation, up)
    return hidden @ w["WD"] + w.get("BD", 0)


def layer(model, w, rows):
    """One layer on one sequence (P, D)."""
    if model.norm.placement == "pre":
        rows = rows + self_attention(model, w, normalise(model, rows, w["ANG"], w.get("ANB")))
        return rows + feed_forward(model, w, normalise(model, rows, w["FNG"], w.get("FNB")))
    rows = normalise(model, rows + self_attention(model, w, rows), w["ANG"], w.get("ANB"))
    return normalise(model, rows + feed_forward(model, w, rows), w["YG"], w.get("YB"))


def run_stage(model, cascade, weights, rows, positions, caches=None):
    """Execute one stage's cascade on rows (B, P, D), with what else it needs."""
    inputs = dict(weights)
    inputs["X"] = rows
    if model.positions == "rotary":
        inputs["COS"], inputs["SIN"] = rotary_tables(model, np.asarray(positions))
    inputs.update(caches or {})
    wanted = {tensor.name for tensor in cascade.tensors}
    return cascade.execute({name: value for name, value in inputs.items() if name in wanted})
