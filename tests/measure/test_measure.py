"""Measuring a GPU, a simulated clock in place of one: statistics, resuming, drift, refusals."""

from __future__ import annotations

import csv
import random
import types
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli import main
from archsim.errors import ConfigError, NotRunError
from archsim.measure import torch_device
from archsim.measure.plan import COLD, HOT, KINDS, SENTINEL, Job, plan
from archsim.measure.session import BLOCK, measure
from archsim.measure.table import COLUMNS, done
from archsim.measure.timing import (
    MIN_CALLS,
    MIN_SPAN_US,
    Drawn,
    UnsupportedError,
    percentile,
    time_job,
)
from archsim.validation.gpu_rows import is_held_out, read_measurements

DEVICE_US = 3.0
"""Time of a call that does nothing, of the simulated device."""


@dataclass
class FakeWork:
    """A call with a time of its own, noise, and a graph of calls."""

    device: FakeDevice
    each_us: float
    ws_bytes: int
    kernel: str = "simulated"
    calls: int = 0
    copies: int = 1
    spans: list[float] = field(default_factory=list)

    def capture(self, calls):
        self.calls = calls

    def replay(self):
        noise = 1 + self.device.random.uniform(-0.01, 0.01)
        span = self.calls * self.each_us * noise * self.device.slower
        self.device.now_us += span
        self.spans.append(span)
        return span

    def clock_mhz(self):
        return 1750.0

    def draw(self, settle_s, span_s):
        self.device.now_us += (settle_s + span_s) * 1e6
        return Drawn(650.0, 1400.0, 650.0 * self.each_us * 1e-6)

    def close(self):
        self.device.open_works -= 1


@dataclass
class FakeDevice:
    """A device whose clock only moves when work is replayed."""

    gpu: str = "h200-sxm"
    library: str = "torch-2.8.0"
    driver: str = "570.1"
    l2_bytes: int = 50 * 2**20
    now_us: float = 0.0
    slower: float = 1.0
    drift_at: int = 1 << 30
    prepared: list[str] = field(default_factory=list)
    cold: dict[str, int] = field(default_factory=dict)
    open_works: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def settings(self):
        return {"gpu": self.gpu, "mig": "0"}

    def prepare(self, job, cold_bytes):
        if job.dtype == "fp8":
            return "this PyTorch has no fp8"
        self.prepared.append(job.key)
        self.cold[job.key] = cold_bytes
        if len(self.prepared) == self.drift_at:
            self.slower = 1.05
        self.open_works += 1
        extents = job.extents
        work = extents.get("m", 1) * extents.get("n", 1) * extents.get("k", 1)
        return FakeWork(self, DEVICE_US + work / 1e9, 123)


@pytest.fixture
def table(tmp_path):
    return tmp_path / "rows.csv"


def test_the_plan_has_every_part_once_and_its_own_order():
    jobs = plan(0)
    assert {job.kind for job in jobs} == set(KINDS)
    assert len({job.key for job in jobs}) == len(jobs)
    assert [job.key for job in jobs] == [job.key for job in plan(0)]
    assert [job.key for job in jobs] != [job.key for job in plan(1)]
    with pytest.raises(ConfigError, match="gemm"):
        plan(0, ["gem"])


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=40), st.floats(0, 1))
def test_quantiles_lie_among_the_samples(samples, share):
    ordered = sorted(samples)
    found = percentile(ordered, share)
    assert ordered[0] <= found <= ordered[-1] * (1 + 1e-12)
    assert percentile(ordered, 0.0) == ordered[0]


@given(st.floats(0.5, 1e5))
def test_spans_between_events_are_long_enough(each_us):
    device = FakeDevice()
    works = []

    def prepare(job, cold_bytes):
        del job, cold_bytes
        device.open_works += 1
        works.append(FakeWork(device, each_us, 1))
        return works[-1]

    device.prepare = prepare
    timed = time_job(device, SENTINEL)
    assert timed.p10_us <= timed.median_us <= timed.p90_us
    assert timed.median_us == pytest.approx(each_us, rel=0.02)
    assert works[0].calls >= MIN_CALLS
    assert works[0].calls == 2000 or works[0].spans[-1] >= MIN_SPAN_US * 0.95
    assert device.open_works == 0


def test_cold_operands_are_several_times_the_cache():
    device = FakeDevice()
    for state in (COLD, HOT):
        time_job(device, Job("gemm", "gemm", "bf16", (("m", 1), ("n", 8), ("k", 8)), state))
    assert sorted(device.cold.values()) == [0, 150 * 2**20]


