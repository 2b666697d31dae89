import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from workloads import attention_cascade
from workloads.attention_cascades import ATTENTION_FORMS


def softmax_attention(q, k, v, causal):
    scores = np.einsum("bgrpe,bgme->bgrpm", q, k)
    queries, keys = scores.shape[-2:]
    if causal:
        seen = np.arange(keys)[None] <= np.arange(queries)[:, None] + keys - queries
        scores = np.where(seen, scores, -np.inf)
    weight = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bgrpm,bgmf->bgrpf", weight / weight.sum(-1, keepdims=True), v)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ATTENTION_FORMS),
    st.booleans(),
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(1, 12),
    st.sampled_from([1.0, 30.0, 1e4]),
    st.integers(0, 2**32 - 1),
)
def test_every_form_equals_softmax_attention(form, causal, queries, history, tile, size, seed):
    """Also with scores near 10**8, where exp without the row maximum overflows."""
    rng = np.random.default_rng(seed)
    keys = queries + history
    q = rng.normal(size=(2, 1, 3, queries, 4)) * size
    k = rng.normal(size=(2, 1, keys, 4)) * size
    v = rng.normal(size=(2, 1, keys, 5))
    cascade = attention_cascade(
        form,
        queries=queries,
        keys=keys,
        head_dim=4,
        value_dim=5,
        batch=2,
        group=3,
        tile=tile,
        causal=causal,
    )
    result = cascade.execute({"Q": q, "K": k, "V": v})["AV"]
    np.testing.assert_allclose(result, softmax_attention(q, k, v, causal), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ATTENTION_FORMS)
def test_forms_agree_on_the_useful_products(form):
    for tile in (1, 3, 4, 12):
        cascade = attention_cascade(
            form, queries=5, keys=12, head_dim=8, value_dim=6, kv_heads=2, tile=tile, causal=True
        )
        seen = sum(12 - 5 + p + 1 for p in range(5))
        assert cascade.macs() == 2 * seen * (8 + 6)


def test_deferred_division_divides_results_instead_of_probabilities():
    shape = {"queries": 7, "keys": 90, "head_dim": 8, "value_dim": 6}
    divisions = {
        form: attention_cascade(form, **shape).op_counts()["div"]
        for form in ("3-pass", "3-pass-deferred", "1-pass")
    }
    assert divisions == {"3-pass": 7 * 90, "3-pass-deferred": 7 * 6, "1-pass": 7 * 6}


def test_one_pass_footprint_does_not_grow_with_the_keys():
    """Only two versions of the running tensors count, and tiles are made and used one by one."""
    sizes = set()
    for keys in (64, 6400):
        cascade = attention_cascade("1-pass", queries=4, keys=keys, head_dim=8, tile=16)
        whole = {tensor.name for tensor in cascade.tensors if "M1" in tensor.ranks} - {
            "RM",
            "RD",
            "RNV",
        }
        sizes.add(cascade.footprint_bytes(fused=whole))
    assert len(sizes) == 1


def test_refusals():
    with pytest.raises(WorkloadError, match="unknown attention form; given '4-pass'"):
        attention_cascade("4-pass", queries=1, keys=1, head_dim=2)
    with pytest.raises(WorkloadError, match="at least as many keys as queries; given 2"):
        attention_cascade("3-pass", queries=3, keys=2, head_dim=2, causal=True)
