"""EdgeCIM: the space, the phases' laws, and what the publication prints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.edgecim.chip import edge_chip
from archsim.edgecim.design import GENES, PUBLISHED, Space, one_design
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.genetic import exhaustive_minimum, genetic_search
from archsim.edgecim.model_shape import model_shape
from archsim.errors import ConfigError
from workloads import load_model

CHIP = edge_chip()

OPTIMUM = {
    "clusters_v": 2,
    "clusters_h": 3,
    "tiles_v": 4,
    "tiles_h": 2,
    "tile_sets": 1,
    "elements": 2,
    "chip_bus_bits": 4096,
    "cluster_bus_bits": 4096,
    "tile_bus_bits": 4096,
}
"""Llama-3.2-3B, INT8, alpha 0.5 (arXiv:2604.11512v1 Sec. IV)."""

# Model: layers, millions of weights a layer, of the head, and cache elements a token, derived from
# the models' published shapes.
SIZES = {
    "tinyllama-1.1b": (22, 44.04, 65.5, 11264),
    "llama3.2-1b": (16, 60.82, 262.7, 16384),
    "llama3.2-3b": (28, 100.66, 394.0, 57344),
    "phi-3.5-mini": (32, 113.25, 98.5, 196608),
    "qwen2.5-0.5b": (24, 14.91, 136.1, 6144),
    "qwen2.5-1.5b": (28, 46.79, 233.4, 14336),
    "qwen2.5-3b": (36, 77.07, 311.2, 18432),
    "smollm2-1.7b": (24, 67.11, 100.7, 98304),
    "smollm3-3b": (36, 78.12, 262.7, 36864),
    "qwen3-0.6b": (28, 15.73, 155.6, 57344),
    "qwen3-1.7b": (28, 50.33, 311.2, 57344),
    "qwen3-4b": (36, 100.93, 389.0, 73728),
}


def shape(name):
    return model_shape(load_model(name))


def designs(seed, count=64):
    return PUBLISHED.designs(np.random.default_rng(seed).integers(0, PUBLISHED.size, count))


def with_gene(found, name, value):
    columns = {gene: getattr(found, gene) for gene in GENES}
    columns[name] = np.full(len(found), value)
    return type(found)(**columns)


def test_the_space_has_the_published_size():
    assert PUBLISHED.size == 3_136_000
    last = PUBLISHED.designs(np.array([PUBLISHED.size - 1])).row(0)
    assert last == dict(zip(GENES, (5, 5, 8, 8, 8, 6, 4096, 4096, 4096), strict=True))


@given(st.integers(0, PUBLISHED.size - 1))
def test_every_number_is_a_design_of_its_own(index):
    row = PUBLISHED.designs(np.array([index])).row(0)
    position = 0
    for name, values in zip(GENES, PUBLISHED.values, strict=True):
        position = position * len(values) + values.index(row[name])
    assert position == index


@pytest.mark.parametrize("name", sorted(SIZES))
def test_sizes_of_the_models(name):
    layers, millions, head, cache = SIZES[name]
    found = shape(name)
    assert found.layers == layers
    assert found.layer_weights / 1e6 == pytest.approx(millions, abs=0.006)
    assert found.width * found.vocabulary / 1e6 == pytest.approx(head, abs=0.06)
    assert found.cache_elements == cache


@pytest.mark.parametrize(
    ("name", "published"), [("llama3.2-1b", 400.0), ("llama3.2-3b", 139.3), ("tinyllama-1.1b", 400)]
)
def test_published_rates_need_spare_tiles_and_no_head(name, published):
    """One bandwidth for all, 195 GB/s: the only calibrated number of the chip's file."""
    job = Job(shape(name), head=False)
    ahead = evaluate(CHIP, one_design(**OPTIMUM | {"tile_sets": 2}), job)
    assert job.generated / ahead.seconds[0] == pytest.approx(published, rel=0.03)
    serial = evaluate(CHIP, one_design(**OPTIMUM), job)
    assert job.generated / serial.seconds[0] < 0.85 * published


