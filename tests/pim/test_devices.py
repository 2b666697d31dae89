"""Every shipped device loads, says where its numbers are from, and can be overridden."""

from __future__ import annotations

import pytest

from archsim import registry
from archsim.errors import ConfigError
from archsim.pim.device import load_device
from archsim.pim.operations import Gemv, run_operation

MARKS = ("read", "derived", "recalled", "estimate")
DEVICES = registry.pim.yaml_names()


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_is_sourced_and_runs(name):
    device = load_device(name)
    assert device.standard.name == name
    assert device.standard.mark in ("read", "derived", "recalled", "measured")
    sources = device.document.sources
    assert {"hardware.period", "hardware.unit.lanes_width"} <= set(sources)
    assert all(text.startswith(MARKS) for text in sources.values())
    outcome = run_operation(device, Gemv(1024, 1024))
    assert outcome.read_bytes >= outcome.useful_bytes
    assert 0 < outcome.utilization < 1
    assert sum(outcome.commands.values()) > 0


def test_more_stacks_take_less_time():
    one = run_operation(load_device("attacc-bank"), Gemv(65536, 1024))
    five = run_operation(load_device("attacc-bank", ["hardware.stacks=5"]), Gemv(65536, 1024))
    assert 4 < one.ticks / five.ticks < 5.2


def test_wrong_keys_name_their_place():
    with pytest.raises(ConfigError, match="nCCDA"):
        load_device("attacc-bank", ["hardware.timings.nCCDA=4"])
    with pytest.raises(ConfigError, match="placement"):
        load_device("attacc-bank", ["hardware.unit.placement=rank"])
