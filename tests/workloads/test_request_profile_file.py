"""Profiles of synthetic request traces in YAML files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from workloads.traces.arrivals import ArrivalProcess, Burst, Swell
from workloads.traces.lengths import Lengths, QuantileLengths
from workloads.traces.request_generators import PROFILES, RequestProfile
from workloads.traces.request_profile_file import find_profile, profile_text, read_profile

positive = st.floats(0.01, 1000.0)
switches = st.builds(
    lambda share, busy: Burst(share, 1 / share, busy), st.floats(0.1, 0.9), positive
)
swells = st.builds(Swell, st.floats(0.01, 10), positive, st.sampled_from(["gamma", "lognormal"]))
bursts = st.builds(
    lambda one, other: (*one, *other), st.lists(switches, max_size=2), st.lists(swells, max_size=2)
).filter(bool)
processes = st.one_of(
    st.builds(lambda rate: ArrivalProcess("poisson", rate), positive),
    st.builds(lambda rate, v: ArrivalProcess("gamma", rate, variation=v), positive, positive),
    st.builds(
        lambda rate, items, stamp: ArrivalProcess("bursts", rate, bursts=items, stamp_s=stamp),
        positive,
        bursts,
        st.sampled_from([0.0, 0.5, 3.0]),
    ),
)
lengths = st.floats(1.5, 100.0).map(lambda top: QuantileLengths(((0, 1.0), (0.5, top), (1, 2e5))))


@given(processes, lengths, lengths, st.floats(-1, 1))
def test_every_profile_survives_a_round_trip(tmp_path_factory, process, prompt, output, together):
    profile = RequestProfile(process, prompt, output, together)
    path = tmp_path_factory.mktemp("profile") / "profile.yaml"
    path.write_text(profile_text(profile, name="mine", source="made up"), encoding="utf-8")
    assert read_profile(path) == find_profile(str(path)) == profile


def test_fitted_profiles_can_be_written_where_lengths_are_quantiles():
    assert "rate: 2.567 Hz" in profile_text(PROFILES["azure-code"])
    assert find_profile("azure-code") == PROFILES["azure-code"]
    with pytest.raises(ConfigError, match="only lengths given by quantiles"):
        profile_text(PROFILES["burstgpt"])
    with pytest.raises(ConfigError, match="did you mean 'azure-code'"):
        find_profile("azure-cod")
    with pytest.raises(ConfigError, match="only lengths given by quantiles"):
        profile_text(RequestProfile(ArrivalProcess("poisson", 1.0), Lengths(1, 1), Lengths(1, 1)))


GOOD = profile_text(PROFILES["azure-code"], name="azure-code", source="Azure 2023")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: bursts", "kind: burst", r"bad.yaml:4:9: requests.arrivals.kind: .*'bursts'"),
        ("rate: 2.567 Hz", "rate: 2.567", r"bad.yaml:5:9: requests.arrivals.rate: .*unit"),
        ("factor: 2.627", "factor: 0.5", r"bad.yaml:\d+:\d+: .*share lies between 0 and 1"),
        ("share: 0.9,", "share: 0.4,", r"bad.yaml:\d+:\d+: .*quantiles grow"),
        ("arrivals:", "arrival:", r"bad.yaml:3:1: requests.arrival: unknown key.*'arrivals'"),
        ("busy: 5.3 s", "busy: 5.3 m", r"bad.yaml:\d+:\d+: requests.arrivals.switches"),
        (GOOD, "name: a\narrivals: {kind: poisson, rate: 1 Hz}\nprompt: []\noutput: []\n", "two"),
        (GOOD, "- 1\n", "bad.yaml"),
    ],
)
def test_bad_files_say_where(tmp_path, old, new, message):
    assert old in GOOD
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_profile(path)
