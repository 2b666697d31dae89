"""A mixed batch does for each request what a pass of its own does."""

import numpy as np
import pytest

from archsim.errors import WorkloadError
from tests.workloads import plain_transformer as plain
from tests.workloads.test_variants import MODELS, kinds, stages
from workloads import load_mixed, load_workload

REQUESTS = [(1, 5), (3, 0), (2, 4), (3, 0), (1, 5)]
MIXED = [name for name in MODELS if MODELS[name].positions not in ("alibi", "relative")]


@pytest.mark.parametrize("name", MIXED)
def test_every_request_gets_its_own_result(name):
    model = MODELS[name]
    weights = plain.random_weights(model)
    batch = load_mixed(model, REQUESTS)
    rng = np.random.default_rng(5)
    ordered = sorted(REQUESTS, reverse=True)
    texts = [rng.normal(size=(1, new + old, model.hidden_size)) for new, old in ordered]
    rows = np.concatenate([x[:, old:] for x, (_, old) in zip(texts, ordered, strict=True)], axis=1)
    positions = np.concatenate([np.arange(old, old + new) for new, old in ordered])
    for stage, kind in kinds(model):
        w = weights[stage]
        alone = []
        for text in texts:
            whole = stages(model, context=text.shape[1])[stage]
            alone.append(plain.run_stage(model, whole, w, text, range(text.shape[1])))
        caches = {}
        for number, (count, new, history) in enumerate(batch.requests):
            members = [i for i, pair in enumerate(ordered) if pair == (new, history)]
            assert len(members) == count
            keep = min(history, kind.window - 1) if kind.window else history
            for cache in "KV":
                old = [alone[i][cache][0, :, history - keep : history] for i in members]
                room = np.full((count, model.kv_heads, new, model.head_dim), np.nan)
                caches[f"R{number}{cache}"] = np.concatenate([np.stack(old), room], axis=2)
        cascade = next(item.cascade for item in batch.stages if item.name == stage)
        result = plain.run_stage(model, cascade, w, rows, positions, caches)["Y"]
        expected = [r["Y"][:, old:] for r, (_, old) in zip(alone, ordered, strict=True)]
        np.testing.assert_allclose(result, np.concatenate(expected, axis=1), rtol=1e-10, atol=1e-12)


def test_counts_are_the_sum_of_the_requests():
    batch = load_mixed("llama3-8b", [(512, 0), (1, 100), (1, 2000)])
    alone = [
        load_workload("llama3-8b", context=512),
        load_workload("llama3-8b", phase="decode", context=100),
        load_workload("llama3-8b", phase="decode", context=2000),
    ]
    assert batch.macs() == sum(item.macs() for item in alone)
    cached = [512, 101, 2001]
    assert batch.kv_bytes() == sum(cached) * batch.kv_bytes_per_token
    assert batch.num_parameters() == alone[0].num_parameters()
    assert batch.prefill() is batch
    assert batch.num_steps == 0
    assert load_mixed("llama3-8b", [(8000, 1000)]).warnings
    assert load_mixed("mixtral-8x7b", [(3, 0), (1, 7)]).macs() > 0


@pytest.mark.parametrize(
    ("model", "requests", "message"),
    [
        ("llama3-8b", [], "at least one request"),
        ("llama3-8b", [(0, 5)], "at least one new position"),
        ("llama3-8b", [(1, n) for n in range(300)], "too many different requests; given 300"),
        ("bert-base", [(4, 0)], "need a decoder"),
        ("deepseek-v3", [(4, 0)], "not supported with latent attention"),
    ],
)
def test_bad_batches(model, requests, message):
    with pytest.raises(WorkloadError, match=message):
        load_mixed(model, requests)


def test_head_takes_the_last_position_of_each_request():
    model = plain.tiny_model()
    batch = load_mixed(model, [(3, 0), (2, 4)])
    weights = plain.random_weights(model)["head"]
    rows = np.random.default_rng(1).normal(size=(1, 5, model.hidden_size))
    head = batch.stages[-1].cascade
    made = head.execute({**weights, "X": rows, "LAST": [2, 4]})["Y"]
    expected = plain.normalise(model, rows[0, [2, 4]], weights["HNG"]) @ weights["WLM"].T
    np.testing.assert_allclose(made, expected, rtol=1e-12)
