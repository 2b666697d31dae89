"""``archsim dram run``: what it prints, and how it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

import archsim
from archsim import registry
from archsim.cli import main

PAGE = (Path(archsim.__file__).parent / "docs" / "dram.md").read_text()
RUN = ("dram", "run", "ddr4-3200", "--pattern", "random:n=500,write=30")


def keys(record, prefix=""):
    """Yield the dotted keys of a record, down to numbers."""
    for key, value in record.items():
        yield prefix + key
        if isinstance(value, dict) and key not in ("config", "hardware"):
            yield from keys(value, f"{prefix}{key}.")


def test_every_key_of_the_record_is_defined_on_the_page(capsys):
    assert main([*RUN, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    defined = set(re.findall(r"`([a-z_0-9.]+)`", PAGE))
    named = {key.rpartition(".")[2] for key in keys(record)}
    commands = set(record["dram"]["commands"])
    assert {name for name in named - commands if not name.isupper()} <= {
        part for name in defined for part in name.split(".")
    }


def test_the_report_shows_the_records_numbers(capsys):
    assert main([*RUN, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert main(list(RUN)) == 0
    shown = capsys.readouterr().out
    assert f"{record['dram']['cycles']:,} of the command clock" in shown
    assert f"{record['dram']['energy_pj_per_bit']:.3g} pJ a bit" in shown


def test_commands_and_record_are_written(tmp_path, capsys):
    commands, saved = tmp_path / "commands.txt", tmp_path / "run.json"
    assert main([*RUN, "--commands", str(commands), "-o", str(saved)]) == 0
    capsys.readouterr()
    assert commands.read_text().startswith("# archsim dram commands: standard=ddr4-3200")
    assert json.loads(saved.read_text())["dram"]["requests"] == 500
    assert main(["dram", "check", str(commands), "--config", "ddr4-3200"]) == 0
    assert "no violation" in capsys.readouterr().out


def test_a_trace_takes_the_place_of_a_pattern(tmp_path, capsys):
    trace = tmp_path / "trace.txt"
    trace.write_text("0,R,0x0\n10,W,0x40\n20,R,0x80\n")
    assert main(["dram", "run", "ddr4-3200", "--trace-in", str(trace), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["dram"]["reads"], record["dram"]["writes"]) == (2, 1)


def test_a_file_adds_a_controller_to_a_standard(tmp_path, capsys):
    config = tmp_path / "memory.yaml"
    config.write_text(
        "name: own\nextends: hbm3-6400\nsource: a test\nchannels: 2\n"
        "controller: {scheduler: fr-fcfs-row-hit, request_buffer_size: 64}\n"
    )
    assert main(["dram", "run", str(config), "--pattern", "stream:n=500", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["dram"]["channels"] == 2
    assert record["config"]["hardware"]["controller"]["request_buffer_size"] == 64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ddr4-3200",), "either a pattern or a trace is wanted"),
        (("ddr4-3300", "--pattern", "stream"), "did you mean 'ddr4-3200'"),
        (("ddr4-3200", "--pattern", "steam"), "did you mean 'stream'"),
        (("ddr4-3200", "--pattern", "stream", "--set", "hardware.timings.nRAS=9"), "is less than"),
        (("ddr4-3200", "--pattern", "stream:n=100000000"), "too many requests"),
        (("ddr4-3200", "--pattern", "stream", "--set", "hardware.channels=3"), "hardware.channels"),
        (("ddr4-3200", "--pattern", "stream", "--trace-in", "x"), "either a pattern or a trace"),
        (
            ("ddr4-3200", "--pattern", "stream", "--set", "hardware.controller.address_map=row"),
            "does not cover all bits",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, message, capsys):
    assert main(["dram", "run", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_a_wrong_line_of_a_trace_is_named(tmp_path, capsys):
    trace = tmp_path / "trace.txt"
    trace.write_text("0,R,0x0\n10,X,0x40\n")
    assert main(["dram", "run", "ddr4-3200", "--trace-in", str(trace)]) == 2
    assert "trace.txt:2" in capsys.readouterr().err


@pytest.mark.parametrize("name", registry.memory.yaml_names())
def test_a_memory_can_be_checked_shown_and_fits_its_schema(name, capsys):
    path = str(registry.memory.find_yaml(name))
    assert main(["check", path, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["name"], record["unsourced"]) == ("memory", name, [])
    assert main(["show", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert main(["schema", "memory"]) == 0
    jsonschema.validate(shown["memory"], json.loads(capsys.readouterr().out))
