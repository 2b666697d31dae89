"""Command streams of the shipped devices keep every distance, bus, bank state and refresh."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.pim.checker import check
from archsim.pim.commands import trace
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, KvWrite, run_operation

ATTACC = ("attacc-bank", "attacc-bankgroup", "attacc-buffer", "logic-pim", "generic-pim")
DEVICES = (*ATTACC, "neupims-hbm", "hbm-pim", "aim")


FOUR_AT_A_TIME = ["hardware.unit.activate=ACT4", "hardware.unit.activations=4"]


def report(name, operation, overrides=()):
    device = load_device(name, overrides)
    outcome = run_operation(device, operation, log_commands=True)
    found = trace(device, outcome.stream, outcome.run)
    return check(device.standard, found), found


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=6, deadline=None)
@given(
    tokens=st.integers(1, 400),
    heads=st.integers(1, 40),
    head_size=st.sampled_from([32, 64, 96, 128]),
    limited=st.booleans(),
)
def test_attention_is_legal(name, tokens, heads, head_size, limited):
    free = ["hardware.timings.nCCDAB=4", "hardware.timings.nCCDSB=4"]
    overrides = free if name in ATTACC and not limited else []
    if name == "attacc-buffer":
        tokens = tokens // 4 + 1
    found, _ = report(name, Attention(tokens, head_size, heads, heads), overrides)
    assert found.violations == []


@pytest.mark.parametrize("name", DEVICES)
@settings(max_examples=4, deadline=None)
@given(
    tokens=st.integers(0, 5000),
    heads=st.integers(1, 70),
    new_tokens=st.integers(1, 3),
    head_size=st.sampled_from([64, 128]),
)
def test_writes_of_keys_and_values_are_legal(name, tokens, heads, new_tokens, head_size):
    found, commands = report(name, KvWrite(tokens + 1, head_size, heads, 1, 2, new_tokens))
    assert found.violations == []
    assert any(item.name == "WR" for item in commands)


@pytest.mark.parametrize("name", ["aim", "neupims-hbm"])
@settings(max_examples=5, deadline=None)
@given(window=st.integers(11, 120), rows=st.integers(1, 4000), inner=st.integers(16, 4000))
def test_a_longer_activation_window_is_never_faster_and_holds(name, window, rows, inner):
    overrides = [] if name == "neupims-hbm" else FOUR_AT_A_TIME
    times = []
    for ticks in (window, window + 17):
        faw = f"hardware.timings.nFAW={ticks}"
        found, commands = report(name, Gemv(rows, inner), [*overrides, faw])
        assert found.violations == []
        opened: dict[object, list[int]] = {}
        for item in commands:
            if item.name == "ACT4":
                opened.setdefault((item.channel, item.fields[-6:-4]), []).append(item.clock)
        for clocks in opened.values():
            assert all(b - a >= ticks for a, b in pairwise(clocks))
        times.append(commands[-1].clock)
    assert times[0] <= times[1]


def test_groups_under_a_window_take_longer_than_all_banks_at_once():
    quiet = ["hardware.controller.refresh=none"]
    at_once = run_operation(load_device("aim", quiet), Gemv(4096, 4096))
    groups = run_operation(load_device("aim", [*quiet, *FOUR_AT_A_TIME]), Gemv(4096, 4096))
    assert groups.commands["ACT4"] == 4 * at_once.commands["ACT16"]
    assert groups.ticks > at_once.ticks


@pytest.mark.parametrize("name", ["hbm-pim", "attacc-bank"])
def test_windows_of_four_activations_hold(name):
    operation = KvWrite(1000, 128, 64) if name == "attacc-bank" else Gemv(256, 128)
    found, _ = report(name, operation)
    assert found.violations == []
    rules = {load_device(name).standard.constraints[row].rule for row in found.comparisons}
    assert "tFAW" in rules


@pytest.mark.parametrize("name", ATTACC)
def test_refreshed_gemv_is_legal_and_tight(name):
    operation = Gemv(4096, 1024) if name == "attacc-buffer" else Gemv(4096, 4096)
    found, commands = report(name, operation)
    assert found.violations == []
    assert any(item.name == "REFab" for item in commands)
    rules = {"tRP", "tRCDRD"}
    device = load_device(name)
    tight = {device.standard.constraints[row].rule for row in found.tight}
    assert rules <= tight


def test_a_command_one_tick_early_is_found():
    _, commands = report("attacc-bank", Attention(256, 128, 16, 16))
    standard = load_device("attacc-bank").standard
    at = [n for n, item in enumerate(commands) if item.name == "MACAB"][10]
    early = [*commands]
    early[at] = early[at]._replace(clock=early[at].clock - 1)
    rules = {item.rule for item in check(standard, early, refresh="none").violations}
    assert "power limit" in rules


def test_refreshes_as_recorded_skip_the_precharge_time():
    found, _ = report(
        "attacc-bank",
        Attention(4096, 128, 16, 16),
        ["hardware.controller.refresh_checks=channel"],
    )
    assert {item.rule for item in found.violations} >= {"tRP"}
