"""Mixtures of experts against a loop over tokens; both forms of latent attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ConfigError, WorkloadError
from tests.workloads import plain_transformer as plain
from workloads import build_workload, load_model, load_workload
from workloads.dispatch import dispatch_tables
from workloads.layer_kinds import layer_kind
from workloads.layers.latent_attention import is_absorbed
from workloads.model import MlaConfig, MoeConfig
from workloads.routing_plan import expected_experts, expert_loads


def tiny_moe(gated=True, activation="silu", **fields):
    moe = MoeConfig(**({"experts": 8, "active": 3, "expert_size": 5} | fields))
    return plain.tiny_model(moe=moe, gated=gated, activation=activation)


MODELS = {
    "softmax": tiny_moe(),
    "not renormalised": tiny_moe(renormalise=False, active=1),
    "plain experts": tiny_moe(gated=False, activation="relu"),
    "plain experts, gated dense layers": tiny_moe(gated=False, shared_size=0),
    "sigmoid, selection bias, scale, groups of two": tiny_moe(
        scoring="sigmoid",
        selection_bias=True,
        weight_scale=2.5,
        groups=4,
        active_groups=2,
        group_score="top2",
        shared_size=5,
    ),
    "groups by their best": tiny_moe(groups=4, active_groups=2, renormalise=False),
    "shared experts with a gate": tiny_moe(shared_size=7, shared_gate=True),
    "sparse mixer": tiny_moe(scoring="sparsemixer", renormalise=False, active=2, jitter=0.2),
    "sparse mixer, three of them": tiny_moe(
        scoring="sparsemixer", renormalise=False, weight_scale=1.5, jitter=0.3
    ),
    "biases everywhere": tiny_moe(
        activation="silu-clipped", router_bias=True, expert_bias=True, active=2
    ),
}


def run_experts(model, weights, rows):
    """Run a layer: first the router alone, then all of it with the tables it calls for."""
    options = {"batch": rows.shape[0], "context": rows.shape[1]}
    first = build_workload(model, **options).stages[1].cascade
    ids = np.arange(model.moe.experts // model.moe.groups)
    tables = {"SEQ": 0, "POS": 0, "SLOT": 0, "KEEP": 1, "ZID": ids}
    shapes = {t.name: t.shape(first) for t in first.tensors}
    guess = {name: np.broadcast_to(v, shapes[name]) for name, v in tables.items() if name in shapes}
    choices = plain.run_stage(model, first, weights, rows, range(rows.shape[1]), guess)["XI"]
    capacity = None
    if model.moe.capacity_factor:
        share = rows.shape[0] * rows.shape[1] * model.moe.active / model.moe.experts
        capacity = int(np.ceil(share * model.moe.capacity_factor))
    tables |= dispatch_tables(choices, model.moe.experts, capacity)
    loads = np.bincount(choices.astype(int).flatten())
    planned = build_workload(model, routing=tuple(int(n) for n in loads), **options)
    sorted_weights = dict(weights)
    for name, values in weights.items():
        if name.startswith(("WX", "BX")):
            sorted_weights[name] = values[tables["ORDER"]]
    cascade = planned.stages[1].cascade
    result = plain.run_stage(model, cascade, sorted_weights, rows, range(rows.shape[1]), tables)
    return planned, tables, result


@pytest.mark.parametrize("name", MODELS)
def test_experts_equal_a_loop_over_tokens(name):
    model = MODELS[name]
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(1).normal(size=(2, 6, model.hidden_size))
    planned, _, result = run_experts(model, weights, rows)
    expected = [plain.layer(model, weights, sequence) for sequence in rows]
    np.testing.assert_allclose(result["Y"], expected, rtol=1e-10, atol=1e-12)
    # Every chosen pair is computed once, no more.
    moe = model.moe
    matrices = 3 if model.gated else 2
    cascade = planned.stages[1].cascade
    macs = sum(e.macs() for e in cascade.einsums if e.op_class == "expert")
    assert macs == 12 * moe.active * matrices * model.hidden_size * moe.expert_size


def test_tokens_beyond_the_capacity_are_dropped():
    model = tiny_moe(capacity_factor=1.0, active=2, renormalise=False)
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(2).normal(size=(2, 6, model.hidden_size))
    planned, tables, result = run_experts(model, weights, rows)
    assert tables["LOADS"].max() == 3
    assert tables["KEEP"].sum() == tables["LOADS"].sum() < 24
    whole = tiny_moe(active=2, renormalise=False)
    _, _, full = run_experts(whole, weights, rows)
    kept = tables["KEEP"].all(-1)
    assert not kept.all()
    np.testing.assert_allclose(result["Y"][kept], full["Y"][kept], rtol=1e-10)
    assert not np.isclose(result["Y"][~kept], full["Y"][~kept]).all()
    slots = planned.stages[1].cascade.rank("NX").extent
    assert slots == tables["LOADS"].sum()


def test_dense_and_expert_layers_of_one_model():
    moe = MoeConfig(experts=4, active=2, expert_size=5, every=2, first_dense=2)
    model = plain.tiny_model(moe=moe, layers=6)
    workload = build_workload(model, context=3)
    assert [(stage.name, stage.repeat) for stage in workload.stages[1:-1]] == [
        ("dense-layer", 4),
        ("moe-layer", 2),
    ]
    assert workload.layout == (
        ("dense-layer", 3),
        ("moe-layer", 1),
        ("dense-layer", 1),
        ("moe-layer", 1),
    )


@given(
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(1, 500),
    st.sampled_from(["uniform", "balanced"]),
)
def test_planned_loads_add_up(active, more, tokens, routing):
    moe = MoeConfig(experts=active + more, active=active, expert_size=1)
    loads = expert_loads(moe, tokens, routing)
    assert sum(loads) == tokens * active
    assert max(loads) - min(loads) <= 1
    assert max(loads) <= tokens
    assert len(loads) <= moe.experts
    assert list(loads) == sorted(loads, reverse=True)


def test_uniform_routing_visits_as_many_experts_as_chance_does():
    assert expected_experts(128, 8, 16) == pytest.approx(0.644 * 128, rel=1e-3)
    assert expected_experts(128, 8, 64) == pytest.approx(0.984 * 128, rel=1e-3)
    moe = load_model("qwen3-30b-a3b").moe
    assert len(expert_loads(moe, 16, "uniform")) == 82
    assert len(expert_loads(moe, 16, "balanced")) == 128
    assert expert_loads(moe, 1, "uniform") == (1,) * 8


def test_weights_that_a_decode_step_reads():
    """Of the routed experts, only those visited: 8 of 128 for one token."""
    one = load_workload("qwen3-30b-a3b", phase="decode", context=10)
    expert = 3 * 2048 * 768
    embedding = 151936 * 2048
    read = one.num_parameters() - 48 * 120 * expert - embedding + 2048
    assert one.compulsory_bytes()["weight"] == 2 * read
    assert one.num_parameters() == 30_532_122_624


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        ("unifrm", "unknown routing.*did you mean 'uniform'"),
        ((3, 3, 1), "loads must add up to the 4 tokens times the 2 active experts"),
        ((8,), "an expert gets each token at most once; given 8; allowed: 0 to 4"),
        ((1,) * 9, "more experts than there are"),
    ],
)
def test_bad_routing(routing, message):
    model = tiny_moe(active=2)
    with pytest.raises(WorkloadError, match=f"options.routing: .*{message}"):
        build_workload(model, batch=2, context=2, routing=routing)


BAD_MOE = {
    "active: 9": r"active \(9\) must be at most experts \(8\)",
    "active: 2, groups: 3": r"experts \(8\) must be a multiple of groups \(3\)",
    "active: 2, groups: 2, active_groups: 3": "must be at most groups",
    "active: 3, groups: 4": "at most the experts of active_groups",
    "active: 1, groups: 8, group_score: top2": "needs at least 2 experts per group",
    "active: 1, shared_gate: true": "shared_gate needs shared experts",
}


@pytest.mark.parametrize("text", BAD_MOE)
def test_impossible_experts(text):
    override = f"moe: {{experts: 8, expert_size: 4, {text}}}"
    with pytest.raises(ConfigError, match=BAD_MOE[text]):
        load_model(MINE.replace("moe: null", override))


MINE = """\
name: small
source: made up
family: decoder
layers: 2
hidden_size: 64
heads: 8
kv_heads: 2
head_dim: 8
ffn_size: 128
vocabulary: 100
max_context: 32
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
moe: null
"""


def latent(absorb, query_rank=0):
    mla = MlaConfig(
        query_rank=query_rank, latent_rank=7, plain_dim=3, rotary_dim=2, value_dim=4, absorb=absorb
    )
    return plain.tiny_model(mla=mla, kv_heads=6, head_dim=5)


@pytest.mark.parametrize("query_rank", [0, 4])
@pytest.mark.parametrize("absorb", ["always", "never"])
def test_latent_attention_equals_plain_in_both_forms(absorb, query_rank):
    model = latent(absorb, query_rank)
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(4).normal(size=(2, 6, model.hidden_size))
    cascade = build_workload(model, batch=2, context=6).stages[1].cascade
    full = plain.run_stage(model, cascade, weights, rows, range(6))
    expected = [plain.layer(model, weights, sequence) for sequence in rows]
    np.testing.assert_allclose(full["Y"], expected, rtol=1e-10, atol=1e-12)
    cache = "K" if absorb == "always" else "KV"
    for other in ("always", "never"):
        step = build_workload(
            latent(other, query_rank), phase="decode", batch=2, context=4, draft_tokens=1
        )
        old = full[cache].copy()
        old[:, :, 4:] = np.nan
        caches = {"K" if other == "always" else "KV": old}
        last = plain.run_stage(model, step.stages[1].cascade, weights, rows[:, 4:], [4, 5], caches)
        np.testing.assert_allclose(last["Y"], full["Y"][:, 4:], rtol=1e-10, atol=1e-12)


def test_latent_attention_takes_the_cheaper_form():
    mla = load_model("deepseek-v3").mla
    assert is_absorbed(mla, queries=1, keys=4096)
    assert not is_absorbed(mla, queries=4096, keys=4096)
    for phase in ("prefill", "decode"):
        counts = {
            absorb: load_workload(
                "deepseek-v3",
                phase=phase,
                context=4096,
                overrides=(f"workload.mla.absorb={absorb}",),
            ).dense_macs()
            for absorb in ("auto", "always", "never")
        }
        assert counts["auto"] == min(counts.values())


def test_cache_of_latent_attention():
    workload = load_workload("deepseek-v3", phase="decode", context=100)
    assert workload.kv_bytes_per_token == 61 * 1152
    assert workload.kv_bytes() == 101 * 61 * 1152
    cached = sum(stage.repeat * stage.cascade.role_bytes("kv") for stage in workload.stages)
    assert cached == workload.kv_bytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2), st.sampled_from(["w", "l", "m"]))
def test_total_macs_bend_where_windows_fill_and_forms_change(context, new_tokens, drafts, which):
    model = {
        "w": plain.tiny_model(attention_window=5, global_every=2),
        "l": latent("auto"),
        "m": tiny_moe(),
    }[which]
    for phase in ("decode", "generate"):
        workload = build_workload(
            model, phase=phase, context=context, new_tokens=new_tokens, draft_tokens=drafts
        )
        steps = [workload.step(index).macs() for index in range(workload.num_steps)]
        first = workload.macs() if phase == "generate" else 0
        assert workload.total_macs() == first + sum(steps)


def test_the_kind_of_a_layer():
    model = load_model("gpt-oss-120b")
    assert [layer_kind(model, layer).window for layer in range(4)] == [128, 0, 128, 0]
    assert all(layer_kind(model, layer).experts for layer in range(4))
