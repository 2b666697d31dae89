"""Command streams of HBM-PIM and GDDR6-AiM against closed forms and recorded runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mapping import Infeasible
from archsim.pim import aim, cent
from archsim.pim.cent_block import block_parts_ns
from archsim.pim.device import load_device
from archsim.pim.hbm_pim_law import gemv_cycles
from archsim.pim.operations import Attention, Gemv, run_operation
from archsim.pim.run import simulate
from archsim.pim.segments import StreamWriter

QUIET = ["hardware.controller.refresh=none"]


@given(rows=st.integers(1, 20000), inner=st.integers(512, 4096))
@settings(max_examples=12, deadline=None)
def test_the_kernel_of_hbm_pim_is_near_its_closed_form(rows, inner):
    device = load_device("hbm-pim", QUIET)
    cycles = gemv_cycles(device, rows, inner)
    ticks = run_operation(device, Gemv(rows, inner)).ticks
    assert ticks <= cycles.total - cycles.refreshes <= 1.08 * ticks


def test_the_kernel_of_hbm_pim_issues_what_it_is_made_of():
    device = load_device("hbm-pim", QUIET)
    counts = run_operation(device, Gemv(4096, 512)).commands
    tiles = 4
    assert counts["MACAB"] == 64 * tiles * 64
    # Registers of each tile, stores, setting twice, program, leaving twice.
    assert counts["WRAB"] == 64 * (8 * tiles + 8 + 2 + 1 + 2)
    assert (counts["RD"], counts["WR"]) == (64 * 18, 64 * 4)


@pytest.mark.parametrize(
    ("rows", "inner", "cycles"), [(1024, 1024, 3662), (8192, 1024, 7037), (4096, 4096, 13166)]
)
def test_recorded_kernels_of_hbm_pim(rows, inner, cycles):
    ticks = run_operation(load_device("hbm-pim"), Gemv(rows, inner)).ticks
    assert ticks == pytest.approx(cycles, rel=0.01)


@given(bursts=st.integers(1, 64))
@settings(max_examples=10, deadline=None)
def test_rows_of_macs_on_aim_take_the_instruction_time(bursts):
    device = load_device("aim", QUIET)

    def ticks(rows):
        stream = [
            segment
            for row in range(rows)
            for segment in aim.gemv(device, 1, bursts * 16, 1, base_row=row)[2:3]
        ]
        return simulate(device, StreamWriter(device).write(stream)).ticks

    of = device.standard.timings
    least = of["nRAS"] + of["nRP"]
    row = max(least, round(cent.mac_ns(device, bursts) * 2))
    assert ticks(9) - ticks(5) == 4 * row


@given(rows=st.integers(512, 20000), inner=st.integers(1024, 9000))
@settings(max_examples=10, deadline=None)
def test_gemv_on_aim_is_below_instructions_that_do_not_overlap(rows, inner):
    device = load_device("aim", QUIET)
    time_ns = run_operation(device, Gemv(rows, inner)).time_ps * 1e-3
    assert 0.6 * cent.gemv_ns(device, rows, inner, 32) < time_ns
    assert time_ns < cent.gemv_ns(device, rows, inner, 32)


def test_mode_changes_surround_registers():
    device = load_device("aim", QUIET)
    counts = run_operation(device, Gemv(512, 1024)).commands
    # To registers at first, to banks, to registers again.
    assert counts["TMOD"] == 3 * device.channels
    assert counts["WRGB"] == counts["MAC16"] == 64 * device.channels
    assert counts["ACT16"] == counts["WRMAC16"] == counts["RDMAC16"] == device.channels


def test_a_block_of_cent_grows_with_its_context():
    device = load_device("aim", QUIET)
    short, long = (
        block_parts_ns(device, cent.BLOCKS["Llama2-70B"], tokens, 32) for tokens in (1024, 3072)
    )
    assert short["projections"] == long["projections"]
    assert long["contexts"] == pytest.approx(3 * short["contexts"], rel=0.05)
    # Published: 0.2367 and 0.2943 ms; norms, rotary embedding and residuals are left out.
    assert sum(short.values()) == pytest.approx(236695, rel=0.02)
    assert sum(long.values()) == pytest.approx(294303, rel=0.02)


def test_heads_that_share_keys_cost_aim_each_its_queries():
    device = load_device("aim", QUIET)
    shared = run_operation(device, Attention(2048, 128, 64, 8))
    alone = run_operation(device, Attention(2048, 128, 8, 8))
    assert shared.commands["MAC16"] == 8 * alone.commands["MAC16"]


@pytest.mark.parametrize("name", ["aim", "hbm-pim"])
def test_lanes_take_two_bytes(name):
    found = run_operation(load_device(name), Gemv(512, 512, 1))
    assert isinstance(found, Infeasible)
    assert (found.resource, found.need, found.have) == ("lanes", 1, 2)


def test_a_batch_goes_through_the_matrix_again():
    device = load_device("hbm-pim", QUIET)
    one, three = (run_operation(device, Gemv(4096, 512, 2, n)) for n in (1, 3))
    assert three.commands["MACAB"] == 3 * one.commands["MACAB"]
    assert three.ticks < 3 * one.ticks
