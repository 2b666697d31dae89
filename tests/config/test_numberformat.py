"""Bits per element and the text form of number formats and precisions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.numberformat import FORMATS, Precision, parse_format, parse_precision

plain = st.sampled_from(sorted(name for name, item in FORMATS.items() if item.group is None))
grouped = st.builds("{}:g{}:{}".format, plain, st.integers(1, 2**20), plain)
with_zero = st.builds("{}:{}".format, grouped, plain)
formats = st.one_of(st.sampled_from(sorted(FORMATS)), grouped, with_zero)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("bf16", Fraction(16)),
        ("fp8", Fraction(8)),
        ("int4", Fraction(4)),
        ("int4:g128:fp16", Fraction(33, 8)),
        ("int4:g128:fp16:int4", 4 + Fraction(20, 128)),
        ("mxfp4", Fraction(17, 4)),
        ("nvfp4", Fraction(9, 2)),
    ],
)
def test_bits_per_element(text, bits):
    assert parse_format(text).bits_per_element == bits


@given(formats, st.integers(0, 2**50))
def test_bytes_are_the_exact_ceiling(text, count):
    number_format = parse_format(text)
    assert number_format.bytes(count) == ceil(number_format.bits_per_element * count / 8)
    assert parse_format(str(number_format)) == number_format


@given(formats, formats, formats, formats)
def test_precision_round_trips(weights, act, kv, accumulator):
    text = f"weights={weights},act={act},kv={kv},accumulator={accumulator}"
    precision = parse_precision(text)
    assert parse_precision(str(precision)) == precision
    assert str(precision) == text


def test_defaults():
    assert parse_precision("") == Precision()
    assert str(Precision()) == "weights=bf16,act=bf16,kv=bf16,accumulator=fp32"
    assert parse_precision("kv=fp8").kv.bits == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bf61", "unknown number format; given 'bf61'; allowed: fp32, bf16, .*mean 'bf16'"),
        ("int4:g128", "is not a number format; given 'int4:g128'; allowed: FORMAT or"),
        ("int4:128:fp16", "the group must be 'g' and a whole number"),
        ("int4:g0:fp16", "the group must be 'g' and a whole number"),
        ("int4:g9999999:fp16", "the group must be 'g' and a whole number"),
        ("int4:g128:fp61", "unknown scale format; .*did you mean 'fp16'"),
        ("int4:g128:mxfp4", "a scale cannot itself be scaled"),
        ("mxfp4:g32:fp8", "mxfp4 has its scales by definition"),
        ("int4:g8:fp8:fp8:fp8", "is not a number format"),
        ("", "unknown number format"),
    ],
)
def test_bad_formats(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_format(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bf16", "is not NAME=FORMAT; given 'bf16'"),
        ("weigths=bf16", "unknown tensor class in a precision; .*did you mean 'weights'"),
        ("kv=fp8,kv=fp8", "kv is given twice"),
        ("kv=", "unknown number format"),
        ("kv=fp8,", "is not NAME=FORMAT; given ''"),
    ],
)
def test_bad_precisions(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_precision(text)
