"""Every shipped standard: complete, sourced, consistent; and what a file may not say."""

from __future__ import annotations

import json

import pytest

from archsim import registry
from archsim.cli import main
from archsim.dram.memory import load_memory
from archsim.dram.standard import load_standard
from archsim.dram.standard_loading import read_memory
from archsim.errors import ConfigError

NAMES = registry.memory.yaml_names()

PEAKS_GB_PER_S = {
    "ddr3-1600": 12.8,
    "ddr4-3200": 25.6,
    "ddr5-4800": 19.2,
    "ddr5-6400": 25.6,
    "lpddr5-6400": 12.8,
    "gddr6-14000": 28.0,
    "gddr6-16000": 32.0,
    "hbm2-2000": 32.0,
    "hbm2e-3600": 57.6,
    "hbm3-6400": 51.2,
}
"""Data rate times width of a channel."""


@pytest.mark.parametrize("name", NAMES)
def test_a_standard_loads_and_every_number_has_a_source(name):
    loaded = read_memory(name)
    assert loaded.standard.name == name
    assert loaded.document.unsourced() == ()
    assert loaded.standard.energy is not None
    assert loaded.standard.energy.source


@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_are_not_read_from_a_source_say_so(name):
    standard = load_standard(name)
    if standard.mark != "read":
        assert standard.notes


@pytest.mark.parametrize(("name", "peak"), PEAKS_GB_PER_S.items())
def test_peak_bandwidth_is_rate_times_width(name, peak):
    assert load_standard(name).peak_bytes_per_s == pytest.approx(peak * 1e9, rel=3e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_can_be_told_from_its_distances(name):
    standard = load_standard(name)
    held = {index for rule in standard.constraints for index in rule.following}
    free = {standard.commands[index].name for index in range(len(standard.commands))} - {
        standard.commands[index].name for index in held
    }
    assert free <= {"ACT2", "CAS_RD", "CAS_WR"}


def test_a_standard_that_needs_two_commands_of_one_bus_counts_both():
    standard = load_standard("ddr5-4800")
    read, precharge = standard.command_id("RD"), standard.command_id("PREpb")
    row = next(
        rule
        for rule in standard.constraints
        if rule.rule == "tRTP" and rule.level == standard.bank_level
    )
    assert standard.gap(row, read, precharge) == 18 + 1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("timings.nRAS=30", "is less than nRCD + nRTP = 34"),
        ("timings.nRC=60", "is less than nRAS + nRP = 74"),
        ("timings.nCCD_L=3", "is less than nCCD_S = 4"),
        ("timings.nRP=0", "is less than 1"),
        ("timings.nREFI=500", "is less than nRFC + 1 = 577"),
        ("organisation.rows=3000", "must be a power of two"),
        ("organisation.levels.row=4", "there is no such path"),
        ("read_latency=nCL + nBM", "is no timing of this standard"),
        ("data_bus=pseudochannel", "is no level of this organisation"),
        ("period=0.4 ps", "whole picoseconds"),
        ("commands.RD.cycles=0.5", "is no whole number of ticks"),
        ("commands.RD.bus=column", "command buses do not fit together"),
    ],
)
def test_contradictions_are_refused_with_their_place(override, words):
    with pytest.raises(ConfigError) as caught:
        load_standard("ddr4-3200", [f"hardware.{override}"])
    assert words in str(caught.value)
    assert "hardware." in str(caught.value)


def test_published_roundings_are_let_through():
    gddr6 = load_standard("gddr6-14000")
    assert gddr6.timings["nRC"] == gddr6.timings["nRAS"] + gddr6.timings["nRP"] - 1


GRADE = """\
name: ddr4-own
extends: ddr4-3200
source: a test
period: 750 ps
timings: {nCL: 19, nRCD: 19, nRP: 19, nRAS: 43, nRC: 62}
"""


def test_a_speed_grade_is_one_file(tmp_path):
    path = tmp_path / "ddr4-own.yaml"
    path.write_text(GRADE)
    standard = load_standard(str(path))
    assert standard.timings["nCL"] == 19
    assert standard.peak_bytes_per_s == pytest.approx(64 / (4 * 750e-12))
    registry.memory.register("ddr4-own", path)
    try:
        assert load_memory("ddr4-own").standard == standard
        assert "ddr4-own" in registry.memory.yaml_names()
    finally:
        registry.memory.unregister("ddr4-own")


def test_an_error_in_a_file_names_its_line(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(GRADE.replace("nRAS: 43", "nRAS: 20"))
    with pytest.raises(ConfigError, match=r"own\.yaml:5:\d+: hardware\.timings\.nRAS"):
        load_standard(str(path))


def test_a_machine_is_no_memory():
    with pytest.raises(ConfigError, match="unknown memory"):
        load_standard("tpu-v4i")


def test_memories_are_listed(capsys):
    assert main(["list", "memories", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["memories"]
    assert [item["name"] for item in listed] == list(NAMES)
