import sys

import numpy as np
import pytest

from archsim.errors import ConfigError, NotRunError
from workloads import load_workload
from workloads.traces.routing import (
    CALIBRATIONS,
    RoutingProfile,
    RoutingTrace,
    calibrated,
    generate_routing,
)
from workloads.traces.routing_files import read_routing, write_routing
from workloads.traces.routing_statistics import any_overlap, hit_rate, mean_overlap

# Published: HybriMoE, arXiv:2504.05897 (hit rates with 25 % of the experts cached; its smoothing is
# not printed, 0.3 fits); Mixtral: overlap of neighbours from arXiv:2401.04088, table 5.
PUBLISHED = {
    "mixtral": {"lru": 0.302, "mrs": 0.362, "any": 0.554},
    "deepseek-v2-lite": {"lru": 0.477, "mrs": 0.527},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_calibration_reproduces_published_hit_rates(name):
    profile = calibrated(name)
    found = {"lru": [], "mrs": [], "any": [], "lfu": []}
    trace = generate_routing(profile, tokens=1500, layers=24, seed=1)
    cache = {"experts": profile.experts, "slots": profile.experts // 4}
    for layer in range(24):
        for policy in ("lru", "lfu", "mrs"):
            found[policy].append(hit_rate(trace, layer, policy=policy, **cache))
        found["any"].append(any_overlap(trace, layer))
    for key, value in PUBLISHED[name].items():
        assert np.mean(found[key]) == pytest.approx(value, abs=0.02), key
    assert np.mean(found["lfu"]) < np.mean(found["lru"]) < np.mean(found["mrs"])


def test_noise_alone_reuses_what_chance_reuses():
    trace = generate_routing(RoutingProfile(8, 2, 0.0, 0.9, 1.0), tokens=4000)
    assert mean_overlap(trace, 0) == pytest.approx(0.25, abs=0.02)
    assert hit_rate(trace, 0, experts=8, slots=2) == pytest.approx(0.25, abs=0.02)
    assert hit_rate(trace, 0, experts=8, slots=8) == 1.0


def test_reuse_by_depth_is_least_first_and_greatest_in_the_middle():
    profile = RoutingProfile(16, 2, 0.0, 0.98, 0.5, by_depth=True)
    trace = generate_routing(profile, tokens=2000, layers=6)
    overlap = [mean_overlap(trace, layer) for layer in range(6)]
    assert overlap[0] == pytest.approx(2 / 16, abs=0.02)
    assert overlap[0] < overlap[1] < min(overlap[2:4])
    assert overlap[5] < min(overlap[2:4])


def test_coupled_layers_predict_each_other():
    def best_is_permuted(coupling):
        profile = RoutingProfile(8, 1, 0.1, 0.9, 0.8, coupling=coupling)
        trace = generate_routing(profile, tokens=3000, layers=2)
        table = np.zeros((8, 8))
        for first, second in trace.choices[:, :, 0]:
            table[first, second] += 1
        return table.max(axis=1).sum() / table.sum()

    assert best_is_permuted(1.0) == 1.0
    assert best_is_permuted(0.95) > best_is_permuted(0.6) > best_is_permuted(0.0)


def test_requests_of_one_topic_are_alike():
    profile = RoutingProfile(32, 2, 0.0, 0.0, 0.5, topic=2.0, request_tokens=200, topics=3)
    trace = generate_routing(profile, tokens=4000)
    counts = np.array([trace.loads(0, 200 * n, 200 * (n + 1), 32) for n in range(20)])
    likeness = np.corrcoef(counts)
    alike = (likeness > 0.6).sum(axis=1)
    assert (likeness[~np.eye(20, dtype=bool)] > 0.6).mean() > 0.2
    assert set(np.round(np.sort(alike)[-1:])) <= set(range(5, 20))


def test_seeds_and_prefixes():
    profile = calibrated("mixtral")
    long = generate_routing(profile, tokens=50, layers=3, seed=1)
    short = generate_routing(profile, tokens=20, layers=3, seed=1)
    np.testing.assert_array_equal(long.choices[:20], short.choices)
    other = generate_routing(profile, tokens=20, layers=3, seed=2)
    assert (other.choices != short.choices).any()
    np.testing.assert_allclose(long.scores.sum(-1), 1.0)


def test_a_trace_gives_the_loads_of_a_workload():
    trace = generate_routing(calibrated("mixtral"), tokens=16)
    loads = trace.loads(0, 0, 16, 8)
    assert sum(loads) == 32
    workload = load_workload("mixtral-8x7b", context=16, routing=loads)
    macs = sum(e.macs() for e in workload.stages[1].cascade.einsums if e.op_class == "expert")
    assert macs == 32 * 3 * 4096 * 14336


@pytest.mark.parametrize("scored", [True, False])
def test_files_round_trip(tmp_path, scored):
    trace = generate_routing(calibrated("mixtral"), tokens=5, layers=2)
    trace = trace if scored else RoutingTrace(trace.choices)
    path = tmp_path / "routing.csv"
    write_routing(trace, path)
    again = read_routing(path, experts=8)
    np.testing.assert_array_equal(again.choices, trace.choices)
    assert (again.scores is None) == (not scored)
    if scored:
        np.testing.assert_array_equal(again.scores, trace.scores)


@pytest.mark.parametrize("scored", [True, False])
def test_parquet_round_trip(tmp_path, scored):
    trace = generate_routing(calibrated("mixtral"), tokens=5, layers=2)
    trace = trace if scored else RoutingTrace(trace.choices)
    path = tmp_path / "routing.parquet"
    write_routing(trace, path)
    again = read_routing(path, experts=8)
    np.testing.assert_array_equal(again.choices, trace.choices)
    assert (again.scores is None) == (not scored)
    if scored:
        np.testing.assert_array_equal(again.scores, trace.scores)
    with pytest.raises(ConfigError, match=r"routing\.parquet:1: expert ids are from 0 to 1"):
        read_routing(path, experts=2)


def test_parquet_that_is_none(tmp_path):
    path = tmp_path / "routing.parquet"
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        read_routing(path)
    path.write_text("token,layer", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        read_routing(path)
    trace = generate_routing(calibrated("mixtral"), tokens=2)
    for name in ("routing.parquet", "routing.csv"):
        with pytest.raises(ConfigError, match="cannot be written"):
            write_routing(trace, tmp_path / "nowhere" / name)


def test_parquet_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    trace = generate_routing(calibrated("mixtral"), tokens=3, layers=2)
    path = tmp_path / "routing.parquet"
    with pytest.raises(NotRunError, match=r"need the package pyarrow \(pip install 'archsim"):
        write_routing(trace, path)
    with pytest.raises(NotRunError, match="need the package pyarrow"):
        read_routing(path)


HEADER = "token,layer,expert_0,expert_1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad.csv:1: the columns of a routing trace"),
        ("token,expert_0\n", r"bad.csv:1: the columns of a routing trace"),
        (HEADER, r"bad.csv:2: every token needs a row"),
        (HEADER + "0,0,1,2\n0,1,1,2\n1,1,1,2\n1,0,1,2\n", r"bad.csv:5: row out of order"),
        (HEADER + "0,0,1,2\n0,0,1,2\n", r"bad.csv:3: row out of order"),
        (HEADER + "0,0,1,2\n0,1,1,2\n1,0,1,2\n", r"bad.csv:5: every token needs a row"),
        (HEADER + "0,0,1,8\n", r"bad.csv:2: expert ids are from 0 to 7"),
        (HEADER + "0,0,1,1\n", r"bad.csv:2: a token chooses each expert once"),
        (HEADER + "0,0,1\n", r"bad.csv:2: a row has another number of columns"),
        (HEADER + "0,0,1,x\n", r"bad.csv:2: must be whole numbers; given '0,0,1,x'"),
    ],
)
def test_bad_rows_say_file_and_line(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_routing(path, experts=8)


def test_bad_profiles():
    with pytest.raises(ConfigError, match="did you mean 'mixtral'"):
        calibrated("mixtrl")
    assert set(CALIBRATIONS) == {*PUBLISHED, "qwen3-30b-a3b"}
    with pytest.raises(ConfigError, match="more experts than there are"):
        RoutingProfile(4, 5, 0.1, 0.5, 0.5)
    with pytest.raises(ConfigError, match=r"routing.noise: must be from 0 to 1"):
        RoutingProfile(4, 2, 0.1, 0.5, 1.5)
    trace = RoutingTrace(generate_routing(calibrated("mixtral"), tokens=3).choices)
    with pytest.raises(ConfigError, match="needs a trace with router scores"):
        hit_rate(trace, 0, experts=8, slots=2, policy="mrs")
    with pytest.raises(ConfigError, match="slots out of range"):
        hit_rate(trace, 0, experts=8, slots=1)
