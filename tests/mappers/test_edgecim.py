"""The mapper of chips that stream weights into macros: fragments, rounds, refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim
from archsim.engine import run_program
from archsim.errors import ArchsimError, MappingError
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache
from mappers.edgecim_stream import Stream
from mappers.work import Work

MACHINE = load_hardware("edgecim")


def decode(model="llama3.2-1b", **changes):
    options = {"phase": "decode", "context": 64, "precision": "weights=int4,kv=int4"}
    return archsim.simulate(MACHINE, model, **{**options, **changes}, cache=MemoryCache())


@given(
    st.integers(1, 400),
    st.integers(1, 500),
    st.integers(0, 300),
    st.integers(1, 500),
    st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_the_closed_form_of_a_stream_is_exact(steps, fetch, access, compute, sets):
    from archsim.program import ProgramBuilder

    stream = Stream(
        "s",
        steps,
        Work((("dram", fetch, None),), fetch + access),
        Work((("mac", compute, None),), compute),
        sets,
        {"e": {}},
    )
    builder = ProgramBuilder("p")
    stream.place(builder, None, {})
    assert run_program(builder.build(), path=False).makespan_ps == stream.time_ps


def limited(*texts):
    machine = load_hardware("edgecim", overrides=[f"hardware.components.{text}" for text in texts])
    return archsim.simulate(machine, "llama3.2-1b", phase="decode", context=64, cache=MemoryCache())


@pytest.mark.parametrize(
    ("texts", "bottleneck", "path"),
    [
        ((), "chip-bus:bandwidth", "chip-bus.width"),
        (("chip-bus.width=8192",), "dram:bandwidth", "dram.bandwidth"),
        (("cluster-bus.width=512",), "cluster-bus:bandwidth", "cluster-bus.width"),
        (("tile-bus.width=16",), "tile-bus:bandwidth", "tile-bus.width"),
    ],
)
def test_what_limits_a_token(texts, bottleneck, path):
    result = limited(*texts)
    assert result.bottleneck == bottleneck
    assert result.sensitivities[f"hardware.components.{path}"] > 0.85


def test_compute_limits_where_many_vectors_pass():
    result = decode(batch=64)
    assert result.bottleneck.startswith("tiles.mac")


def test_macros_written_too_slowly_limit_as_the_balance_rule_says():
    """N_active >= BW / (WUW f): active macros times rows of 16 weights of 4 bits a cycle."""
    tiles, dram = MACHINE.component("tiles"), MACHINE.component("dram")
    active = tiles.macros // tiles.tiles.tile_sets
    needed = 8 * dram.sustained_bytes_per_s / (64 * tiles.clock.frequency_hz)
    assert active > needed
    few = ("clusters_v=1", "clusters_h=1", "tiles_v=2", "tiles_h=2")
    small = load_hardware(
        "edgecim", overrides=[f"hardware.components.tiles.{text}" for text in few]
    )
    assert small.component("tiles").macros // 2 < needed
    result = archsim.simulate(small, "llama3.2-1b", phase="decode", context=64, cache=MemoryCache())
    assert result.bottleneck == "tiles.update:bandwidth"
    # What a chip of that many macros takes of the memory, up to the rest of the time.
    limit = active_bytes_per_s(small)
    assert result.dram_bytes / result.latency_s == pytest.approx(limit, rel=0.15)


def active_bytes_per_s(machine):
    tiles = machine.component("tiles")
    return tiles.macros // tiles.tiles.tile_sets * 8 * tiles.clock.frequency_hz


def test_prompts_pass_in_blocks_and_generation_runs():
    prefill = decode(phase="prefill", context=96)
    assert prefill.latency_s > prefill.roofline.bound_s
    both = decode(phase="generate", context=96, new_tokens=3)
    assert both.phases["prefill"].latency_s == pytest.approx(prefill.latency_s)
    assert decode(batch=3).latency_s < 3 * decode().latency_s


def test_utilisation_counts_every_product_once():
    result = decode(context=128)
    tiles = MACHINE.component("tiles")
    rate = result.macs / result.latency_s / tiles.peak_macs_per_s("int4")
    assert result.utilization["tiles"] == pytest.approx(rate, rel=1e-6)


def test_the_machine_says_its_precision():
    assert (
        decode(precision=None).config["workload"]["precision"]
        == (decode().config["workload"]["precision"])
    )


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("llama3.2-1b", {"precision": "weights=bf16,kv=int4"}, "int4, int8"),
        ("llama3.2-1b", {"precision": "weights=int4,kv=bf16"}, "int4, int8"),
        ("mixtral-8x7b", {}, "other weights"),
        ("llama3.2-1b", {"mapper_options": {"gemm": {"head": 1}}}, "true or false"),
    ],
)
def test_refused(model, changes, message):
    with pytest.raises(ArchsimError, match=message):
        decode(model, **changes)


def test_other_machines_are_refused():
    with pytest.raises(MappingError, match="cim-tiles"):
        archsim.simulate(
            "array128-hbm2e",
            "llama3.2-1b",
            phase="decode",
            mapper={"gemm": "edgecim"},
            cache=MemoryCache(),
        )


def test_weights_that_do_not_fit_are_infeasible():
    result = decode("llama2-70b")
    assert not result.feasible
    assert result.infeasible.resource == "dram"
