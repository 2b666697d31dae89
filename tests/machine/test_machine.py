"""Machines that can be built: round trip, overrides, transfers between levels, links."""

from __future__ import annotations

from dataclasses import replace

import pytest

import archsim
from archsim.components.dram import BoundDram
from archsim.errors import ConfigError
from archsim.machine import build_machine, load_hardware

SHIPPED = ("tpu-v4i", "array128-hbm2e", "array128-hbm3", "array128-lpddr5")
LINKED = """\
name: linked
extends: array128-hbm2e
source: design choice
links:
  bus:
    {from: dram, to: buffer, clock: core, bandwidth: 100 GB/s, latency: 10 ns, energy_per_bit: 1 pJ}
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_the_resolved_description_builds_the_same_machine(name):
    machine = load_hardware(name)
    again = build_machine(machine.to_config())
    assert again.to_config() == machine.to_config()
    assert again.content_hash == machine.content_hash
    assert again.area_mm2() == machine.area_mm2()
    assert again.static_w() == machine.static_w()
    assert again.transfer(again.outermost, again.innermost, 4097, "bf16") == machine.transfer(
        machine.outermost, machine.innermost, 4097, "bf16"
    )


def test_a_link_survives_the_round_trip():
    machine = load_hardware(LINKED)
    assert machine.links == {("dram", "buffer"): "bus"}
    assert build_machine(machine.to_config()).to_config() == machine.to_config()


def test_a_transfer_holds_all_it_passes_and_lasts_as_long_as_the_slowest():
    plain = load_hardware("array128-hbm2e").transfer("dram", "buffer", 2**20, "bf16")
    linked = load_hardware(LINKED).transfer("dram", "buffer", 2**20, "bf16")
    assert [hold.resource for hold in plain.holds] == ["dram", "buffer.write"]
    assert [hold.resource for hold in linked.holds] == ["dram", "bus", "buffer.write"]
    assert linked.holds[1].occupancy_ps == 10_485_760  # 1 MiB at 100 GB/s
    assert linked.latency_ps >= max(hold.occupancy_ps for hold in linked.holds)
    assert linked.latency_ps > plain.latency_ps
    assert linked.counts["bus", "transfer", "bf16"] == 2**20


@pytest.mark.parametrize("name", SHIPPED)
def test_a_transfer_counts_its_bytes_at_both_ends(name):
    machine = load_hardware(name)
    for source, target in zip(machine.levels, machine.levels[1:], strict=False):
        moved = {
            key[:2]: count
            for key, count in machine.transfer(source, target, 12345, "bf16").counts.items()
        }
        assert moved[source, "read"] == moved[target, "write"] == 12345


def test_overrides_reach_keys_that_the_file_leaves_at_their_default():
    machine = load_hardware(
        "array128-hbm2e", overrides=["hardware.components.buffer.energy={read: 2 pJ}"]
    )
    assert machine.component("buffer").energy_pj("read", "bf16") == pytest.approx(2.0)


def test_an_override_changes_the_hash_and_nothing_else():
    plain, faster = (
        load_hardware("array128-hbm2e", overrides=overrides)
        for overrides in ((), ("hardware.components.dram.bandwidth=700 GB/s",))
    )
    assert plain.content_hash != faster.content_hash
    config = faster.to_config()
    config["components"]["dram"]["bandwidth"] = "614 GB/s"
    assert build_machine(config).content_hash == plain.content_hash


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "hardware.components.dram.bandwith=1 TB/s",
            "--set: there is no such path; given 'hardware.components.dram.bandwith'; "
            "did you mean 'hardware.components.dram.bandwidth'?",
        ),
        (
            "hardware.components.array.rows=0",
            "--set: hardware.components.array.rows: must be at least 1; given 0; "
            "allowed: a whole number from 1 to 2147483648",
        ),
        (
            "hardware.levels=[dram, vector]",
            "--set: hardware.levels[1]: is not a memory; given 'vector'; allowed: buffer, dram",
        ),
    ],
)
def test_a_bad_override_is_placed_at_the_option(override, message):
    with pytest.raises(ConfigError) as caught:
        load_hardware("array128-hbm2e", overrides=[override])
    assert str(caught.value) == message


def test_an_unknown_component_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"given 'aray'; allowed: .*; did you mean 'array'\?"):
        archsim.load_hardware("array128-hbm2e").component("aray")


def test_numbers_are_found_at_their_paths():
    machine = load_hardware("array128-hbm2e")
    assert machine.value("hardware.components.dram.bandwidth") == 614e9
    assert machine.value("hardware.clocks.core") == 940e6
    for path in ("hardware.clocks.cor", "hardware.components.dram", "nothing", ""):
        with pytest.raises(ConfigError, match="no number at this path"):
            machine.value(path)


def test_a_part_without_expressions_leaves_the_transfer_without_one(monkeypatch):
    service = BoundDram.service

    def plain(*arguments):
        return replace(service(*arguments), occupancy_expr=None, latency_expr=None)

    monkeypatch.setattr(BoundDram, "service", plain)
    transfer = load_hardware("array128-hbm2e").transfer("dram", "buffer", 2**20, "bf16")
    assert transfer.latency_expr is None
    assert [hold.expr is None for hold in transfer.holds] == [True, False]