@given(st.integers(0, 2**32), st.sampled_from(GENES[6:]))
@settings(max_examples=25, deadline=None)
def test_a_wider_bus_is_never_slower(seed, bus):
    found = designs(seed)
    job = Job(shape("qwen2.5-0.5b"), prompt=40, generated=3)
    times = [evaluate(CHIP, with_gene(found, bus, bits), job).seconds for bits in (512, 1024, 4096)]
    assert (times[1] <= times[0]).all()
    assert (times[2] <= times[1]).all()


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_no_design_beats_its_bandwidth(seed):
    found = designs(seed)
    job = Job(shape("tinyllama-1.1b"), prompt=100, generated=2)
    bits = sum(job.dram_bits(length) for length in job.lengths)
    new = job.generated * job.shape.cache_elements * job.cache_bits
    bound = (bits - new) / 8 / CHIP.dram_bytes_per_s
    assert (evaluate(CHIP, found, job).seconds >= bound * (1 - 1e-12)).all()


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_parts_and_limits_add_up(seed):
    found = evaluate(CHIP, designs(seed), Job(shape("qwen3-0.6b"), generated=2))
    assert sum(found.parts_s.values()) == pytest.approx(found.seconds)
    assert sum(found.limited_s.values()) == pytest.approx(found.seconds)
    assert sum(found.components_j.values()) == pytest.approx(found.chip_j)


def test_one_at_a_time_equals_all_together():
    found = designs(3, 8)
    job = Job(shape("qwen3-1.7b"), generated=4)
    together = evaluate(CHIP, found, job)
    for index in range(len(found)):
        alone = evaluate(CHIP, one_design(**found.row(index)), job)
        assert alone.seconds[0] == together.seconds[index]
        assert alone.chip_j[0] == together.chip_j[index]
        assert alone.area_mm2[0] == together.area_mm2[index]


def test_spare_tiles_help_and_cost_area():
    job = Job(shape("llama3.2-1b"))
    one, two = (evaluate(CHIP, one_design(**OPTIMUM | {"tile_sets": n}), job) for n in (1, 2))
    assert two.seconds[0] < one.seconds[0]
    assert two.area_mm2[0] > one.area_mm2[0]


def test_heads_that_do_not_divide_waste_a_round():
    job = Job(shape("llama3.2-3b"))
    six = evaluate(CHIP, one_design(**OPTIMUM | {"tile_sets": 2}), job)
    eight = evaluate(CHIP, one_design(**OPTIMUM | {"clusters_h": 4, "tile_sets": 2}), job)
    assert eight.parts_s["attention"][0] < six.parts_s["attention"][0]


def test_bits_double_the_work():
    tiles = CHIP.tiles
    assert 3.0 < tiles.energy_pj("mac", "int8") / tiles.energy_pj("mac", "int4") < 4.5


def test_models_that_do_not_fit_the_phases_are_refused():
    for name in ("mixtral-8x7b", "bert-base", "gpt2"):
        with pytest.raises(ConfigError, match=name):
            shape(name)


SMALL = Space("small", ((1, 2), (1, 3), (2, 4), (2,), (1, 2), (2, 4), (1024, 4096), (512,), (512,)))


def test_search_never_beats_enumeration():
    job = Job(shape("qwen2.5-0.5b"), generated=2)
    for alpha in (0.0, 0.5, 1.0):

        def cost(found, alpha=alpha):
            return evaluate(CHIP, found, job).cost(alpha)

        best, design = exhaustive_minimum(SMALL, cost, chunk=17)
        assert cost(one_design(**design))[0] == best
        found = genetic_search(SMALL, cost, seed=1)
        assert found.cost >= best
        assert found.cost == cost(one_design(**found.design))[0]
        assert list(found.history) == sorted(found.history, reverse=True)
        assert found == genetic_search(SMALL, cost, seed=1)


@pytest.mark.parametrize(
    ("change", "message"), [({"clusters_v": 0}, "at least 1"), ({"rows": 3}, "other choices")]
)
def test_bad_designs(change, message):
    with pytest.raises(ConfigError, match=message):
        one_design(**OPTIMUM | change)
