"""Folding requests that repeat themselves changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, segments_of
from archsim.pim.run import simulate
from archsim.pim.segments import Macs, StreamWriter

DEVICES = ("attacc-bank", "attacc-bankgroup", "attacc-buffer", "logic-pim", "generic-pim")


def both(device, segments, order=None):
    stream = StreamWriter(device, order).write(segments)
    return simulate(device, stream), simulate(device, stream, fold=False)


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 6000),
    start=st.integers(0, 40),
    gap=st.integers(2, 9),
    interval=st.integers(500, 6000),
    queue=st.sampled_from([1, 2, 7, 33]),
)
def test_streams(name, count, start, gap, interval, queue):
    device = load_device(
        name,
        [
            f"hardware.timings.nCCDAB={gap}",
            f"hardware.timings.nCCDSB={gap}",
            f"hardware.timings.nREFI={interval}",
            f"hardware.controller.queue={queue}",
        ],
    )
    folded, plain = both(device, [Macs(0, start, count, 2), Macs(1 << 20, 0, count // 2 + 1, 1)])
    assert folded.ticks == plain.ticks
    assert folded.counts == plain.counts


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=5, deadline=None)
@given(
    rows=st.integers(1, 3000), inner=st.integers(16, 3000), element_bytes=st.sampled_from([1, 2])
)
def test_gemv(name, rows, inner, element_bytes):
    device = load_device(name)
    folded, plain = both(device, segments_of(device, Gemv(rows, inner, element_bytes)))
    assert (folded.ticks, folded.counts) == (plain.ticks, plain.counts)


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=5, deadline=None)
@given(
    tokens=st.integers(1, 3000),
    head_size=st.sampled_from([64, 128, 256]),
    heads=st.integers(1, 40),
)
@example(tokens=2433, head_size=64, heads=18)
def test_attention(name, tokens, head_size, heads):
    device = load_device(name)
    folded, plain = both(device, segments_of(device, Attention(tokens, head_size, heads, heads)))
    assert (folded.ticks, folded.counts) == (plain.ticks, plain.counts)


def test_a_long_stream_is_folded():
    device = load_device("attacc-bank", ["hardware.controller.refresh=none"])
    stream = StreamWriter(device).write([Macs(0, 0, 1 << 40, 1)])
    run = simulate(device, stream)
    assert run.counts["MACAB"] == 1 << 40
    assert run.counts["ACTAB"] == 1 << 35
