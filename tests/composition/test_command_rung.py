"""The `command` rung: memory transfers of real programs as DRAM commands."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from archsim.command_rung import command_machine, lower_program
from archsim.composition import simulate_config
from archsim.dram.controller import ControllerConfig
from archsim.dram.patterns import Requests
from archsim.dram.run import simulate_requests
from archsim.dram.streams import finer, plan_refresh, time_stream
from archsim.engine import interpret, run_program
from archsim.errors import ConfigError
from archsim.machine import load_hardware
from archsim.program import ProgramBuilder
from tests.composition.samples import map_pass, run, small, tiny

SHIPPED = ("array128-hbm2e", "array128-hbm3", "array128-lpddr5", "tpu-v4i")
GRADES = (
    ("lpddr5-6400", 1, "12.8 GB/s"),
    ("ddr4-3200", 1, "25.6 GB/s"),
    ("hbm3-6400", 1, "51.2 GB/s"),
)


def machine(grade=GRADES[0], *overrides):
    standard, channels, bandwidth = grade
    return small(
        64,
        bandwidth,
        f"components.dram.commands.standard={standard}",
        f"components.dram.commands.channels={channels}",
        "components.dram.commands.latency=75 ns",
        *overrides,
    )


def lowered_ps(program, hardware):
    return run_program(lower_program(program, command_machine(hardware)), path=False).makespan_ps


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_machines_run_at_commands(name):
    result = run(name, tiny(context=512), fidelity="command")
    assert result.fidelity.requested == "command"
    assert set(result.fidelity.used.values()) == {"command"}
    assert result.latency_s >= result.roofline.bound_s
    assert result.dram_bytes == run(name, tiny(context=512)).dram_bytes
    memory = load_hardware(name).outermost
    assert "bandwidth" in result.critical_path[memory]
    assert any("each transfer lies in rows of its own" in text for text in result.assumptions)
    assert result.warnings == run(name, tiny(context=512)).warnings


@pytest.mark.parametrize("grade", GRADES, ids=lambda grade: grade[0])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_no_run_beats_the_bound(grade, phase):
    for context in (1, 40):
        result = run(machine(grade), tiny(phase, context=context), fidelity="command")
        assert result.latency_s >= result.roofline.bound_s
        path = sum(ps for causes in result.critical_path.values() for ps in causes.values())
        assert path == pytest.approx(1)


def test_lowered_programs_fold_exactly():
    for grade in GRADES:
        hardware = machine(grade)
        for phase in ("decode", "prefill"):
            program = lower_program(
                map_pass(hardware, tiny(phase)).program, command_machine(hardware)
            )
            folded = run_program(program, path=False).makespan_ps
            assert folded == run_program(program, path=False, fold=False).makespan_ps
            if phase == "decode":
                assert folded == interpret(program).makespan_ps


def one_transfer(hardware, num_bytes, action="read", times=1):
    """A program that only moves bytes from the memory to the buffer, or back."""
    builder = ProgramBuilder("transfer")
    ends = ("dram", "buffer") if action == "read" else ("buffer", "dram")
    moved = hardware.transfer(*ends, num_bytes, "bf16")
    op = builder.op(
        "move",
        holds=[(builder.resource(hold.resource), hold.occupancy_ps) for hold in moved.holds],
        latency=moved.latency_ps,
        cause="bandwidth",
        counts=moved.counts,
    )
    with builder.loop(times, "transfer"):
        builder.place(op)
    return builder.build()


@pytest.mark.parametrize("name", SHIPPED[:3])
@pytest.mark.parametrize("action", ["read", "write"])
def test_a_long_transfer_takes_the_time_of_its_stream(name, action):
    hardware = load_hardware(name)
    num_bytes = 1 << 28
    memory = command_machine(hardware).component("dram").command_memory
    transfer = memory.transfer(action, num_bytes)
    buses = memory.standard.num_data_buses
    stream = dataclasses.replace(transfer.stream, buses=buses)
    stream = finer(memory.standard, stream)
    plan = plan_refresh(memory.standard, stream)
    expected_ps = time_stream(memory.standard, stream, plan).total_ps
    found_ps = lowered_ps(one_transfer(hardware, num_bytes, action), hardware)
    assert found_ps == pytest.approx(expected_ps, rel=0.005)


def test_transfers_behind_one_another_stream():
    hardware = load_hardware("array128-hbm3")
    whole_ps = lowered_ps(one_transfer(hardware, 1 << 28), hardware)
    parts_ps = lowered_ps(one_transfer(hardware, 1 << 18, times=1 << 10), hardware)
    assert parts_ps == pytest.approx(whole_ps, rel=0.01)
    tiny_ps = lowered_ps(one_transfer(hardware, 1 << 12, times=1 << 16), hardware)
    assert tiny_ps > 1.5 * whole_ps  # rows are opened faster than banks and windows allow


def controller_ps(standard, bursts, times, is_write, refresh):
    """Time of transfers in rows of their own through the event-driven controller."""
    sizes = {level.name: level.size for level in standard.levels}
    row_set = standard.num_data_buses * sizes.get("bankgroup", 1) * sizes["column"]
    sets = -(-bursts // row_set)
    places = np.arange(times)[:, None] * sets * row_set + np.arange(bursts)[None, :]
    requests = Requests(
        places.reshape(-1) % standard.num_blocks,
        np.full(bursts * times, is_write),
        np.zeros(bursts * times, dtype=np.int64),
    )
    controller = ControllerConfig(
        request_buffer_size=256,
        refresh=refresh,
        scheduler="fr-fcfs-row-hit",
        page_policy="closed-adaptive",
    )
    ticks = simulate_requests(standard, controller, requests).ticks
    if is_write:
        ticks += standard.write_latency_ticks + standard.burst_ticks
    return standard.time_ps(ticks)


@pytest.mark.parametrize("grade", GRADES, ids=lambda grade: grade[0])
@pytest.mark.parametrize("bursts", [16, 64, 300, 1000])
@pytest.mark.parametrize("action", ["read", "write"])
@pytest.mark.parametrize(
    ("refresh", "requests", "rel"), [("none", 8000, 3e-3), ("all-bank", 1 << 15, 0.01)]
)
def test_transfers_take_as_long_as_in_the_controller(grade, bursts, action, refresh, requests, rel):
    times = requests // bursts
    hardware = machine(
        grade,
        f"components.dram.commands.refresh={refresh}",
        "components.buffer.read_width=512 B",
        "components.buffer.write_width=512 B",
    )
    standard = command_machine(hardware).component("dram").command_standard
    program = one_transfer(hardware, bursts * standard.burst_bytes, action, times)
    found_ps = lowered_ps(program, hardware) - 75_000
    expected_ps = controller_ps(standard, bursts, times, action == "write", refresh)
    assert found_ps == pytest.approx(expected_ps, rel=rel)


@pytest.mark.parametrize(
    "change",
    ["nRFC=900", "nRP=30", "nRCDRD=40", "nRRD_S=8", "nFAW=48", "nWTR_S=20", "nRTW=40", "nCL=40"],
)
def test_slower_devices_are_never_faster(change, tmp_path):
    hardware = machine(("hbm3-6400", 1, "51.2 GB/s"))
    key, _, value = change.partition("=")
    extra = {
        "nRRD_S": "nRRD_L: 8",
        "nRP": "nRC: 75",
        "nWTR_S": "nWTR_L: 20",
        "nCL": "nRTW: 40",
        "nRCDRD": "nRAS: 60\n  nRC: 90",
    }.get(key, "")
    slow = tmp_path / "slow.yaml"
    slow.write_text(
        f"name: slow\nextends: hbm3-6400\nsource: estimate\n"
        f"timings:\n  {key}: {value}\n  {extra}\n",
        encoding="utf-8",
    )
    slower = machine((str(slow), 1, "51.2 GB/s"))
    for phase in ("decode", "prefill"):
        program = map_pass(hardware, tiny(phase)).program
        assert lowered_ps(program, slower) >= lowered_ps(program, hardware)


def test_more_channels_are_never_slower():
    program = map_pass(machine(("ddr4-3200", 1, "25.6 GB/s")), tiny("prefill")).program
    times = [
        lowered_ps(program, machine(("ddr4-3200", count, f"{count * 25.6} GB/s")))
        for count in (1, 2, 3, 4, 8)
    ]
    assert times == sorted(times, reverse=True)


def test_refresh_takes_its_share():
    kept = machine(GRADES[1], "components.dram.commands.refresh=none")
    program = one_transfer(kept, 1 << 26)
    loss = lowered_ps(program, machine(GRADES[1])) / lowered_ps(program, kept) - 1
    # 628 cycles of 12480, as recorded with Ramulator 2.1.
    assert loss == pytest.approx(628 / (12480 - 628), rel=0.01)
    run_loss = run(machine(GRADES[1]), tiny(context=100), fidelity="command")
    assert run_loss.critical_path["dram"]["refresh"] > 0


def test_reads_behind_writes_wait_for_the_bus_to_turn():
    hardware = machine(GRADES[1])
    builder = ProgramBuilder("turns")
    for name, ends in (("load", ("dram", "buffer")), ("store", ("buffer", "dram"))):
        moved = hardware.transfer(*ends, 4096, "bf16")
        builder.op(
            name,
            holds=[(builder.resource(hold.resource), hold.occupancy_ps) for hold in moved.holds],
            latency=moved.latency_ps,
            counts=moved.counts,
        )
    with builder.loop(500, "turn"):
        builder.place(builder.find("load"))
        builder.place(builder.find("store"))
    program = lower_program(builder.build(), command_machine(hardware))
    timing = run_program(program)
    causes: dict[str, int] = {}
    for part in timing.attribution:
        causes[part.cause] = causes.get(part.cause, 0) + part.ps
    assert causes["turnaround"] > 0.03 * timing.makespan_ps
    # 64 bursts of 4 clocks each way, 12 clocks to turn to writing and 24 to turn back.
    assert timing.makespan_ps >= 500 * (2 * 63 * 4 + 12 + 24) * 625


def test_energy_is_that_of_commands():
    hardware = machine(("hbm3-6400", 1, "51.2 GB/s"))
    memory = command_machine(hardware).component("dram")
    energy = memory.command_standard.energy
    per_byte = (energy.read_pj + energy.io_pj) / memory.command_standard.burst_bytes
    assert memory.energy_pj("read") == per_byte
    assert memory.energy_pj("activate") == energy.activate_pj
    # A row read whole: what the tile rung takes for a byte, from the same published chain.
    row_pj = 32 * 32 * per_byte + energy.activate_pj
    tile_pj = hardware.component("dram").config.model_copy(update={"standard": "hbm3"})
    plain = dataclasses.replace(hardware.component("dram"), dram=tile_pj)
    assert row_pj / 1024 == pytest.approx(plain.energy_pj("read"), rel=0.01)
    result = run(hardware, tiny(context=100), fidelity="command")
    assert result.energy.component["dram"] > 0
    assert result.energy_j == pytest.approx(result.energy.dynamic + result.energy.static)


def test_a_machine_without_commands_says_so():
    hardware = load_hardware("fusemax-cloud")
    with pytest.raises(ConfigError, match="names no standard for the command rung"):
        command_machine(hardware)
    with pytest.raises(ConfigError, match=r"commands.standard: .*unknown"):
        command_machine(machine(("ddr4-9999", 1, "25.6 GB/s")))
    with pytest.raises(ConfigError, match=r"2 channels of ddr4-3200 give 51.2 GB/s"):
        command_machine(machine(("ddr4-3200", 2, "25.6 GB/s")))
    stood_in = run("fusemax-cloud", tiny(), fidelity="command", fidelity_fallback=True)
    assert set(stood_in.fidelity.used.values()) == {"tile"}


def test_results_repeat():
    first = run(machine(), tiny(context=50), fidelity="command")
    again = run(machine(), tiny(context=50), fidelity="command")
    assert first.to_json() == again.to_json()
    assert simulate_config(first.config).to_json() == first.to_json()
