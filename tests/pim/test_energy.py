"""Energy is a sum of commands, and of powers over time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import registry
from archsim.pim.device import load_device
from archsim.pim.energy import closed_ticks, standby_j, unit_energy_j
from archsim.pim.operations import Attention, Gemv, KvWrite, run_operation

DEVICES = registry.pim.yaml_names()
OPERATIONS = (Gemv(2048, 1024), Attention(700, 128, 32, 32), KvWrite(700, 128, 32))


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_energy_is_counts_times_units_and_power_times_time(name, operation):
    device = load_device(name)
    outcome = run_operation(device, operation)
    units = unit_energy_j(device)
    commands = sum(
        count * sum(units.get(command, {}).values()) for command, count in outcome.commands.items()
    )
    total = sum(outcome.energy_j.values())
    standby = outcome.energy_j["standby"]
    assert total == pytest.approx(commands * device.stacks + standby)
    energy = device.standard.energy
    scopes = device.standard.levels[1].size if device.standard.refresh.scope_level else 1
    closed = closed_ticks(device, outcome.commands, outcome.ticks)
    seconds = [device.standard.time_ps(t) * 1e-12 for t in (outcome.ticks - closed, closed)]
    power = energy.standby_open_w * seconds[0] + energy.standby_closed_w * seconds[1]
    assert standby == pytest.approx(power * scopes * device.channels * device.stacks)


@pytest.mark.parametrize("name", DEVICES)
def test_every_command_of_an_operation_is_charged_or_free_by_meaning(name):
    device = load_device(name)
    free = {"SFM", "TMOD"}
    units = unit_energy_j(device)
    for operation in OPERATIONS:
        for command in run_operation(device, operation).commands:
            meaning = device.standard.commands[device.standard.command_id(command)].meaning
            assert command in units or meaning.closes or command in free


@given(batch=st.integers(1, 12))
@settings(max_examples=8, deadline=None)
def test_a_column_for_several_vectors_is_read_once_and_multiplied_for_each(batch):
    device = load_device("logic-pim", ["hardware.controller.refresh=none"])
    one, many = (run_operation(device, Gemv(4096, 512, 2, n)) for n in (1, batch))
    turns = -(-batch // device.unit.vectors)
    assert many.commands["MACSB"] == turns * one.commands["MACSB"]
    if turns == 1:
        assert many.energy_j["compute"] == pytest.approx(batch * one.energy_j["compute"])
        assert many.energy_j["access"] == pytest.approx(one.energy_j["access"])


def test_stacks_add_up():
    one = run_operation(load_device("attacc-bank"), Gemv(4096, 1024))
    two = run_operation(load_device("attacc-bank", ["hardware.stacks=2"]), Gemv(8192, 1024))
    assert sum(two.energy_j.values()) == pytest.approx(2 * sum(one.energy_j.values()))


def test_attention_of_the_published_simulator_by_bits():
    # AttAcc: 0.55 pJ a bit read beside the bank, activation of the row included.
    device = load_device("attacc-bank")
    outcome = run_operation(device, Attention(4096, 128, 16, 16))
    bits = outcome.read_bytes * 8
    spent = outcome.energy_j["activate"] + outcome.energy_j["access"]
    assert spent / bits == pytest.approx(0.55e-12, rel=0.02)


def test_no_energy_where_nothing_is_known():
    device = load_device("attacc-bank")
    assert standby_j(device, {}, 0) == 0