def test_a_graph_goes_round_all_copies():
    device = FakeDevice()
    work = FakeWork(device, 400.0, 1, copies=37)
    device.prepare = lambda *_: work
    time_job(device, SENTINEL)
    assert work.calls == 37


def test_what_cannot_be_captured_is_counted(table):
    device = FakeDevice()
    plain = device.prepare

    def prepare(job, cold_bytes):
        work = plain(job, cold_bytes)
        if job.kind == "moe":

            def capture(_):
                raise UnsupportedError("cannot be captured")

            work.capture = capture
        return work

    device.prepare = prepare
    report = measure(device, plan(0, ["moe"]), table)
    assert report.skipped == {"cannot be captured": len(plan(0, ["moe"]))}
    assert device.open_works == 0


def test_rows_have_the_columns_of_the_data_set_and_can_be_scored(table):
    device = FakeDevice()
    jobs = plan(0, ["gemm"])[:30]
    report = measure(device, jobs, table)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert report.measured == len(rows) == 30 - sum(report.skipped.values())
    assert len(read_measurements(table).measured) == len(rows)
    for row in rows:
        shape = {n: float(row[n] or 0) for n in ("m", "n", "k")}
        full = {name: shape.get(name, 0.0) for name in COLUMNS}
        assert (row["held"] == "yes") == is_held_out("gemm", full)
        assert row["timing"] == "h200_graph_event_cold"
        assert bool(row["power_w"]) == bool(row["call_j"])
        assert row["sm_clock_mhz"] == ("1400" if row["power_w"] else "1750")


def test_about_a_third_is_set_aside(table):
    measure(FakeDevice(), plan(0), table)
    with table.open() as file:
        held = [row["held"] == "yes" for row in csv.DictReader(file)]
    assert 0.25 < sum(held) / len(held) < 0.42


def test_a_session_goes_on_where_the_last_one_ended(table):
    jobs = plan(3, ["vector", "copy", "launch"])
    measure(FakeDevice(), jobs[: BLOCK // 2], table)
    again = FakeDevice()
    report = measure(again, jobs, table)
    assert report.known == BLOCK // 2
    assert done(table) == {job.key for job in jobs}
    assert not set(again.prepared) - {SENTINEL.key} & {job.key for job in jobs[: BLOCK // 2]}
    assert measure(FakeDevice(), jobs, table).measured == 0


def test_a_block_that_drifts_is_not_written(table):
    jobs = plan(0, ["vector"])
    device = FakeDevice(drift_at=10)
    report = measure(device, jobs, table)
    assert report.dropped == BLOCK
    assert report.measured == len(jobs) - BLOCK
    assert measure(FakeDevice(), jobs, table).measured == BLOCK


def test_what_a_device_lacks_is_counted(table):
    jobs = [job for job in plan(0, ["gemm"]) if job.dtype == "fp8"]
    report = measure(FakeDevice(), jobs, table)
    assert report.skipped == {"this PyTorch has no fp8": len(jobs)}


def test_a_file_that_is_no_table_is_refused(table):
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="column 'gpu' is missing"):
        measure(FakeDevice(), plan(0, ["launch"]), table)


def test_without_torch_or_gpu_nothing_is_run(table, capsys, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(torch_device.importlib, "import_module", missing)
    assert main(["measure", "gpu", "-o", str(table)]) == 5
    assert "no GPU found" in capsys.readouterr().err
    cuda = types.SimpleNamespace(is_available=lambda: False)
    torch = types.SimpleNamespace(cuda=cuda)
    monkeypatch.setattr(torch_device.importlib, "import_module", lambda _: torch)
    with pytest.raises(NotRunError, match="no GPU found"):
        torch_device.find_device()
    assert not table.exists()


def test_the_command_measures_what_is_found(table, capsys, monkeypatch):
    monkeypatch.setattr(torch_device, "find_device", FakeDevice)
    assert main(["measure", "gpu", "-o", str(table), "--ops", "launch,copy", "--limit", "5"]) == 0
    assert "5 measured" in capsys.readouterr().out
    assert '"mig": "0"' in table.with_suffix(".system.json").read_text()
    assert main(["measure", "gpu", "-o", str(table), "--ops", "launch,copy", "--json"]) == 0
    assert '"known": 5' in capsys.readouterr().out
