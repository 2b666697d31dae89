"""Synthetic traces beside what is published of the traces that they stand for.

Measured over the Azure 2023 and Mooncake traces (mean rate, coefficient of variation of
the gaps, index of dispersion of the counts in 1, 10, 60 s; mean and percentiles of the lengths).
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from workloads.traces.arrival_statistics import dispersion
from workloads.traces.arrivals import ArrivalProcess, Burst, Clock, Swell
from workloads.traces.lengths import Lengths, QuantileLengths, ZipfLengths
from workloads.traces.request_generators import PROFILES, RequestProfile, generate_requests

WINDOWS = (1, 10, 60)
# requests, rate /s, coefficient of variation, dispersion in 1 / 10 / 60 s.
ARRIVALS = {
    "azure-code": (8819, 2.567, 13.15, (13.2, 71, 161)),
    "azure-conv": (19366, 5.530, 1.09, (1.39, 4.0, 20.6)),
    "mooncake-conversation": (12031, 3.401, 3.03, (7.9, 2.1, 2.9)),
    "mooncake-synthetic": (3993, 3.907, 1.01, (1.09, 1.4, 13)),
}
# mean, median, 90th, 99th percentile of prompt and output.
LENGTHS = {
    "azure-code": ((2047.8, 1469, 5188, 7436), (27.9, 13, 55, 251)),
    "azure-conv": ((1154.7, 1020, 2735, 4142), (211.1, 129, 424, 601)),
    "mooncake-conversation": ((12035, 6909, 27367, 85400), (342.6, 350, 597, 1118)),
    "mooncake-synthetic": ((15325, 11587, 38611, 66456), (149.1, 69, 389, 768)),
    "arxiv-summarization": ((2588, 2730, 3702, 3933), (291, 167, 372, 3271)),
    "sharegpt": ((None, 1730, 5696, None), (None, 415, 834, None)),
}


def dispersion_of(arrivals, window):
    return dispersion(np.asarray(arrivals), window)


def line(*cells):
    print("".join(f"{cell!s:>14}" for cell in cells))


def as_published(process, number, seed):
    """A trace of the published number and duration; windows include the one that its end cuts."""
    clock, rng = Clock(process, np.random.default_rng([seed, 0])), np.random.default_rng([seed, 1])
    times = [0.0]
    for _ in range(number - 1):
        times.append(clock.after(times[-1], rng))
    scale = (number - 1) / process.rate_per_s / times[-1]
    stamps = np.array([process.stamped(time * scale) for time in times])
    gaps = np.diff(stamps)
    assert (gaps >= 0).all()
    return [gaps.std() / gaps.mean(), *(dispersion(stamps, item, cut=True) for item in WINDOWS)]


@pytest.mark.parametrize("name", ARRIVALS)
def test_arrivals_beside_the_published(name):
    """Rule: every statistic, mean of 16 traces, within 15 %, or two deviations of one trace."""
    number, rate, variation, dispersions = ARRIVALS[name]
    process = PROFILES[name].arrivals
    assert process.rate_per_s == pytest.approx(rate, rel=1e-3)
    found = np.array([as_published(process, number, seed) for seed in range(16)])
    duration = (number - 1) / rate
    line(name, "published", "simulated", "one trace ±", "whole windows")
    for place, published in enumerate((variation, *dispersions)):
        title = "variation" if place == 0 else f"IDC {WINDOWS[place - 1]} s"
        form = process.sample_dispersion(WINDOWS[place - 1], duration) if place else None
        mean, deviation = found[:, place].mean(), found[:, place].std()
        line(title, published, round(mean, 2), round(deviation, 2), form and round(form, 2))
        assert abs(mean - published) < max(0.15 * published, 2 * deviation)


def test_burstgpt_has_the_rate_and_the_gaps_of_its_authors_generator():
    requests = generate_requests("burstgpt", 4000)
    gaps = np.diff([item.arrival_s for item in requests])
    assert 1 / gaps.mean() == pytest.approx(0.496, rel=0.08)
    assert gaps.std() / gaps.mean() == pytest.approx(2**0.5, rel=0.1)


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_beside_the_published(name):
    rng = np.random.default_rng(3)
    profile = PROFILES[name]
    for side, published in zip(("prompt", "output"), LENGTHS[name], strict=True):
        values = [getattr(profile, side).sample(rng) for _ in range(20000)]
        found = [np.mean(values), *np.quantile(values, (0.5, 0.9, 0.99))]
        line(f"{name} {side}", "mean", "p50", "p90", "p99")
        line("published", *published)
        line("generated", *(round(float(value), 1) for value in found))
        for wanted, value in zip(published, found, strict=True):
            if wanted is not None:
                assert value == pytest.approx(wanted, rel=0.07)
        assert min(values) >= 1


def test_gaps_and_lengths_of_a_whole_trace():
    requests = generate_requests("azure-conv", 4000, seed=3)
    gaps = np.diff([item.arrival_s for item in requests])
    assert (gaps >= 0).all()
    lengths = np.array([(item.prompt, item.output) for item in requests])
    assert abs(np.corrcoef(lengths.T)[0, 1]) < 0.05
    assert set(np.diff([r.arrival_s for r in generate_requests("mooncake-conversation", 40)])) <= {
        3.0 * n for n in range(9)
    }


@given(
    st.floats(0.05, 0.95),
    st.floats(0.0, 1.0),
    st.floats(0.01, 1000.0),
    st.floats(0.01, 100.0),
)
def test_dispersion_lies_between_poisson_and_its_limit(share, strength, busy_s, window):
    burst = Burst(share, 1 + strength * (1 / share - 1), busy_s)
    process = ArrivalProcess("bursts", 2.0, bursts=(burst,))
    limit = 1 + 2 * 2.0 * burst.variance / burst.decay_per_s
    found = process.dispersion(window)
    assert 1 - 1e-9 <= found <= limit * (1 + 1e-9)
    assert found <= process.dispersion(2 * window) * (1 + 1e-9)
    # Short windows: the mean rate varies as the factor does.
    assert found <= 1 + 2.0 * burst.variance * window * (1 + 1e-6) + 1e-9
    quiet, busy = burst.factors
    assert share * busy + (1 - share) * quiet == pytest.approx(1.0)


def test_simulated_dispersion_equals_the_closed_form():
    bursts = (Burst(0.3, 3.0, 1.0), Burst(0.5, 1.6, 7.0))
    process = ArrivalProcess("bursts", 4.0, bursts=bursts)
    clock, rng = Clock(process, np.random.default_rng(5)), np.random.default_rng(6)
    times = [0.0]
    for _ in range(60000):
        times.append(clock.after(times[-1], rng))
    assert len(times) / times[-1] == pytest.approx(4.0, rel=0.05)
    for window in (0.5, 2, 20):
        assert dispersion_of(times, window) == pytest.approx(process.dispersion(window), rel=0.15)


@pytest.mark.parametrize("law", ["gamma", "lognormal"])
def test_swells_have_the_closed_form_too(law):
    process = ArrivalProcess("bursts", 4.0, bursts=(Swell(1.5, 2.0, law), Swell(0.2, 9.0, law)))
    rng = np.random.default_rng(4)
    factors = np.array([process.bursts[0].first(rng) for _ in range(40000)])
    assert factors.mean() == pytest.approx(1.0, rel=0.03)
    assert factors.var() == pytest.approx(1.5, rel=0.15)
    clock, times = Clock(process, np.random.default_rng(5)), [0.0]
    for _ in range(80000):
        times.append(clock.after(times[-1], rng))
    for window in (0.5, 2, 20):
        assert dispersion_of(times, window) == pytest.approx(process.dispersion(window), rel=0.2)


def test_zipf_lengths_have_the_power_law():
    lengths = ZipfLengths(1.1, 1023)
    rng = np.random.default_rng(0)
    values = np.array([lengths.sample(rng) for _ in range(20000)])
    assert values.min() == 1
    assert values.max() <= 1023
    total = sum(n**-1.1 for n in range(1, 1024))
    for number in (1, 2, 8):
        share = number**-1.1 / total
        assert (values == number).mean() == pytest.approx(share, rel=0.1)
    assert lengths.quantile(1.0) == 1023


def test_quantile_lengths_pass_through_their_points():
    lengths = QuantileLengths(((0, 2), (0.5, 10), (1, 40)))
    for share, value in lengths.points:
        assert lengths.quantile(share) == pytest.approx(value)
    assert lengths.mean() == pytest.approx(4 / math.log(5) + 15 / math.log(4))
    assert Lengths(2.0, 1.0).quantile(0.5) == pytest.approx(math.exp(2))


def test_seeds_and_prefixes():
    assert generate_requests("azure-code", 5) == generate_requests("azure-code", 9)[:5]
    assert generate_requests("azure-code", 5, seed=1) != generate_requests("azure-code", 5)
    assert generate_requests("azure-code", 1)[0].arrival_s == 0


def test_bad_profiles():
    with pytest.raises(ConfigError, match="did you mean 'azure-code'"):
        generate_requests("azure-cod", 5)
    with pytest.raises(ConfigError, match="at least one request"):
        generate_requests("azure-code", 0)
    with pytest.raises(ConfigError, match="did you mean 'poisson'"):
        ArrivalProcess("poison", 1.0)
    with pytest.raises(ConfigError, match=r"requests\.rate_per_s: must be positive"):
        ArrivalProcess("poisson", 0.0)
    with pytest.raises(ConfigError, match=r"requests\.stamp_s: must be 0 or more"):
        ArrivalProcess("poisson", 1.0, stamp_s=-1.0)
    with pytest.raises(ConfigError, match="factor between 1 and 1 / share"):
        Burst(0.5, 3.0, 1.0)
    with pytest.raises(ConfigError, match=r"requests\.busy_s: must be positive"):
        Burst(0.5, 1.5, 0.0)
    with pytest.raises(ConfigError, match="did you mean 'gamma'"):
        Swell(0.5, 1.0, "gama")
    with pytest.raises(ConfigError, match=r"requests\.hold_s: must be positive"):
        Swell(0.5, 0.0)
    with pytest.raises(ConfigError, match=r"requests\.correlation"):
        RequestProfile(ArrivalProcess("poisson", 1.0), Lengths(1, 1), Lengths(1, 1), 1.5)
    with pytest.raises(ConfigError, match="only there"):
        ArrivalProcess("bursts", 1.0)
    with pytest.raises(ConfigError, match="quantiles grow"):
        QuantileLengths(((0, 2), (0.5, 1), (1, 40)))
    profile = RequestProfile(ArrivalProcess("poisson", 1.0), Lengths(1, 1), Lengths(1, 1))
    assert len(generate_requests(profile, 3)) == 3
