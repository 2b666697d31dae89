"""Bound components: services, counts, expressions, costs, and what they refuse."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.schema import dump_model, validate_model
from archsim.errors import ConfigError
from archsim.expression import Expression
from tests.components.samples import CONFIGS, KINDS, bound, lookup, model

extents = st.integers(1, 5000)
sizes = st.integers(1, 2**36)

REQUESTS = {
    "array": st.tuples(
        st.just("mac"), st.fixed_dictionaries({"m": extents, "n": extents, "k": extents})
    ),
    "vector": st.tuples(
        st.just("elementwise"), st.fixed_dictionaries({"add": sizes, "exp": extents})
    ),
    "buffer": st.tuples(
        st.sampled_from(["read", "write"]), st.fixed_dictionaries({"bytes": sizes})
    ),
    "dram": st.tuples(st.sampled_from(["read", "write"]), st.fixed_dictionaries({"bytes": sizes})),
    "mover": st.tuples(st.just("transfer"), st.fixed_dictionaries({"bytes": sizes})),
    "wire": st.tuples(st.just("transfer"), st.fixed_dictionaries({"bytes": sizes})),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configuration_survives_a_round_trip(name):
    sample = model(name)
    assert validate_model(type(sample), dump_model(sample)) == sample


@pytest.mark.parametrize("name", CONFIGS)
def test_kind_is_the_plug_in_id(name):
    sample = model(name)
    assert KINDS[sample.kind] is type(sample)
    assert sample.kind == bound(name).KIND


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_expressions_are_the_unrounded_times(name, data):
    part = bound(name)
    action, shape = data.draw(REQUESTS[name])
    service = part.service(action, shape, "bf16")
    assert service.occupancy_ps > 0
    for time_ps, text in (
        (service.occupancy_ps, service.occupancy_expr),
        (service.latency_ps, service.latency_expr),
    ):
        value = Expression(text).evaluate(lookup)
        # A clock period is rounded by at most half a picosecond; transfers round up once.
        cycles = time_ps / part.clock.period_ps
        slack = 1.5 if name in ("dram", "wire") else 0.5 * cycles
        assert abs(time_ps - value) <= slack + 1e-9 * value


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_bounds_never_exceed_the_occupancy(name, data):
    part = bound(name)
    action, shape = data.draw(REQUESTS[name])
    service = part.service(action, shape, "bf16")
    work = {counted: number for (_, counted, _), number in service.counts.items()}
    assert part.bound(work, "bf16") <= service.occupancy_ps
    assert service.occupancy_ps <= service.latency_ps
    assert all(key[0] == name and key[2] == "bf16" for key in service.counts)


@pytest.mark.parametrize("name", CONFIGS)
def test_resources_cover_the_actions(name):
    part = bound(name)
    assert {part.resource(action) for action in part.actions()} == set(part.resources())
    assert all(resource.split(".")[0] == name for resource in part.resources())
    with pytest.raises(ConfigError, match="has no such action"):
        part.resource("fly")
    with pytest.raises(ConfigError, match="has no such action"):
        part.energy_pj("fly")


@pytest.mark.parametrize("name", CONFIGS)
def test_costs_are_finite_and_not_negative(name):
    part = bound(name)
    assert part.area_mm2() >= 0
    assert part.static_w() >= 0
    assert all(part.energy_pj(action, "bf16") > 0 for action in part.actions())


def test_array_service_separates_occupancy_from_latency():
    array = bound("array")
    service = array.service("mac", {"m": 512, "n": 128, "k": 128}, "bf16")
    period = array.clock.period_ps
    assert service.occupancy_ps == 512 * period
    assert service.latency_ps == (512 + 3 * 128 - 1) * period
    assert service.counts == {("array", "mac", "bf16"): 512 * 128 * 128}
    assert array.gemm_cycles(512, 128, 128) * period == service.latency_ps


def test_array_counts_all_macs_of_a_batch_and_of_grouped_formats():
    service = bound("array").service("mac", {"m": 3, "n": 5, "k": 7, "batch": 11}, "int8:g64:fp16")
    assert service.counts == {("array", "mac", "int8"): 3 * 5 * 7 * 11}


def test_int8_halves_the_folds_of_the_reduction():
    array = bound("array")
    assert array.gemm_cycles_steady(4096, 4096, 4096, "int8") == 4096**3 // 128**2 // 2
    assert array.peak_macs_per_s("int8") == 2 * array.peak_macs_per_s("bf16")
    assert array.gemm_cycles_lower_bound(100, 3, 5, "int8") == 1


def test_array_batched_methods_equal_the_scalar_ones():
    array = bound("array")
    m, n, k = np.array([1, 130, 4096]), np.array([128, 7, 300]), np.array([500, 128, 2])
    for name in ("gemm_cycles", "gemm_cycles_steady", "gemm_cycles_lower_bound"):
        scalar = [getattr(array, name)(*map(int, x), batch=2) for x in zip(m, n, k, strict=True)]
        assert getattr(array, f"{name}_batch")(m, n, k, batch=2).tolist() == scalar
    assert array.buffer_words(256, 256, 256) == (2 * 256 * 256, 256 * 256, 2 * 256 * 256)


def test_unsupported_format_names_the_supported_ones():
    with pytest.raises(ConfigError) as error:
        bound("array").service("mac", {"m": 1, "n": 1, "k": 1}, "bf17")
    assert str(error.value) == (
        "hardware.components.array.macs_per_cycle: number format is not supported by the array; "
        "given 'bf17'; allowed: bf16, int8; did you mean 'bf16'?"
    )


def test_bad_shapes_are_refused():
    array = bound("array")
    with pytest.raises(ConfigError, match="shape of an action needs 'k'"):
        array.service("mac", {"m": 1, "n": 1}, "bf16")
    with pytest.raises(ConfigError, match="a GEMM extent is zero"):
        array.service("mac", {"m": 1, "n": 0, "k": 1}, "bf16")
    with pytest.raises(ConfigError, match="needs 'bytes'; given -3"):
        bound("dram").service("read", {"bytes": -3}, "bf16")


def test_vector_work_adds_up_kind_by_kind():
    vector = bound("vector")
    service = vector.service("elementwise", {"add": 1025, "exp": 1024, "mul": 0}, "fp32")
    assert service.occupancy_ps == (2 + 6) * vector.clock.period_ps
    assert service.latency_ps == (2 + 6 + 8) * vector.clock.period_ps
    assert service.counts == {("vector", "add", "fp32"): 1025, ("vector", "exp", "fp32"): 1024}
    assert vector.service("elementwise", {}, "fp32").latency_ps == 0
    assert vector.peak_macs_per_s("fp32") == 0.0


def test_vector_reductions():
    vector = bound("vector")
    service = vector.service("reduce", {"max": 4096, "results": 2}, "fp32")
    assert service.occupancy_ps == (4 + 9) * vector.clock.period_ps
    with pytest.raises(ConfigError, match="a reduction needs one operation"):
        vector.service("reduce", {"max": 4, "add": 4, "results": 1}, "fp32")
    with pytest.raises(ConfigError, match="a reduction needs one operation"):
        vector.service("reduce", {"exp": 4, "results": 1}, "fp32")
    with pytest.raises(ConfigError, match="no such operation; given 'tanh'"):
        vector.service("elementwise", {"tanh": 4}, "fp32")


def test_buffer_ports_and_conflicts():
    buffer = bound("buffer")
    period = buffer.clock.period_ps
    assert buffer.resources() == {"buffer.read": 1, "buffer.write": 1}
    assert buffer.service("read", {"bytes": 4096}).occupancy_ps == 2 * period
    assert buffer.service("write", {"bytes": 4096}).occupancy_ps == 4 * period
    assert buffer.service("read", {"bytes": 4096}).latency_ps == 6 * period
    # 64 words of 64 B: dense over 32 banks, all in one bank, or over two.
    assert buffer.service("read", {"bytes": 4096, "stride_words": 1}).occupancy_ps == 2 * period
    assert buffer.service("read", {"bytes": 4096, "stride_words": 32}).occupancy_ps == 64 * period
    assert buffer.service("read", {"bytes": 4096, "stride_words": 48}).occupancy_ps == 32 * period
    assert buffer.occupancy_ps_batch("read", np.array([4096, 1])).tolist() == [2 * period, period]
    shared = bound("buffer", changes={"ports": "shared"})
    assert shared.resources() == {"buffer": 1}
    assert shared.bound({"read": 4096, "write": 4096}) == 6 * period
    assert buffer.bound({"read": 4096, "write": 4096}) == 4 * period
    assert buffer.bandwidth_bytes_per_s("read") == pytest.approx(2048 * 940e6, rel=2e-4)


def test_unbounded_storage_has_no_capacity():
    endless = bound("buffer", changes={"capacity": "unbounded"})
    assert endless.capacity_bytes() is None
    assert endless.area_mm2() == 0
    assert bound("buffer").capacity_bytes() == 16 * 2**20
    assert bound("dram", changes={"capacity": "unbounded"}).capacity_bytes() is None


def test_memory_sustains_a_fraction_of_its_bandwidth():
    dram = bound("dram")
    service = dram.service("read", {"bytes": 614_000}, "bf16")
    assert service.occupancy_ps == math.ceil(1_000_000 / 0.925)
    assert service.latency_ps == service.occupancy_ps + 120_000
    assert dram.bound({"read": 307_000, "write": 307_000}) == 1_000_000
    assert dram.bandwidth_bytes_per_s("read") == 614e9
    many = dram.occupancy_ps_batch("write", np.array([614_000, 0]))
    assert many.tolist() == [service.occupancy_ps, 0]
    assert dram.service("read", {"bytes": 0}).counts == {}


def test_dma_pays_for_each_descriptor():
    mover = bound("mover")
    period = mover.clock.period_ps
    assert mover.service("transfer", {"bytes": 65536}).occupancy_ps == (20 + 128) * period
    assert mover.service("transfer", {"bytes": 65537}).occupancy_ps == (40 + 129) * period
    strided = mover.service("transfer", {"bytes": 65536, "descriptors": 7})
    assert strided.occupancy_ps == (140 + 128) * period


def test_link_energy_is_eight_times_that_of_a_bit():
    assert bound("wire").energy_pj("transfer") == 64.0
    plain = bound("wire", changes={"energy_per_bit": None})
    assert plain.energy_pj("transfer") == 80.0


def test_own_costs_win_over_the_table():
    array = bound(
        "array",
        changes={
            "energy": {"mac": "0.5 pJ", "mac.int8": "0.125 pJ"},
            "area": "9 mm2",
            "static_power": "2 W",
        },
    )
    assert array.energy_pj("mac", "bf16") == 0.5
    assert array.energy_pj("mac", "int8") == 0.125
    assert (array.area_mm2(), array.static_w()) == (9.0, 2.0)
    with pytest.raises(ConfigError, match="energy of an action that this component does not have"):
        bound("array", changes={"energy": {"max": "1 pJ"}})


def test_unknown_clock_names_the_nearest():
    with pytest.raises(ConfigError) as error:
        bound("array", changes={"clock": "cores"})
    assert str(error.value) == (
        "hardware.components.array.clock: unknown clock domain; given 'cores'; "
        "allowed: core, memory; did you mean 'core'?"
    )


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("array", {"rows": 0}, "must be at least 1"),
        ("array", {"dataflow": "row"}, "is not one of the choices"),
        ("array", {"macs_per_cycle": {"bf17": 1}}, "unknown number format"),
        ("buffer", {"capacity": 16}, "the unit is missing"),
        ("dram", {"efficiency": 1.5}, "is too large"),
        ("dram", {"bandwidth": "0 GB/s"}, "must be more than 0"),
        ("vector", {"cycles_per_operation": {}}, "has too few items"),
        ("vector", {"cycles_per_operation": {"tanh": 1}}, "is not one of the choices"),
        ("wire", {"lanes": 4}, "unknown key"),
    ],
)
def test_impossible_configurations_are_refused(name, change, message):
    kind = KINDS[CONFIGS[name]["kind"]]
    with pytest.raises(ConfigError, match=message):
        validate_model(kind, {**CONFIGS[name], **change})


def test_importing_components_does_not_import_numpy():
    code = (
        "import sys, archsim.components.systolic_array, archsim.components.vector_unit, "
        "archsim.components.dram, archsim.components.dma, archsim.components.link; "
        "sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
