"""GPU hardware files: every part named by the contracts, peaks of the data sheets, clear errors."""

from __future__ import annotations

import pytest

from archsim.config.document import parse_document
from archsim.errors import ConfigError
from archsim.gpu.device import device_names, device_of, load_device
from archsim.gpu.naming import ALIASES, gpu_id, library_of

NAMED = (
    *("a100-40g-sxm", "a100-80g-sxm", "a100-40g-pcie", "a100-80g-pcie", "a40", "a6000"),
    *("h100-sxm", "h100-pcie", "h200-sxm", "gh200", "b200-sxm", "l40s", "l4", "t4", "v100"),
    *("p100", "p4", "rtx-3090", "rtx-4090", "rtx-pro-6000", "orin-nano"),
    *("mi100", "mi210", "mi250", "mi300x", "tpu-v6e"),
)


def test_every_named_part_is_there():
    assert set(NAMED) <= set(device_names())


@pytest.mark.parametrize(
    ("name", "format", "teraflops", "gb_per_s"),
    [
        ("a100-80g-sxm", "bf16", 312, 2039),
        ("a40", "fp16", 149.7, 696),
        ("l40s", "bf16", 362, 864),
        ("l4", "bf16", 121, 300),
        ("t4", "fp16", 65, 320),
        ("v100", "fp32", 14.1, 900),
        ("mi210", "fp16", 181, 1638),
        ("mi300x", "bf16", 1307, 5300),
        ("tpu-v6e", "bf16", 918, 1640),
    ],
)
def test_peaks_are_those_of_the_data_sheet(name, format, teraflops, gb_per_s):
    device = load_device(name)
    assert device.matrix_flops_per_s(format) / 1e12 == pytest.approx(teraflops, rel=0.02)
    assert device.dram_bytes_per_s / 1e9 == gb_per_s


def test_the_data_sheet_of_h100_is_met_at_its_clock():
    device = load_device("h100-sxm")
    at_data_sheet_clock = device.matrix_flops_per_s("bf16") * 1.83e9 / device.clock_hz
    assert at_data_sheet_clock / 1e12 == pytest.approx(989, rel=0.005)


def test_a_format_that_a_part_lacks_is_refused_with_those_it_has():
    with pytest.raises(ConfigError, match=r"v100 does not compute in this format; given 'fp8'"):
        load_device("v100").matrix_flops_per_s("fp8")


def test_a_machine_that_is_no_gpu_is_refused():
    with pytest.raises(ConfigError, match="a GPU has one component of kind gpu-sm"):
        load_device("array128-hbm2e")


def test_components_must_be_a_map():
    with pytest.raises(ConfigError, match="a GPU has components"):
        device_of(parse_document("name: x\n", kind="hardware"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("A100-SXM-80GB", "a100-80g-sxm"),
        ("nvidia a100 sxm4 80gb", "a100-80g-sxm"),
        ("RTX-PRO-6000-Server", "rtx-pro-6000-server"),
        ("RTX4090", "rtx-4090"),
        ("TPUv6e", "tpu-v6e"),
        ("H100", "h100-sxm"),
        ("abacus", None),
    ],
)
def test_names_of_measurements(name, known):
    assert gpu_id(name) == known


def test_aliases_point_at_files():
    assert set(ALIASES) <= set(device_names())
    assert all(gpu_id(name) == name for name in ALIASES)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("aic:vllm-0.14.0", ("vllm", "0.14.0")),
        ("aic:trtllm-1.3.0rc20", ("trtllm", "1.3.0rc20")),
        ("vidur", ("vidur", "")),
        ("", ("", "")),
    ],
)
def test_libraries_of_sources(source, parts):
    assert library_of(source) == parts
