"""Quantities: exact both ways, every wrong unit named."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.units import (
    DIMENSIONS,
    EXAMPLE,
    dimension_of,
    format_quantity,
    human_quantity,
    parse_any_quantity,
    parse_quantity,
    period_ps,
    transfer_ps,
    unit_names,
)

dimensions = st.sampled_from(DIMENSIONS)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-6, max_value=1e18)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("940 MHz", "frequency", 940e6),
        ("940MHz", "frequency", 940e6),
        ("13.75 ns", "time", 13.75e-9),
        ("1e-9 s", "time", 1e-9),
        ("3 µs", "time", 3e-6),
        ("3 μs", "time", 3e-6),
        ("16 MiB", "bytes", 16 * 2**20),
        ("16 MB", "bytes", 16e6),
        ("8 Gb", "bytes", 1e9),
        ("8 Gbit", "bytes", 1e9),
        ("8 Kib", "bytes", 1024),
        ("614 GB/s", "bandwidth", 614e9),
        ("100 Gb/s", "bandwidth", 12.5e9),
        ("1 TiB/s", "bandwidth", 2**40),
        ("3.2 pJ", "energy", 3.2e-12),
        ("175 W", "power", 175.0),
        ("400 mm2", "area", 400.0),
        ("1.5 cm²", "area", 150.0),
        ("1 um^2", "area", 1e-6),
        ("0.75 V", "voltage", 0.75),
        ("7 nm", "length", 7e-9),
        ("20 mA", "current", 0.02),
        ("-1 V", "voltage", -1.0),
        (" 5 W ", "power", 5.0),
    ],
)
def test_values(text, dimension, value):
    assert parse_quantity(text, dimension) == value
    assert dimension_of(text) == dimension


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "940 MHz",
            "is a frequency, but a size in bytes is wanted; given '940 MHz'; "
            "allowed: a size in bytes with its unit, such as '16 MiB'",
        ),
        (
            "16",
            "the unit is missing: a size in bytes is wanted; given '16'; "
            "allowed: a size in bytes with its unit, such as '16 MiB'",
        ),
        (
            "16 KB",
            "'KB' is ambiguous: write kB for 1000 bytes or KiB for 1024; given '16 KB'; "
            "allowed: a size in bytes with its unit, such as '16 MiB'",
        ),
        (
            "16 mib",
            "unknown unit; given '16 mib'; allowed: a size in bytes with its unit, "
            "such as '16 MiB'; did you mean 'MiB'?",
        ),
        (
            "sixteen",
            "is not a number with a unit; given 'sixteen'; "
            "allowed: a size in bytes with its unit, such as '16 MiB'",
        ),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_quantity(text, "bytes")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ["1_000 B", "१ B", "0x10 B", "1e999 B", "1e-9999 B",
     "1e99999999999999999999 B", "1e-99999999999999999999 B", "1 B B", "nan B", "inf B", "1..2 B",
     "", " ", "1" * 100 + " B", "1 B/s/s", "1e5", "--1 B", "1,5 B", "1 B\n"],
)  # fmt: skip
def test_never_a_number_of_bytes(text):
    with pytest.raises(ConfigError):
        parse_quantity(text, "bytes")


def test_unknown_dimension_is_named():
    with pytest.raises(
        ConfigError, match=r"unknown dimension; given 'tiem'.*did you mean 'time'\?"
    ):
        parse_quantity("1 s", "tiem")


@given(finite, dimensions)
def test_format_round_trips_exactly(value, dimension):
    assert parse_quantity(format_quantity(value, dimension), dimension) == value


@given(st.integers(0, 2**53), st.sampled_from(["bytes", "bandwidth"]))
def test_whole_sizes_round_trip(value, dimension):
    assert parse_quantity(format_quantity(value, dimension), dimension) == value


@given(
    dimensions.flatmap(lambda d: st.tuples(st.just(d), st.sampled_from(unit_names(d)))),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**9, places=6),
)
def test_every_unit_is_exact_and_has_one_dimension(pair, number):
    dimension, unit = pair
    text = f"{number:f} {unit}"
    one = Fraction(parse_quantity(f"1 {unit}", dimension))
    assert parse_any_quantity(text) == (parse_quantity(text, dimension), dimension)
    # The factor itself is a rounded float here, hence the relative tolerance of one rounding.
    assert parse_quantity(text, dimension) == pytest.approx(
        float(Fraction(number) * one), rel=1e-15
    )


def test_no_unit_belongs_to_two_dimensions():
    units = [unit for dimension in DIMENSIONS for unit in unit_names(dimension)]
    assert len(units) == len(set(units))


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (16 * 2**20, "bytes", "16 MiB"),
        (16 * 10**6, "bytes", "16 MB"),
        (4096, "bytes", "4 KiB"),
        (1000, "bytes", "1 kB"),
        (64, "bytes", "64 B"),
        (0, "bytes", "0 B"),
        (614e9, "bandwidth", "614 GB/s"),
        (940e6, "frequency", "940 MHz"),
        (13.75e-9, "time", "13.75 ns"),
        (0.75, "voltage", "750 mV"),
        (7e-9, "length", "7 nm"),
        (400.0, "area", "400 mm2"),
        (0.0, "time", "0 s"),
    ],
)
def test_canonical_texts(value, dimension, text):
    assert format_quantity(value, dimension) == text


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (0.0123456, "time", "12.35 ms"),
        (16 * 2**20, "bytes", "16 MiB"),
        (12_345_678, "bytes", "12.35 MB"),
        (0, "energy", "0 J"),
        (float("inf"), "time", "inf"),
    ],
)
def test_human_texts(value, dimension, text):
    assert human_quantity(value, dimension) == text


@given(finite, dimensions)
def test_human_texts_are_quantities(value, dimension):
    assert dimension_of(human_quantity(value, dimension)) == dimension or abs(value) > 1e300


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_examples_are_examples(dimension):
    assert dimension_of(EXAMPLE[dimension]) == dimension


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_infinite_values_have_no_text(value):
    with pytest.raises(ConfigError, match="must be finite"):
        format_quantity(value, "time")


def test_periods():
    assert period_ps(940e6) == 1064
    assert period_ps(1e9) == 1000
    assert period_ps(1.8e9) == 556
    assert period_ps(1e12) == 1


@given(st.floats(min_value=1.0, max_value=1.9e12))
def test_period_is_the_nearest_integer(frequency):
    assert period_ps(frequency) == round(Fraction(10**12) / Fraction(frequency))


@pytest.mark.parametrize("frequency", [0.0, -1.0, float("nan"), float("inf"), 1e15])
def test_impossible_clocks(frequency):
    with pytest.raises(ConfigError):
        period_ps(frequency)


@given(st.integers(0, 2**63), positive)
def test_transfer_is_the_exact_ceiling(num_bytes, bandwidth):
    exact = Fraction(num_bytes) * 10**12 / Fraction(bandwidth)
    result = transfer_ps(num_bytes, bandwidth)
    assert result - 1 < exact <= result


@given(st.integers(0, 2**40), st.integers(0, 2**40), positive)
def test_transfers_are_monotone_and_subadditive(first, second, bandwidth):
    whole = transfer_ps(first + second, bandwidth)
    assert whole >= transfer_ps(first, bandwidth)
    assert whole <= transfer_ps(first, bandwidth) + transfer_ps(second, bandwidth)


@pytest.mark.parametrize(
    ("num_bytes", "bandwidth"), [(-1, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))]
)
def test_impossible_transfers(num_bytes, bandwidth):
    with pytest.raises(ConfigError):
        transfer_ps(num_bytes, bandwidth)
