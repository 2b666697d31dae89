"""Runs of a memory: what must hold whatever the pattern, and what the statistics mean."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from archsim.dram import layout as at
from archsim.dram.memory import load_memory
from archsim.dram.patterns import Requests
from archsim.dram.record import command_file, run_record
from archsim.dram.run import simulate_requests
from archsim.dram.statistics import statistics
from archsim.dram.traces import read_commands
from archsim.errors import ConfigError

MEMORIES = ("ddr3-1600", "ddr4-3200", "ddr5-4800", "lpddr5-6400", "gddr6-14000", "hbm2-2000")
ALL = (*MEMORIES, "hbm3-6400", "hbm3-6400-8hi")


def run_of(name, pattern, *overrides):
    memory = load_memory(name, [f"hardware.{item}" for item in overrides])
    return memory, memory.run(memory.requests_of_pattern(pattern))


@pytest.mark.parametrize("name", ALL)
def test_no_read_is_faster_than_the_device(name):
    memory, run = run_of(name, "random:n=500")
    timings = memory.standard.timings
    least = timings.get("nRCD", timings.get("nRCDRD", 0)) + memory.standard.read_latency_ticks
    first = run.done_ticks[run.outcome == at.MISS] - run.arrival_ticks[run.outcome == at.MISS]
    assert (first >= least).all()
    hits = run.done_ticks - run.arrival_ticks
    assert (hits > memory.standard.read_latency_ticks).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "pattern", ["stream:n=4000,write=40", "random:n=4000,write=40,footprint=256"]
)
def test_outcomes_add_up(name, pattern):
    memory, run = run_of(name, pattern)
    own = statistics(memory, run)["dram"]
    assert sum(own["rows"].values()) == own["requests"] == 4000
    reads_writes = sum(own["commands"][command] for command in ("RD", "WR", "RDA", "WRA"))
    assert reads_writes == 4000 - own["rows"]["forwarded"] - own["rows"]["merged"]


@pytest.mark.parametrize("name", ALL)
def test_bandwidth_never_exceeds_the_peak(name):
    memory, run = run_of(name, "stream:n=4000", "controller.refresh=none")
    share = statistics(memory, run)["utilization"]["dram"]
    assert 0.85 < share <= 1


@pytest.mark.parametrize("name", ["ddr4-3200", "gddr6-14000"])
def test_four_channels_take_four_times_the_stream_in_the_same_time(name):
    _, one = run_of(name, "stream:n=5000")
    _, four = run_of(name, "stream:n=20000", "channels=4")
    assert four.ticks == one.ticks
    assert four.counts["RD"] == 4 * one.counts["RD"]


def test_longer_runs_of_blocks_are_no_slower():
    shares = []
    for length in (2, 4, 8, 16, 64, 256):
        memory, run = run_of("ddr4-3200", f"chunk:n=8000,length={length}")
        shares.append(statistics(memory, run)["utilization"]["dram"])
    for shorter, longer in itertools.pairwise(shares):
        assert longer >= 0.98 * shorter


def test_the_same_run_gives_the_same_bytes():
    records = []
    for _ in range(2):
        memory, run = run_of("hbm3-6400", "zipf:n=2000,write=30")
        records.append(json.dumps(run_record(memory, run, pattern="zipf:n=2000,write=30")))
    assert records[0] == records[1]


def test_a_log_changes_nothing():
    memory = load_memory("lpddr5-6400")
    requests = memory.requests_of_pattern("random:n=2000,write=50")
    plain, logged = memory.run(requests), memory.run(requests, log_commands=True)
    assert plain.commands is None
    assert plain.ticks == logged.ticks
    assert plain.counts == logged.counts
    assert (plain.done_ticks == logged.done_ticks).all()
    assert len(logged.commands.tick) == sum(logged.counts.values())


def test_reads_take_their_data_from_waiting_writes():
    blocks = np.array([0, 1, 2, 3, 4096, 4097, 9000, 9000, 9000], dtype=np.int64)
    writes = np.array([False] * 6 + [True, False, True])
    requests = Requests(blocks, writes, np.zeros(9, dtype=np.int64))
    memory = load_memory("ddr4-3200")
    run = memory.run(requests)
    assert run.outcome.tolist()[7:] == [at.FORWARDED, at.MERGED]
    assert (run.done_ticks - run.arrival_ticks)[7:].tolist() == [1, 0]
    off = ["hardware.controller.forwarding=false", "hardware.controller.merging=false"]
    assert load_memory("ddr4-3200", off).run(requests).counts["WR"] == 2


def test_energy_is_counts_times_energies_and_power_times_time():
    memory, run = run_of("ddr4-3200", "random:n=3000,write=30")
    found = statistics(memory, run)
    energy = memory.standard.energy
    activate = run.counts["ACT"] * energy.activate_pj * 1e-12
    assert found["energy"]["component"]["activate"] == pytest.approx(activate)
    assert found["energy_j"] == pytest.approx(sum(found["energy"]["component"].values()))
    assert found["power_w"] == pytest.approx(found["energy_j"] / found["latency_s"])
    least = energy.standby_closed_w * found["latency_s"]
    most = energy.standby_open_w * found["latency_s"]
    assert least <= found["energy"]["static"] <= most


def test_currents_give_the_published_energies():
    energy = load_memory("ddr4-3200").standard.energy
    assert energy.activate_pj == pytest.approx(4234, rel=1e-2)
    assert energy.read_pj / 512 == pytest.approx(5.44, rel=1e-2)
    assert energy.refresh_all_pj == pytest.approx(671e3, rel=3e-2)
    assert energy.standby_open_w == pytest.approx(0.499, rel=1e-2)


def test_latencies_are_nearest_ranks():
    memory, run = run_of("ddr4-3200", "random:n=1000")
    found = statistics(memory, run)["dram"]["read_latency"]
    ordered = np.sort(run.done_ticks - run.arrival_ticks) * 0.625
    assert found["p50_ns"] == ordered[499]
    assert found["p99_ns"] == ordered[989]
    assert found["max_ns"] == ordered[-1]
    assert found["mean_ns"] == pytest.approx(ordered.mean())


@pytest.mark.parametrize("name", ["hbm3-6400", "ddr4-3200"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_command_file_can_be_read_back(name, channels, tmp_path):
    memory = load_memory(name, [f"hardware.channels={channels}"])
    run = memory.run(memory.requests_of_pattern("random:n=200"), log_commands=True)
    path = tmp_path / "commands.txt"
    path.write_text(command_file(memory, run))
    names = [command.name for command in memory.standard.commands]
    levels = [level.name for level in memory.standard.levels[1:]]
    found = read_commands(path, names=names, levels=levels)
    assert [command.clock for command in found] == run.commands.tick.tolist()
    assert [list(command.fields) for command in found] == run.commands.address.tolist()
    assert [command.channel for command in found] == run.commands.channel.tolist()


def test_no_requests_are_no_run():
    memory = load_memory("ddr4-3200")
    empty = np.zeros(0, dtype=np.int64)
    with pytest.raises(ConfigError, match="wrong number of requests"):
        simulate_requests(
            memory.standard, memory.controller, Requests(empty, empty.astype(bool), empty)
        )
