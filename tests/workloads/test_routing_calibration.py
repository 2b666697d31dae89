"""The two-timescale generator row by row beside the figures it was recommended with.

The reference's rows are means over two or three draws of the popularities, one layer each. With
eight experts such a draw spreads by more or less than its σ, and every statistic with it: layers
whose draws lie close together give the reference's figures in all rows, the mean over all layers
lies above (printed beside them). Smoothing of MRS is not published; three values are given.
"""

import numpy as np
import pytest

from workloads.traces.routing import RoutingProfile, calibrated, generate_routing, long_run_draws
from workloads.traces.routing_statistics import (
    any_overlap,
    coverage,
    hit_rate,
    mean_overlap,
    popularity_spread,
)

COLUMNS = ("overlap", "any", "LRU", "MRS .5", "MRS .3", "MRS .15", "LFU")
ROWS = {
    ("mixtral", 0.2, 0.95, 0.84): (0.306, 0.554, 0.305, 0.335, 0.350, 0.355, 0.289),
    ("mixtral", 0.2, 0.98, 0.88): (0.298, 0.544, 0.297, 0.320, 0.339, 0.356, 0.285),
    ("mixtral", 0.1, 0.98, 0.82): (0.317, 0.577, 0.317, 0.344, 0.365, 0.382, 0.271),
    ("deepseek-v2-lite", 0.3, 0.98, 0.75): (0.202, 0.774, 0.467, 0.496, 0.516, 0.544, 0.421),
    ("deepseek-v2-lite", 0.3, 0.90, 0.70): (0.214, 0.803, 0.469, 0.493, 0.501, 0.505, 0.409),
    ("deepseek-v2-lite", 0.4, 0.98, 0.80): (0.199, 0.773, 0.463, 0.491, 0.511, 0.542, 0.471),
}
SHAPES = {"mixtral": (8, 2), "deepseek-v2-lite": (64, 6)}
LAYERS = {"mixtral": 48, "deepseek-v2-lite": 12}


def statistics(trace, layer, experts):
    cache = {"experts": experts, "slots": experts // 4}
    smoothed = [
        hit_rate(trace, layer, policy="mrs", smoothing=value, **cache) for value in (0.5, 0.3, 0.15)
    ]
    return [
        mean_overlap(trace, layer),
        any_overlap(trace, layer),
        hit_rate(trace, layer, **cache),
        *smoothed,
        hit_rate(trace, layer, policy="lfu", **cache),
    ]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_of_the_table(row):
    name, popularity, memory, noise = row
    experts, active = SHAPES[name]
    profile = RoutingProfile(experts, active, popularity, memory, noise)
    layers = LAYERS[name]
    trace = generate_routing(profile, tokens=2500, layers=layers, seed=3)
    spread = long_run_draws(profile, layers=layers, seed=3)[0].std(axis=1)
    close = np.argsort(spread)[: layers // 6 if name == "mixtral" else 4]
    found = np.mean([statistics(trace, int(layer), experts) for layer in close], axis=0)
    quick = [[mean_overlap(trace, layer), any_overlap(trace, layer)] for layer in range(layers)]
    everywhere = [f"{value:.3f}" for value in np.mean(quick, axis=0)]
    print(f"\n{name} sigma {popularity} phi {memory} w {noise}")
    for title, values in (
        ("", COLUMNS),
        ("reference", ROWS[row]),
        ("here", [f"{value:.3f}" for value in found]),
        ("points", [f"{100 * value:+.1f}" for value in found - ROWS[row]]),
        ("all layers", everywhere),
    ):
        print(f"{title:>11}" + "".join(f"{value!s:>9}" for value in values))
    np.testing.assert_allclose(found, ROWS[row], atol=0.02)


def test_popularity_of_mixtral_is_the_better_founded():
    """Spread of counts: OLMoE's published counts of Mixtral, mean of three domains and layers."""
    measured = np.mean([0.10, 0.04, 0.18, 0.11, 0.12, 0.18, 0.12, 0.08, 0.29])
    spreads = {}
    for popularity in (0.1, 0.2):
        profile = RoutingProfile(8, 2, popularity, 0.95, 0.84)
        trace = generate_routing(profile, tokens=3000, layers=24, seed=1)
        found = [popularity_spread(trace, layer, experts=8) for layer in range(24)]
        spreads[popularity] = np.mean(found)
    print(f"\nspread of counts {measured:.3f}, generated {spreads}")
    assert abs(spreads[0.1] - measured) < 0.5 * abs(spreads[0.2] - measured)
    assert calibrated("mixtral").popularity == 0.1


def test_batches_of_unlike_requests_visit_few_experts():
    profile = calibrated("qwen3-30b-a3b")
    alone = RoutingProfile(128, 8, profile.popularity, 0.0, 1.0, request_tokens=1)
    trace = generate_routing(alone, tokens=640, layers=6)
    for tokens, limit in ((16, 0.5), (64, 0.7)):
        shares = [coverage(trace, layer, tokens=tokens, experts=128) for layer in range(6)]
        assert 0.6 * limit < np.mean(shares) < limit


def test_a_layer_predicts_the_next_as_well_as_published():
    """Fate: the 6 best of one layer's router name 78.8 % of the experts of the next."""
    profile = RoutingProfile(64, 6, 0.3, 0.98, 0.75, coupling=0.964)
    trace = generate_routing(profile, tokens=800, layers=5, seed=1)
    order = long_run_draws(profile, layers=5, seed=1)[1]
    hits = []
    for layer in range(1, 5):
        best = np.argsort(-trace.scores[:, layer - 1][:, order[layer]], axis=1)[:, :6]
        same = (best[:, :, None] == trace.choices[:, layer][:, None, :]).any(axis=2)
        hits.append(same.mean())
    assert np.mean(hits) == pytest.approx(0.788, abs=0.02)
