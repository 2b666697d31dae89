"""Fits to one half of a trace, judged on the other half, which they have not seen.

The traces come from processes that the fit does not know: rates that drift, silences with a heavy
tail, gaps that are not exponential.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from workloads.traces.arrival_fit import simulated
from workloads.traces.arrival_statistics import arrival_statistics, dispersion
from workloads.traces.arrivals import ArrivalProcess, Burst
from workloads.traces.request_fit import fit_lengths, fit_requests, length_correlation
from workloads.traces.request_generators import generate_requests
from workloads.traces.requests import Request

NUMBER = 16000


def drifting():
    """The logarithm of the rate follows a first-order autoregression in steps of 5 s."""
    rng, level, begin, times = np.random.default_rng(1), 0.0, 0.0, []
    while len(times) < NUMBER:
        level = 0.9 * level + math.sqrt(1 - 0.9**2) * rng.normal()
        number = rng.poisson(10 * math.exp(0.8 * level - 0.32))
        times += list(begin + 5 * np.sort(rng.random(number)))
        begin += 5
    return np.array(times)


def silent():
    """Requests come in spurts of 2 s; the silences between have lengths of all scales to 20 s."""
    rng, begin, times = np.random.default_rng(2), 0.0, []
    while len(times) < NUMBER:
        begin += math.exp(rng.uniform(math.log(0.1), math.log(20)))
        length = rng.exponential(2)
        times += list(begin + length * np.sort(rng.random(rng.poisson(8 * length))))
        begin += length
    return np.array(times)


def uneven():
    """Gamma gaps of variation 1.4 at a rate with waves that are longer than the windows."""
    rng, times = np.random.default_rng(3), [0.0]
    while len(times) < NUMBER:
        rate = 2 * (1 + 0.6 * math.sin(2 * math.pi * times[-1] / 1300))
        times.append(times[-1] + rng.gamma(0.5, 1 / (0.5 * rate)))
    return np.array(times)


def switching():
    bursts = (Burst(0.3, 3.0, 1.0), Burst(0.5, 1.6, 7.0), Burst(0.4, 1.8, 30.0))
    return simulated(ArrivalProcess("bursts", 4.0, bursts=bursts), NUMBER, 4)


def steady():
    return simulated(ArrivalProcess("poisson", 3.0), NUMBER, 5)


TRACES = {item.__name__: item for item in (drifting, silent, uneven, switching, steady)}


@pytest.mark.parametrize("name", TRACES)
def test_a_fit_to_one_half_describes_the_other(name):
    """Rule: variation within 30 %; dispersion by a factor of 1.5, up to 40 whole windows."""
    times = TRACES[name]()
    half = len(times) // 2
    requests = [Request(float(time), 100, 10) for time in times[:half]]
    fit = fit_requests(requests)
    other = times[half:] - times[half]
    gaps = np.diff(other)
    print(f"\n{name}: {fit.profile.arrivals}")
    print(
        f"variation: fitted {fit.arrivals.variation:.2f}, held out {gaps.std() / gaps.mean():.2f}"
    )
    assert fit.arrivals.variation == pytest.approx(gaps.std() / gaps.mean(), rel=0.3)
    assert 1 / gaps.mean() == pytest.approx(fit.measured.rate_per_s, rel=0.2)
    for (window, seen), fitted in zip(
        fit.measured.dispersion, fit.arrivals.dispersion, strict=True
    ):
        held_out = dispersion(other, window)
        print(f"IDC {window:7.2f} s: seen {seen:.2f}, fitted {fitted:.2f}, held out {held_out:.2f}")
        if other[-1] / window >= 40:
            assert abs(math.log(fitted / held_out)) < math.log(1.5)
    assert (fit.profile.arrivals.kind == "poisson") == (name == "steady")


def test_a_generated_trace_is_like_the_recorded_one():
    recorded = generate_requests("azure-code", 6000, seed=2)
    fit = fit_requests(recorded)
    made = generate_requests(fit.profile, 6000, seed=3)
    for side in ("prompt", "output"):
        one, other = ([getattr(item, side) for item in trace] for trace in (recorded, made))
        for share in (0.1, 0.5, 0.9, 0.99):
            assert np.quantile(other, share) == pytest.approx(np.quantile(one, share), rel=0.12)
        assert np.mean(other) == pytest.approx(np.mean(one), rel=0.1)
    again = arrival_statistics([item.arrival_s for item in made])
    assert again.rate_per_s == pytest.approx(fit.measured.rate_per_s, rel=0.25)
    assert again.variation == pytest.approx(fit.measured.variation, rel=0.25)


def test_stamps_are_found():
    times = simulated(ArrivalProcess("poisson", 3.0, stamp_s=3.0), 2000)
    measured = arrival_statistics(times)
    assert measured.stamp_s == 3.0
    assert all(window % 3 == 0 for window, _ in measured.dispersion)
    fit = fit_requests([Request(float(time), 5, 5) for time in times])
    assert fit.profile.arrivals.stamp_s == 3.0
    assert fit.arrivals.variation == pytest.approx(measured.variation, rel=0.1)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(0, 2**32))
def test_lengths_stay_within_the_recorded_ones(lengths, seed):
    fitted = fit_lengths(np.array(lengths))
    rng = np.random.default_rng(seed)
    made = [fitted.sample(rng) for _ in range(50)]
    assert min(lengths) <= min(made)
    assert max(made) <= max(lengths)


@pytest.mark.parametrize("wanted", [-0.6, 0.0, 0.7])
def test_lengths_go_together_as_recorded(wanted):
    rng = np.random.default_rng(6)
    one = rng.standard_normal(6000)
    other = wanted * one + math.sqrt(1 - wanted**2) * rng.standard_normal(6000)
    lengths = np.exp(5 + one).astype(int) + 1, np.exp(4 + other).astype(int) + 1
    assert length_correlation(*lengths) == pytest.approx(wanted, abs=0.05)
    requests = [
        Request(float(n), int(a), int(b)) for n, (a, b) in enumerate(zip(*lengths, strict=True))
    ]
    made = generate_requests(fit_requests(requests).profile, 4000, seed=1)
    found = length_correlation(
        np.array([item.prompt for item in made]), np.array([item.output for item in made])
    )
    assert found == pytest.approx(wanted, abs=0.08)


@pytest.mark.parametrize("times", [[], [0.0] * 100, list(range(10))])
def test_too_few_arrivals(times):
    with pytest.raises(ConfigError, match="too few arrivals to tell how they come"):
        fit_requests([Request(float(time), 5, 5) for time in times])


def test_a_long_trace_of_gamma_gaps_is_one():
    rng = np.random.default_rng(8)
    times = np.cumsum(rng.gamma(0.25, 4.0, 200000))
    fit = fit_requests([Request(float(time), 5, 5) for time in times])
    assert fit.profile.arrivals.kind == "gamma"
    assert fit.profile.arrivals.variation == pytest.approx(2.0, rel=0.03)
    assert fit.arrivals.dispersion[3] == pytest.approx(4.0, rel=0.05)
