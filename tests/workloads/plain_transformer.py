"""A transformer in plain numpy, written without the cascades, and small models to compare with."""

import math

import numpy as np

from workloads import ModelConfig, build_workload
from workloads.layer_kinds import layer_kind
from workloads.model import NormConfig
from workloads.weights import SHARED_WEIGHTS


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
    workload = build_workload(model, context=2)
    shared = {}
    weights = {}
    for stage in workload.stages:
        weights[stage.name] = {}
        for tensor in stage.cascade.role_tensors("weight"):
            values = rng.normal(size=tensor.shape(stage.cascade)) * 0.5
            if tensor.name in SHARED_WEIGHTS:
                values = shared.setdefault(tensor.name, values)
            weights[stage.name][tensor.name] = values
    return weights


def rotary_tables(model, positions):
    half = (model.mla.rotary_dim if model.mla else model.rotary_dim) // 2
    frequency = model.rope_theta ** (-np.arange(half) / half)
    angle = np.outer(positions, frequency)
    return np.cos(angle), np.sin(angle)


def rotate(vectors, positions, theta, size=None):
    """Rotate pairs (u, u + size/2) of (positions, heads, E) by complex multiplication."""
    half = (size or vectors.shape[-1]) // 2
    turned = vectors.copy()
    for row, position in enumerate(positions):
        for pair in range(half):
            turn = np.exp(1j * position * theta ** (-pair / half))
            value = (vectors[row, :, pair] + 1j * vectors[row, :, pair + half]) * turn
            turned[row, :, pair] = value.real
            turned[row, :, pair + half] = value.imag
    return turned


def root_mean_square(model, rows, gain, axes=(-1,)):
    return rows / np.sqrt((rows**2).mean(axes, keepdims=True) + model.norm.epsilon) * gain


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


def self_attention(model, w, rows, kind=None):
    """Attention of one sequence (P, D), one query head and one position at a time."""
    kind = kind or layer_kind(model, 0)
    length = len(rows)
    queries = np.tensordot(rows, w["WQ"], 1) + w.get("BQ", 0)  # (P, G, R, E)
    keys = np.tensordot(rows, w["WK"], 1) + w.get("BK", 0)  # (P, G, E)
    values = np.tensordot(rows, w["WV"], 1) + w.get("BV", 0)  # (P, G, F)
    if model.qk_norm == "head":
        queries = root_mean_square(model, queries, w["QHG"])
        keys = root_mean_square(model, keys, w["KHG"])
    elif model.qk_norm == "full":
        queries = root_mean_square(model, queries, w["QHG"], (1, 2, 3))
        keys = root_mean_square(model, keys, w["KHG"], (1, 2))
    # Grouped heads: repeat each key/value head for its queries.
    queries = queries.reshape(length, model.heads, model.head_dim)
    keys = np.repeat(keys, model.group, axis=1)
    values = np.repeat(values, model.group, axis=1)
    if kind.rotates:
        queries = rotate(queries, range(length), model.rope_theta, model.rotary_dim)
        keys = rotate(keys, range(length), model.rope_theta, model.rotary_dim)
    scale = model.query_scale or 1 / math.sqrt(model.head_dim)
    result = np.zeros_like(queries)
    for head in range(model.heads):
        for position in range(length):
            stop = length if kind.encoder else position + 1
            first = max(0, stop - kind.window) if kind.window else 0
            scores = keys[first:stop, head] @ queries[position, head] * scale
            if model.score_cap:
                scores = model.score_cap * np.tanh(scores / model.score_cap)
            scores = scores + score_bias(model, w, kind, head, position, range(first, stop))
            weight = np.exp(scores - scores.max())
            total = weight.sum()
            if model.attention_sinks:
                total += np.exp(w["SINK"].flatten()[head] - scores.max())
            result[position, head] = weight / total @ values[first:stop, head]
    return result.reshape(length, -1) @ w["WO"].reshape(-1, model.hidden_size) + w.get("BO", 0)


def bucket(distance):
    """Any function of the distance will do; small enough for the small tables here."""
    return abs(distance) % 3


