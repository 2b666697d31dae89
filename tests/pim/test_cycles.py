"""Laws of streams, GEMV and attention, and what does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.components.pim_laws import PimTiming, cycles_pim_gemv
from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, run_operation
from archsim.pim.run import simulate
from archsim.pim.segments import Macs, Moves, Place, StreamWriter

QUIET = ["hardware.controller.refresh=none"]


@given(count=st.integers(1, 600), limited=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_stream_of_macs_follows_the_law(count, limited):
    device = load_device("attacc-bank", [*QUIET, f"hardware.timings.nCCDAB={6 if limited else 4}"])
    of = device.standard.timings
    turn = of["nRTPL"] + of["nRP"] + of["nRCDRD"]
    rows = -(-count // 32)
    law = 1 + of["nRCDRD"] + (count - rows) * of["nCCDAB"] + (rows - 1) * turn
    stream = StreamWriter(device).write([Macs(0, 0, count, 1)])
    assert simulate(device, stream).ticks == law


@given(rows=st.integers(1, 20), columns=st.integers(1, 32))
@settings(max_examples=20, deadline=None)
def test_rows_of_macs_take_as_long_as_the_register_transfer_bank(rows, columns):
    device = load_device("attacc-bank", QUIET)
    of = device.standard.timings
    timing = PimTiming(
        *(of["nRCDRD"], of["nRP"], of["nRAS"], of["nCCDAB"], of["nRTPL"], of["nRTPL"]),
        *(of["nCL"], 0, of["nRFC"]),
    )
    parts = [Macs(0, 32 * row, columns, 1) for row in range(rows)]
    ticks = simulate(device, StreamWriter(device).write(parts)).ticks
    law = 1 + cycles_pim_gemv(timing, rows, columns)
    # Two-cycle activations and tRC may bind rows of few columns; the law has neither.
    assert ticks >= law
    if columns > 3:
        assert ticks == law


def test_vector_writes_to_one_bank_group_follow_tccd():
    device = load_device("attacc-bank", QUIET)
    stream = StreamWriter(device).write([Moves("WRGB", (Place(0, 0, 0),) * 64, 1)])
    assert simulate(device, stream).ticks == 1 + 63 * device.standard.timings["nCCDL"]


def test_channels_alike_are_simulated_once():
    device = load_device("attacc-bank")
    outcome = run_operation(device, Attention(512, 128, 16, 16))
    one = run_operation(device, Attention(512, 128, 1, 1))
    assert outcome.ticks == one.ticks
    assert outcome.run.counts["MACAB"] == 16 * one.run.counts["MACAB"]
    assert outcome.run.classes == (0,)


def test_uneven_heads_split_the_channels():
    device = load_device("attacc-bank")
    outcome = run_operation(device, Attention(512, 128, 21, 21))
    assert outcome.run.classes == (0, 5)


@given(tokens=st.integers(1, 1500), heads=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_units_read_at_least_what_is_needed(tokens, heads):
    device = load_device("attacc-bank")
    outcome = run_operation(device, Attention(tokens, 128, heads, heads))
    assert outcome.read_bytes >= outcome.useful_bytes
    assert 0 < outcome.utilization < 1


def test_what_does_not_fit_says_need_and_have():
    device = load_device("attacc-bank")
    wide = run_operation(device, Gemv(1 << 20, 1 << 14))
    assert isinstance(wide, Infeasible)
    assert (wide.resource, wide.need, wide.have) == ("capacity", 1 << 35, 1 << 34)
    cache = run_operation(device, Attention(1 << 20, 128, 96, 96))
    assert isinstance(cache, Infeasible)
    assert cache.resource == "capacity"
    head = run_operation(device, Attention(16, 4096, 1, 1))
    assert isinstance(head, Infeasible)
    assert head.resource == "vector buffer"
    odd = run_operation(device, Gemv(16, 16, 3))
    assert isinstance(odd, Infeasible)
    assert odd.resource == "lanes"


def test_not_a_pim_device():
    with pytest.raises(ConfigError, match="no unit"):
        load_device("hw_configs/memory/ddr4-3200.yaml")
    with pytest.raises(ConfigError, match="attacc-bank"):
        load_device("attacc-bnk")


@pytest.mark.parametrize(
    ("name", "tokens", "heads", "cycles"),
    [
        ("attacc-bank", 2048, 130, 36572),
        ("attacc-bank", 2049, 3, 3930),
        ("attacc-bankgroup", 2049, 3, 13519),
        ("attacc-buffer", 2049, 3, 36451),
    ],
)
def test_fresh_builds_of_the_published_simulator_agree(name, tokens, heads, cycles):
    # Single runs of a fresh build of scale-snu/attacc_simulator; its shipped cache says otherwise.
    device = load_device(name, ["hardware.controller.refresh_checks=channel"])
    assert run_operation(device, Attention(tokens, 128, heads, heads)).ticks == cycles
