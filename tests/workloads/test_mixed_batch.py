"""A mixed batch does for each request what a pass of its own does."""

import numpy as np
import pytest

from archsim.errors import WorkloadError
from archsim.run_config import read_workload, write_workload
from tests.workloads import plain_transformer as plain
from tests.workloads.test_variants import MODELS, kinds, stages
from workloads import load_mixed, load_workload
from workloads.model import MlaConfig
from workloads.summary import macs_by_layer

REQUESTS = [(1, 5), (3, 0), (2, 4), (3, 0), (1, 5)]
MLA = MlaConfig(query_rank=5, latent_rank=6, plain_dim=4, rotary_dim=2, value_dim=3)
LATENT = {"kv_heads": 6, "head_dim": 6}
MIXED = {
    **MODELS,
    "latent, absorbed": plain.tiny_model(mla=MLA.model_copy(update={"absorb": "always"}), **LATENT),
    "latent, plain": plain.tiny_model(mla=MLA.model_copy(update={"absorb": "never"}), **LATENT),
    "latent, either form": plain.tiny_model(
        mla=MLA.model_copy(update={"latent_rank": 3, "query_rank": 0}), **LATENT
    ),
}


def tables(number, new, history, keep):
    """What a group of requests needs to know of its positions."""
    keys = np.arange(history - keep, history + new)
    positions = range(history, history + new)
    buckets = [[plain.bucket(position - key) for key in keys] for position in positions]
    return {f"R{number}KPOS": keys, f"R{number}BUCKET": buckets}


@pytest.mark.parametrize("name", MIXED)
def test_every_request_gets_its_own_result(name):
    model = MIXED[name]
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
        cascade = next(item.cascade for item in batch.stages if item.name == stage)
        for number, (count, new, history) in enumerate(batch.requests):
            members = [i for i, pair in enumerate(ordered) if pair == (new, history)]
            assert len(members) == count
            keep = min(history, kind.window - 1) if kind.window else history
            caches |= tables(number, new, history, keep)
            for made in cascade.role_tensors("kv"):
                if not made.name.startswith(f"R{number}"):
                    continue
                # Alone, the absorbed form calls the cache of the plain form K.
                old = [
                    alone[i].get("KV" if model.mla else made.name[2:], alone[i]["K"])[
                        0, :, history - keep : history
                    ]
                    for i in members
                ]
                shape = (count, old[0].shape[0], new, old[0].shape[2])
                room = np.full(shape, np.nan)
                caches[made.name] = np.concatenate([np.stack(old), room], axis=2)
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


@pytest.mark.parametrize("name", ["deepseek-v2-lite", "falcon-180b", "gemma-2-2b"])
def test_macs_are_those_of_the_requests_alone(name):
    requests = [(700, 0), (300, 5000), (4, 60), (1, 4200), (1, 4200)]
    alone = [load_workload(name, context=new, history=old) for new, old in requests]
    batch = load_mixed(name, requests, routing="balanced")
    rest = ("attention", "ffn", "head")
    expected = [macs_by_layer(item) for item in alone]
    for layer in rest:
        total = sum(item.get(layer, 0) for item in expected)
        assert macs_by_layer(batch).get(layer, 0) == total, layer
    assert batch.num_parameters() == alone[0].num_parameters()


@pytest.mark.parametrize("name", ["latent, either form", "window", "sinks"])
def test_caches_with_scales_hold_the_same_values(name):
    model = MIXED[name]
    weights = plain.random_weights(model)["layer"]
    rows = np.random.default_rng(7).normal(size=(1, 5, model.hidden_size))
    requests = [(3, 0), (2, 0)]
    positions = np.array([0, 1, 2, 0, 1])
    made = []
    for options in ({}, {"precision": "kv=int8:g2:fp16", "dequantise": True, "sampled": 2}):
        batch = load_mixed(model, requests, **options)
        layer = next(item.cascade for item in batch.stages if item.name == "layer")
        caches = {
            tensor.name: np.full(tensor.shape(layer), np.nan) for tensor in layer.role_tensors("kv")
        }
        made.append(plain.run_stage(model, layer, weights, rows, positions, caches)["Y"])
    np.testing.assert_allclose(made[1], made[0], rtol=1e-9)
    assert batch.stages[-1].cascade.einsum("sample_choice")
    again = read_workload(write_workload(batch))
    assert again == batch


@pytest.mark.parametrize(
    ("model", "requests", "message"),
    [
        ("llama3-8b", [], "at least one request"),
        ("llama3-8b", [(0, 5)], "at least one new position"),
        ("llama3-8b", [(1, n) for n in range(300)], "too many different requests; given 300"),
        ("bert-base", [(4, 0)], "need a decoder"),
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