def alibi_slopes(model):
    return (2.0 ** -np.arange(1, model.heads + 1)).reshape(model.kv_heads, model.group)


def score_bias(model, w, kind, head, position, keys):
    if model.positions == "alibi":
        return np.array([-alibi_slopes(model).flatten()[head] * (position - key) for key in keys])
    if model.positions == "relative":
        table = w["WRE" if kind.encoder else "WRB"].reshape(-1, model.heads)
        return np.array([table[bucket(position - key), head] for key in keys])
    return 0.0


def cross_attention(model, w, rows, source):
    """Attention of one sequence (P, D) to the encoder's result (N, D)."""
    heads = (model.heads, model.head_dim)
    queries = (np.tensordot(rows, w["CWQ"], 1) + w.get("CBQ", 0)).reshape(len(rows), *heads)
    keys = np.repeat(np.tensordot(source, w["CWK"], 1) + w.get("CBK", 0), model.group, axis=1)
    values = np.repeat(np.tensordot(source, w["CWV"], 1) + w.get("CBV", 0), model.group, axis=1)
    scale = model.query_scale or 1 / math.sqrt(model.head_dim)
    scores = np.einsum("phe,nhe->hpn", queries, keys) * scale
    weight = np.exp(scores)
    weight /= weight.sum(-1, keepdims=True)
    result = np.einsum("hpn,nhf->phf", weight, values)
    return result.reshape(len(rows), -1) @ w["CWO"].reshape(-1, model.hidden_size) + w.get("CBO", 0)


def latent_attention(model, w, rows):
    """Multi-head latent attention of one sequence, keys and values written out per head."""
    mla, length = model.mla, len(rows)
    inner = rows
    if mla.query_rank:
        inner = root_mean_square(model, rows @ w["WDQ"], w["CQNG"])
    latent = root_mean_square(model, rows @ w["WDKV"], w["CLNG"])
    shared = rotate((rows @ w["WKR"])[:, None], range(length), model.rope_theta)
    turned = rotate(np.tensordot(inner, w["WQR"], 1), range(length), model.rope_theta)
    out = np.zeros((length, model.hidden_size))
    for head in range(model.heads):
        keys = np.concatenate([latent @ w["WUK"][:, head], shared[:, 0]], axis=1)
        values = latent @ w["WUV"][:, head]
        queries = np.concatenate([inner @ w["WUQ"][:, head], turned[:, head]], axis=1)
        for position in range(length):
            scores = keys[: position + 1] @ queries[position] / math.sqrt(model.head_dim)
            weight = np.exp(scores - scores.max())
            mixed = weight / weight.sum() @ values[: position + 1]
            out[position] += mixed @ w["WO"][head]
    return out


def gated_activation(model, gate, up):
    if model.activation == "silu-clipped":
        gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
        return gate / (1 + np.exp(-1.702 * gate)) * (up + 1)
    return activate(model.activation, gate) * up


def feed_forward(model, w, rows, prefix=""):
    up = rows @ w[f"{prefix}WU"] + w.get(f"{prefix}BU", 0)
    if model.gated:
        gate = rows @ w[f"{prefix}WG"] + w.get(f"{prefix}BG", 0)
        hidden = gated_activation(model, gate, up)
    else:
        hidden = activate(model.activation, up)
    return hidden @ w[f"{prefix}WD"] + w.get(f"{prefix}BD", 0)


