import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cim import ripple
from archsim.cim.ripple import RippleArray
from archsim.cim.supply import (
    THRESHOLD_V,
    delay_factor,
    energy_factor,
    measured_delay_exponent,
    measured_energy_factor,
)
from archsim.errors import ConfigError

STAGE_NS = 0.4


def array(bits, registers):
    return RippleArray(128, 128, 128 // registers, bits, bits, STAGE_NS)


@pytest.mark.parametrize(
    ("bits", "registers", "gops"),
    [(1, 16, 563.5), (1, 1, 75.07), (4, 4, 39.45), (8, 16, 25.75), (14, 16, 8.9), (16, 1, 1.34)],
)
def test_throughput_of_colonnade(bits, registers, gops):
    """Six of the 45 points of JSSC 2021 Fig. 15a; the suite scores them all."""
    found = array(bits, registers)
    assert ripple.throughput_gops(found, ripple.clock_ns(found)) == pytest.approx(gops, rel=0.03)


@pytest.mark.parametrize(("bits", "registers", "us"), [(8, 4, 0.79), (16, 16, 3.6), (2, 1, 0.22)])
def test_latency_of_colonnade(bits, registers, us):
    found = array(bits, registers)
    latency = ripple.latency_ns(found, ripple.clock_ns(found)) / 1e3
    assert latency == pytest.approx(us, rel=0.02, abs=0.005)


def test_a_weight_takes_the_columns_its_sum_grows_into():
    assert [array(bits, 1).columns for bits in (1, 8, 14, 16)] == [16, 8, 6, 5]
    assert array(16, 1).used_bit_columns == 115


@given(st.floats(0.4, 1.3), st.floats(0.4, 1.3))
def test_lower_supplies_are_slower_and_thriftier(one, other):
    low, high = sorted((one, other))
    assert delay_factor(low, high) >= 1.0 - 1e-12
    assert energy_factor(low, high) <= 1.0


def test_no_delay_at_the_threshold():
    with pytest.raises(ConfigError, match=r"above 0.35 V"):
        delay_factor(THRESHOLD_V, 0.9)


def test_measured_curve_goes_through_its_points():
    points = {0.8: 1.0, 0.6: 0.2515}
    for supply, factor in points.items():
        assert measured_energy_factor(supply, points) == pytest.approx(factor)
    # The point between them was measured too: 42.56 of 68.1 fJ (Colonnade, JSSC 2021 Fig. 16a).
    assert measured_energy_factor(0.7, points) == pytest.approx(42.56 / 68.1, rel=0.01)
    assert measured_energy_factor(0.9, points) == pytest.approx((0.9 / 0.8) ** 2)
    with pytest.raises(ConfigError, match="lowest measured supply"):
        measured_energy_factor(0.5, points)


def test_measured_curve_needs_two_points():
    with pytest.raises(ConfigError, match="two points"):
        measured_energy_factor(0.7, {0.8: 1.0})
    with pytest.raises(ConfigError, match="two points"):
        measured_delay_exponent({0.8: 1.0})


def test_delay_exponent():
    assert measured_delay_exponent({0.7: 2.0, 1.4: 1.0}) == pytest.approx(1.0)
