"""Device-timing probes: the controller's own timing state against the checker's, tick for tick."""

from __future__ import annotations

import random

import pytest

from archsim.dram import layout as at
from archsim.dram.checker import ChannelChecker
from archsim.dram.controller import ControllerConfig
from archsim.dram.kernel_device import issue_to_all, issue_to_bank, ready_tick, ready_tick_all
from archsim.dram.kernel_tables import build_table, fresh_state, roles_of
from archsim.dram.traces import Command
from tests.dram.test_checker import STANDARDS, later_fields, pairs, widened
from tests.dram.tracing import ALL, legal_trace


class Device:
    """The kernel's timing state of one channel, driven by hand."""

    def __init__(self, standard):
        self.standard = standard
        self.tab = build_table(standard, ControllerConfig(), 1)
        self.state = fresh_state(self.tab)[0]
        names = [command.name for command in standard.commands]
        self.roles = {names[index]: role for index, role in roles_of(standard).items()}

    def node(self, fields, level):
        number = 0
        for value, item in zip(fields[:level], self.standard.levels[1:], strict=False):
            number = number * item.size + value
        return number

    def ready(self, name, fields):
        """The first tick at which distances, and buses taken for several ticks, admit a command."""
        role = self.roles[name]
        if ALL in fields:
            scope = self.node(fields, self.standard.refresh.scope_level)
            return int(ready_tick_all(self.tab, self.state, role, scope))
        bank = self.node(fields, self.standard.bank_level)
        return int(ready_tick(self.tab, self.state, role, bank))

    def issue(self, item):
        role = self.roles[item.name]
        if ALL in item.fields:
            scope = self.node(item.fields, self.standard.refresh.scope_level)
            issue_to_all(self.tab, self.state, role, scope, item.clock)
        else:
            bank = self.node(item.fields, self.standard.bank_level)
            row = item.fields[self.standard.bank_level]
            issue_to_bank(self.tab, self.state, role, bank, row, item.clock)


class Slots:
    """When buses that a command takes for several ticks are free again."""

    def __init__(self, standard):
        self.commands = {command.name: command for command in standard.commands}
        self.free = {}

    def issue(self, item):
        command = self.commands[item.name]
        if command.ticks > 1:
            self.free[command.bus] = item.clock + command.ticks

    def ready(self, name):
        return self.free.get(self.commands[name].bus, 0)


def asked(checker, slots, name, fields):
    ticks = [bound.tick for bound in checker.bounds(name, fields)]
    return max([slots.ready(name), *ticks], default=0)


def probes(standard, rng):
    """Any command at any bank, legal or not: only its distances are asked."""
    levels = standard.levels[1:]
    for command in standard.commands:
        if command.name.startswith("RFM"):
            continue
        fields = [rng.randrange(level.size) for level in levels]
        if command.meaning.scope == "all":
            scope = standard.refresh.scope_level
            fields[scope:] = [ALL] * (len(levels) - scope)
        yield command.name, tuple(fields)


@pytest.mark.parametrize("name", STANDARDS)
def test_controller_and_checker_ask_the_same_of_every_command(name):
    standard = widened(name)
    rng = random.Random(5)
    compared = 0
    for seed in range(3):
        device, checker, slots = Device(standard), ChannelChecker(standard), Slots(standard)
        trace = [
            item
            for item in legal_trace(standard, 250, seed, spread=(0.3, 1, 0.1)[seed])
            if not item.name.startswith("RFM")
        ]
        for item in trace:
            for word, fields in probes(standard, rng):
                expected = asked(checker, slots, word, fields)
                assert device.ready(word, fields) == max(0, expected), (item, word, fields)
                compared += expected > item.clock
            device.issue(item)
            checker.record(item)
            slots.issue(item)
    assert compared > 1000


@pytest.mark.parametrize("name", STANDARDS)
def test_every_distance_blocks_the_controller_until_its_tick(name):
    standard = widened(name)
    begin = 1001
    for _, row, before, after in pairs(standard):
        if before.name.startswith("RFM") or after.name.startswith("RFM"):
            continue
        if row.sibling and standard.levels[row.level].size == 1:
            continue
        first, second = standard.commands.index(before), standard.commands.index(after)
        gap = standard.gap(row, first, second)
        if gap <= 0:
            continue
        device = Device(standard)
        fields = (0,) * len(standard.levels[1:])
        for index in range(row.window):
            item = Command(begin + index, before.name, whole(standard, before, fields))
            device.issue(item)
        ready = device.ready(after.name, whole(standard, after, later_fields(standard, row)))
        assert ready >= begin + gap, (row.rule, before.name, after.name)


def whole(standard, command, fields):
    if command.meaning.scope == "bank":
        return fields
    scope = standard.refresh.scope_level
    return (*fields[:scope], *[ALL] * (len(fields) - scope))


def test_roles_are_those_of_the_standard():
    standard = widened("lpddr5-6400")
    device = Device(standard)
    assert device.roles["ACT1"] == at.ACT
    assert set(device.roles) == {command.name for command in standard.commands}
