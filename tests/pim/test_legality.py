"""Command streams of the shipped devices keep every distance, bus, bank state and refresh."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.pim.checker import check
from archsim.pim.commands import trace
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, run_operation

DEVICES = ("attacc-bank", "attacc-bankgroup", "attacc-buffer", "logic-pim", "generic-pim")


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
    overrides = [] if limited else ["hardware.timings.nCCDAB=4", "hardware.timings.nCCDSB=4"]
    if name == "attacc-buffer":
        tokens = tokens // 4 + 1
    found, _ = report(name, Attention(tokens, head_size, heads, heads), overrides)
    assert found.violations == []


@pytest.mark.parametrize("name", DEVICES)
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
