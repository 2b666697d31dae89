"""Overrides: what they change, and how a wrong one is answered."""

from __future__ import annotations

import pytest

from archsim.config.document import Document, parse_document
from archsim.config.overrides import apply_overrides, group_overrides, parse_override
from archsim.config.paths import join_path, split_path
from archsim.config.schema import key_paths
from archsim.errors import ConfigError
from tests.config.machine_model import MACHINE, Memory, machine_of

DOCUMENT = parse_document(MACHINE, kind="hardware", file="edge.yaml")


def overridden(*texts, **options):
    return apply_overrides(DOCUMENT, texts, **options)


def test_values_change_and_arithmetic_follows():
    document = overridden(
        "hardware.constants.channels=16",
        "hardware.components.array.rows = 64 ",
        "hardware.ranks.inner.size=7",
        "hardware.levels=[far, dram]",
        "hardware.technology={node: 5 nm, supply: 0.7 V, source: press}",
    )
    machine = machine_of(document)
    assert machine.components["dram"].bandwidth_bytes_per_s == 204.8e9
    assert machine.components["array"].columns == 128
    assert machine.ranks[1].size == 7
    assert machine.levels == ("far", "dram")
    assert document.sources["hardware.constants.channels"] == "override"
    assert document.sources["hardware.technology.node"] == "press"
    assert DOCUMENT.data["constants"]["channels"] == 8


def test_the_last_override_wins_and_estimates_are_replaced():
    document = overridden("hardware.clocks.memory=1 GHz", "hardware.clocks.memory=3 GHz")
    assert document.data["clocks"]["memory"] == "3 GHz"
    assert document.estimates == {}
    document = overridden("hardware.clocks.core={value: 1 GHz, estimate: [0.5 GHz, 2 GHz]}")
    assert document.estimates["hardware.clocks.core"] == ("0.5 GHz", "2 GHz")


def test_an_overridden_document_reads_back():
    document = overridden("hardware.constants.channels=16", "hardware.source=other")
    assert parse_document(document.to_yaml(), kind="hardware") == document
    assert document.data["source"] == "other"


def test_keys_with_a_default_may_be_set_if_known():
    text = "hardware.components.dram.row-cycle=200 ns"
    with pytest.raises(ConfigError, match="there is no such path"):
        overridden(text)
    document = overridden(text, known=key_paths(Memory, "hardware.components.dram"))
    assert machine_of(document).components["dram"].row_cycle_s == 200e-9


def test_errors_of_overridden_values_name_the_override():
    with pytest.raises(ConfigError) as caught:
        machine_of(overridden("hardware.components.dram.bandwidth=940 MHz"))
    assert str(caught.value) == (
        "--set: hardware.components.dram.bandwidth: "
        "is a frequency, but a bandwidth is wanted; given '940 MHz'; "
        "allowed: a bandwidth with its unit, such as '614 GB/s'"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hardware.components.drm.latency=1 ns",
            "--set: there is no such path; given 'hardware.components.drm.latency'; "
            "did you mean 'hardware.components.dram.latency'?",
        ),
        (
            "hardware.ranks.iner.size=1",
            "--set: there is no such path; given 'hardware.ranks.iner.size'; "
            "did you mean 'hardware.ranks.inner.size'?",
        ),
        (
            "hardwre.name=x",
            "--set: unknown root of a path; given 'hardwre'; "
            "allowed: hardware, workload, mapper, options; did you mean 'hardware'?",
        ),
        (
            "workload.batch=2",
            "--set: the path belongs to another document; given 'workload.batch'; "
            "allowed: paths that start with 'hardware.'",
        ),
        (
            "hardware.name",
            "--set: is not PATH=VALUE; given 'hardware.name'; "
            "allowed: PATH=VALUE, such as hardware.clocks.core=1 GHz",
        ),
        (
            "hardware.name=",
            "--set: the value is missing; given 'hardware.name='; "
            "allowed: PATH=VALUE, such as hardware.clocks.core=1 GHz",
        ),
        ("hardware=1", "--set: a path must name something below its root; given 'hardware'"),
        (
            "hardware..name=1",
            "--set: is not a dotted path; given 'hardware..name'; "
            "allowed: words of [A-Za-z0-9_-] joined by dots",
        ),
        (
            "hardware.name=!!python/name:os.system x",
            "--set: hardware.name: tags are not allowed; "
            "given '!!python/name:os.system'; allowed: plain values",
        ),
        (
            "hardware.name=[",
            "--set: hardware.name: is not YAML: did not find expected node content",
        ),
        (
            "hardware.constants.channels=${constants.channels}",
            "--set: hardware.constants.channels: expressions "
            "refer to each other in a cycle; "
            "given 'hardware.constants.channels → hardware.constants.channels'",
        ),
        ("hardware.source=3", "--set: a source must be text; "
                              "given 'hardware.source=3'"),
    ],
)  # fmt: skip
def test_refusals(text, message):
    with pytest.raises(ConfigError) as caught:
        overridden(text)
    assert str(caught.value) == message


def test_a_map_does_not_become_a_number_by_accident():
    document = parse_document("a: {value: [1, 2]}\n", kind="hardware")
    with pytest.raises(ConfigError, match="would turn a map into a single number"):
        apply_overrides(document, ["hardware.a.value=3"])


def test_a_source_that_looks_like_a_number_is_text():
    document = overridden("hardware.source=8 GB/s")
    assert parse_document(document.to_yaml(), kind="hardware") == document
    assert "hardware.source" not in document.sources
    assert "hardware.source" not in document.unsourced()


def test_too_long_and_rootless():
    with pytest.raises(ConfigError, match="is too long"):
        parse_override("hardware.x=" + "y" * 10000)
    with pytest.raises(ConfigError, match="loaded from text"):
        apply_overrides(Document("hardware", {}), ["hardware.x=1"])


def test_grouping():
    groups = group_overrides(["workload.batch=2", "hardware.name=x", "workload.context=3"])
    assert [item.path for item in groups["workload"]] == ["workload.batch", "workload.context"]
    assert [len(group) for group in groups.values()] == [1, 2, 0, 0]


@pytest.mark.parametrize(
    "segments", [("a", "b-c"), ("a", "llama3.1-8b", "x"), ("a", 'q"u\\o'), ("a", "", "é [x]")]
)
def test_paths_join_and_split(segments):
    path = ""
    for segment in segments:
        path = join_path(path, segment)
    assert split_path(path) == segments
