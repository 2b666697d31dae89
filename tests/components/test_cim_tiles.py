"""Tiles of macros, their buses and buffers: laws, wires, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.components.cim_laws import cycles_cim_latency, cycles_cim_sets, cycles_cim_steps
from archsim.errors import ConfigError
from archsim.machine import load_hardware

MACHINE = load_hardware("edgecim")
TILES = MACHINE.component("tiles")


def changed(*texts):
    return load_hardware("edgecim", overrides=[f"hardware.components.{text}" for text in texts])


@given(st.integers(1, 64), st.sampled_from([4, 8]), st.sampled_from([1, 2, 4]))
def test_cycles_are_the_law_of_the_macro(vectors, bits, serial):
    tiles = changed(f"tiles.macro.bits_per_cycle={serial}", "tiles.elements=1").component("tiles")
    steps = cycles_cim_steps(16, bits, serial)
    assert tiles.cycles_mac(1, bits, "tile") == cycles_cim_latency(steps, 4)
    # Without the rows written first, one set of weights in one plane.
    assert tiles.cycles_mac(vectors, bits, "tile") == (
        cycles_cim_sets(16, steps, 4, vectors, 1, 1) - 16
    )


def test_rows_that_take_turns_in_the_tree():
    tiles = changed("tiles.macro.tree_rows=4").component("tiles")
    assert tiles.tiles.macro.cycles_steps(4) == 4 * TILES.tiles.macro.cycles_steps(4)
    assert tiles.tree_stages("tile") == TILES.tree_stages("tile") - 2


def test_trees_grow_with_what_they_span():
    assert [TILES.tree_stages(level) for level in ("tile", "cluster", "chip")] == [5, 7, 8]


def test_writes_take_rows_over_update_width():
    service = TILES.service("update", {"bytes": 0}, "int4")
    assert service.occupancy_ps == 16 * 2500
    wide = changed("tiles.macro.rows_written_per_cycle=5").component("tiles")
    assert wide.service("update", {"bytes": 0}, "int4").occupancy_ps == 4 * 2500


def test_the_energy_of_a_mac_is_split():
    parts = TILES.energy_parts_pj("int8")
    assert {"multiplier", "tree", "accumulator", "drivers", "registers"} <= set(parts)
    assert sum(parts.values()) == pytest.approx(TILES.energy_pj("mac", "int8"))
    assert max(parts, key=parts.get) == "tree"


def test_supply_of_its_own_scales_energy_by_its_square():
    low = changed("tiles.supply=0.8 V").component("tiles")
    ratio = low.energy_pj("mac", "int4") / TILES.energy_pj("mac", "int4")
    assert ratio == pytest.approx(0.64)


def test_wires_follow_the_tiles():
    twice = changed("tiles.tile_sets=8")
    for name, factor in (("chip-bus", 2.0), ("cluster-bus", 2.0), ("tile-bus", 1.0)):
        ratio = twice.component(name).length_mm / MACHINE.component(name).length_mm
        assert ratio == pytest.approx(factor)
    assert twice.component("tiles").area_mm2() == pytest.approx(4 * TILES.area_mm2())
    assert MACHINE.component("cluster-buffer").copies == 6


@given(st.integers(0, 1 << 24))
def test_a_bus_takes_whole_cycles(num_bytes):
    service = MACHINE.component("chip-bus").service("transfer", {"bytes": num_bytes}, "int4")
    assert service.occupancy_ps == -(-8 * num_bytes // 4096) * 2500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tiles.macro.tree_rows=17", "tree_rows"),
        ("tiles.macro.rows_written_per_cycle=17", "rows_written_per_cycle"),
        ("chip-bus.tiles=vector", "tiles of this machine"),
        ("buffer.tiles=tilez", "did you mean 'tiles'"),
        ("tiles.clusters_v=0", "at least 1"),
    ],
)
def test_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        changed(change)


def test_formats_that_macros_lack_are_named():
    narrow = changed("tiles.macro.weight_bits=4").component("tiles")
    with pytest.raises(ConfigError, match="int4"):
        narrow.energy_pj("mac", "int8")
    with pytest.raises(ConfigError, match="int8"):
        TILES.weight_bits("bf16")
