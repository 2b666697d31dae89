"""Which constants stand in: own ones first, then those that parts share, then any others."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.gpu.constants import ANY, HOST, WARP_LEVEL, Record, Request, choose
from archsim.gpu.device import load_device
from archsim.gpu.predict import predict


def record(architecture, library="", value=0.0, gpus=("x",), **changes):
    """Return a record of one constant."""
    plain = {"version": "", "format": "16bit", "variant": "", "rows": 10, **changes}
    return Record("gemm", architecture, library, gpus=gpus, values={"fixed_us": value}, **plain)


def chosen(records, **request):
    wanted = Request("gemm", **{"architecture": "hopper", **request})
    return choose(wanted, tuple(records), {"fixed_us": -1.0}, frozenset({"fixed_us"}))


OWN = record("hopper", "vllm", 1.0, gpus=("h200-sxm",))
OTHER = record("hopper", "trtllm", 2.0, gpus=("h200-sxm",))
SHARED = record(ANY, value=3.0, gpus=("a40", "h200-sxm"))
FAR = record("volta", "vllm", 4.0, gpus=("v100",))


def test_own_constants_come_first():
    found = chosen([FAR, SHARED, OTHER, OWN], library="vllm", device="h200-sxm")
    assert (found.origin, found.values["fixed_us"]) == ("fitted", 1.0)
    found = chosen([FAR, SHARED, OTHER, OWN], library="vllm", device="gh200")
    assert (found.origin, found.values["fixed_us"]) == ("nearest", 1.0)
    assert "h200-sxm" in found.said


def test_another_library_and_another_architecture_get_what_parts_share():
    assert chosen([FAR, SHARED, OTHER], library="vllm").values["fixed_us"] == 3.0
    found = chosen([FAR, SHARED, OWN], architecture="cdna3", library="vllm")
    assert found.values["fixed_us"] == 3.0
    assert found.said == "constants of 2 measured parts together, 16bit"


def test_no_library_means_any_of_the_architecture():
    assert chosen([FAR, SHARED, OTHER]).values["fixed_us"] == 2.0


def test_a_device_left_out_takes_all_records_with_it_along():
    left = frozenset({"h200-sxm"})
    assert chosen([FAR, SHARED, OWN], library="vllm", without=left).values["fixed_us"] == 4.0
    assert chosen([SHARED], without=left).origin == "default"


def test_parts_with_the_same_matrix_instruction_are_nearer():
    kind = record(WARP_LEVEL, value=5.0, gpus=("a40", "l40s"))
    assert chosen([SHARED, kind], architecture="ada").values["fixed_us"] == 5.0
    assert "warp-level" in chosen([SHARED, kind], architecture="ada").said
    assert chosen([SHARED, kind]).values["fixed_us"] == 3.0


def test_formats_and_variants_count_before_parts():
    narrow = record("volta", "vllm", 6.0, format="fp8")
    assert chosen([OWN, narrow], library="vllm", format="fp8", prefers_format=True).values == {
        "fixed_us": 6.0
    }
    ring = record("volta", "nccl", 7.0, variant="allreduce nccl")
    found = chosen([OWN, ring], library="nccl", variant="allreduce nccl over the bus")
    assert found.values["fixed_us"] == 7.0


def test_the_waiting_of_a_host_is_not_taken_for_that_of_kernels():
    waiting = record("hopper", "compass", 40.0, timing=HOST)
    found = chosen([waiting, FAR], library="vidur", variant="")
    assert found.values["fixed_us"] == 4.0
    assert chosen([waiting, FAR], library="compass").values["fixed_us"] == 40.0
    timed = chosen(
        [SHARED, record("volta", "compass", 41.0, timing=HOST)], library="compass", timing=HOST
    )
    assert timed.values["fixed_us"] == 41.0
    assert "launches of volta, compass" in timed.said


@pytest.mark.parametrize(
    ("gpu", "format", "instead"), [("t4", "bf16", "fp16"), ("v100", "bf16", "fp16")]
)
def test_a_missing_format_names_the_other_one_of_its_width(gpu, format, instead):
    with pytest.raises(ConfigError, match=f"did you mean '{instead}'"):
        load_device(gpu).matrix_flops_per_s(format)
    assert load_device(gpu).matrix_flops_per_s(instead) > 0


def test_a_format_that_nobody_measured_keeps_its_own_energy():
    wanted = Request("gemm", "hopper", format="int8", prefers_format=True)
    wide, narrow = record(ANY, value=3.0), record(ANY, value=14.0, format="fp8")
    found = choose(wanted, (wide, narrow), {"fixed_us": 1.0}, of_format={"energy_pj": 0.5})
    assert found.values == {"fixed_us": 3.0, "energy_pj": 0.5}
    found = choose(wanted, (record(ANY, format="int8"),), {"fixed_us": 1.0}, of_format={"e": 0.5})
    assert "e" not in found.values


def test_eight_bit_integers_gain_over_sixteen_bits_where_memory_limits():
    shape = {"m": 8, "n": 14336, "k": 4096}
    wide, narrow = (predict("a100-80g-sxm", "gemm", shape, dtype=d) for d in ("bf16", "int8"))
    assert 0.5 < narrow.time_s / wide.time_s < 0.9