def choose_experts(moe, w, scores):
    """Experts of one token, best first, by the rule of grouped choice."""
    ranked = scores + w.get("BSEL", 0)
    size = moe.experts // moe.groups
    groups = ranked.reshape(moe.groups, size)
    if moe.group_score == "max":
        group_scores = groups.max(1)
    else:
        group_scores = np.sort(groups, axis=1)[:, -2:].sum(1)
    allowed = set(np.argsort(-group_scores)[: moe.active_groups])
    open_to = [expert for expert in range(moe.experts) if expert // size in allowed]
    return sorted(open_to, key=lambda expert: -ranked[expert])[: moe.active]


def sparse_mixer(moe, logits, chosen):
    """Weights of the chosen experts, one choice after the other, each struck out for the next."""
    weights, open_logits = {}, logits.astype(float).copy()
    for expert in chosen:
        best = open_logits[expert]
        assert best == open_logits.max()
        far = (best - open_logits) / np.maximum(np.abs(logits), best) > 2 * moe.jitter
        gates = np.exp(np.where(far, -np.inf, open_logits) - best)
        weights[expert] = 1.0 / gates.sum()
        open_logits[expert] = -np.inf
    return weights


def experts(model, w, rows):
    """Mixture of experts of one sequence, one token and one expert at a time."""
    moe = model.moe
    result = np.zeros_like(rows)
    for position, token in enumerate(rows):
        logits = token @ w["WR"] + w.get("BR", 0)
        if moe.scoring == "sigmoid":
            scores = 1 / (1 + np.exp(-logits))
        else:
            scores = np.exp(logits) / np.exp(logits).sum()
        chosen = choose_experts(moe, w, scores)
        if moe.scoring == "sparsemixer":
            scores = sparse_mixer(moe, logits, chosen)
        total = sum(scores[expert] for expert in chosen) if moe.renormalise else 1.0
        for expert in chosen:
            bias = {name: w[f"BX{name}"][expert] if moe.expert_bias else 0 for name in "UGD"}
            up = token @ w["WXU"][expert] + bias["U"]
            if model.gated if moe.gated is None else moe.gated:
                hidden = gated_activation(model, token @ w["WXG"][expert] + bias["G"], up)
            else:
                hidden = activate(model.activation, up)
            share = scores[expert] / total * moe.weight_scale
            result[position] += share * (hidden @ w["WXD"][expert] + bias["D"])
        if moe.shared_size:
            gate = 1 / (1 + np.exp(-token @ w["WSG"])) if moe.shared_gate else 1.0
            result[position] += gate * feed_forward(model, w, token[None], "H")[0]
    return result


def layer(model, w, rows, kind=None, source=None):
    """One layer on one sequence (P, D)."""
    kind = kind or layer_kind(model, 0)

    def attention(inner):
        return (
            latent_attention(model, w, inner)
            if model.mla
            else self_attention(model, w, inner, kind)
        )

    def second(inner):
        return (experts if kind.experts else feed_forward)(model, w, inner)

    def norm(inner, name):
        return normalise(model, inner, w[f"{name}G"], w.get(f"{name}B"))

    if model.parallel:
        first = norm(rows, "AN")
        return rows + attention(first) + second(first if model.shared_norm else norm(rows, "FN"))
    if model.norm.placement == "post":
        rows = norm(rows + attention(rows), "AN")
        if kind.crossed:
            rows = norm(rows + cross_attention(model, w, rows, source), "CN")
        return norm(rows + second(rows), "Y")
    twice = model.norm.placement == "both"
    made = attention(norm(rows, "AN"))
    rows = rows + (norm(made, "AP") if twice else made)
    if kind.crossed:
        made = cross_attention(model, w, norm(rows, "CN"), source)
        rows = rows + (norm(made, "CP") if twice else made)
    made = second(norm(rows, "FN"))
    return rows + (norm(made, "FP") if twice else made)


def run_stage(model, cascade, weights, rows, positions, caches=None):
    """Execute one stage's cascade on rows (B, P, D), with what else it needs."""
    inputs = dict(weights)
    inputs["X"] = rows
    if model.positions == "rotary":
        inputs["COS"], inputs["SIN"] = rotary_tables(model, np.asarray(positions))
    if model.positions == "alibi":
        inputs["SLOPE"] = alibi_slopes(model)
        inputs["KPOS"] = np.arange(positions[-1] + 1)
    if model.positions == "relative":
        keys = np.arange(positions[-1] + 1)
        inputs["BUCKET"] = [[bucket(position - key) for key in keys] for position in positions]
    inputs.update(caches or {})
    wanted = {tensor.name for tensor in cascade.tensors}
    return cascade.execute({name: value for name, value in inputs.items() if name in wanted})
