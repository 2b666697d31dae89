"""The engine, the mapper's closed form and the evaluator of designs give one answer."""

import numpy as np
import pytest

import archsim
from archsim.edgecim.chip import edge_chip, overrides_of
from archsim.edgecim.design import PUBLISHED
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.model_shape import model_shape
from archsim.edgecim.published import MODELS
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache
from workloads import load_model

GENERATOR = np.random.default_rng(7)
DRAWN = PUBLISHED.designs(GENERATOR.integers(0, PUBLISHED.size, 8))

CASES = [
    ("llama3.2-1b", 4, 1024, ()),
    ("qwen2.5-0.5b", 8, 129, ()),
    ("smollm3-3b", 4, 64, ("hardware.components.dram.latency=90 ns",)),
    ("phi-3.5-mini", 8, 300, ("hardware.components.tiles.tile_sets=1",)),
    (
        "qwen3-0.6b",
        4,
        500,
        (
            "hardware.components.tiles.macro.weight_sets=2",
            "hardware.components.tiles.macro.rows_written_per_cycle=4",
            "hardware.components.tiles.macro.bits_per_cycle=2",
            "hardware.components.tiles.tile_sets=1",
            "hardware.components.dram.efficiency=0.9",
        ),
    ),
    *(
        ("tinyllama-1.1b", 4, 200 + 31 * index, overrides_of(DRAWN.row(index)))
        for index in range(len(DRAWN))
    ),
]


def run(model, bits, context, overrides, fidelity):
    return archsim.simulate(
        load_hardware("edgecim", overrides=overrides),
        model,
        phase="decode",
        context=context,
        precision=f"weights=int{bits},kv=int{bits}",
        fidelity=fidelity,
        cache=MemoryCache(),
    )


@pytest.mark.parametrize(("model", "bits", "context", "overrides"), CASES)
def test_engine_closed_form_and_evaluator_agree(model, bits, context, overrides):
    chip = edge_chip(overrides=tuple(overrides))
    shape = model_shape(load_model(model))
    job = Job(shape, weight_bits=bits, cache_bits=bits, prompt=context, generated=1)
    found = evaluate(chip, chip.design, job)
    tile, analytic = (
        run(model, bits, context, overrides, fidelity) for fidelity in ("tile", "analytic")
    )
    assert tile.latency_s == analytic.latency_s
    assert tile.latency_s == pytest.approx(found.seconds[0], rel=1e-12)
    assert tile.energy.component == pytest.approx(analytic.energy.component, rel=1e-12)
    assert tile.energy.component["dram"] == pytest.approx(found.dram_j[0], rel=1e-9)
    # What the evaluator divides, the engine counts in whole partial sums.
    chip_j = tile.energy_j - tile.energy.component["dram"]
    assert chip_j == pytest.approx(found.chip_j[0], rel=1e-6)
    assert tile.area_mm2 == pytest.approx(found.area_mm2[0], rel=1e-12)


def test_bytes_and_macs_are_those_of_the_model():
    shape = model_shape(load_model("llama3.2-3b"))
    job = Job(shape, prompt=192, generated=1)
    result = run("llama3.2-3b", 4, 192, (), "tile")
    assert result.macs == job.macs(193)
    # Beside weights and cache: gains, rotary constants, the embedded row and the logits.
    assert 0 < result.dram_bytes - job.dram_bits(193) / 8 < 0.002 * result.dram_bytes


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bits", [4, 8])
def test_every_published_model_runs(model, bits):
    result = run(model, bits, 192, (), "analytic")
    shape = model_shape(load_model(model))
    job = Job(shape, weight_bits=bits, cache_bits=bits, prompt=192, generated=1)
    found = evaluate(edge_chip(), edge_chip().design, job)
    assert result.latency_s == pytest.approx(found.seconds[0], rel=1e-12)
    assert result.bottleneck == "chip-bus:bandwidth"


def test_head_off_leaves_out_its_bytes():
    machine = load_hardware("edgecim")
    options = {"phase": "decode", "context": 192, "cache": MemoryCache()}
    on = archsim.simulate(machine, "llama3.2-1b", **options)
    off = archsim.simulate(
        machine, "llama3.2-1b", mapper_options={"gemm": {"head": False}}, **options
    )
    shape = model_shape(load_model("llama3.2-1b"))
    logits = 2 * shape.vocabulary
    assert on.dram_bytes - off.dram_bytes == shape.width * shape.vocabulary // 2 + logits
    job = Job(shape, prompt=192, generated=1, head=False)
    found = evaluate(edge_chip(), edge_chip().design, job)
    assert off.latency_s == pytest.approx(found.seconds[0], rel=1e-12)
    assert 1 / off.latency_s == pytest.approx(400, rel=0.03)
