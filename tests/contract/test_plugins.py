"""A third party adds a component, a mapper, a machine and a model; we change nothing."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from tests.contract.command import archsim, process
from tests.contract.source import ROOT

PACKAGE = ROOT / "tests" / "plugin_package"
RUN = ("run", "toy-machine", "toy-model", "--phase", "decode", "--context", "5")


def install(source, target):
    """Build the package and install it into a folder, without a registry."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target"]
    process([*pip, "install", *options, str(target), str(source)])


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """Return an environment in which the toy package is installed, and where."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PACKAGE, folder / "source")
    install(source, folder / "installed")
    return {"PYTHONPATH": str(folder / "installed"), "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("hardware", "toy-machine"),
        ("models", "toy-model"),
        ("models", "toy-wide"),
        ("mappers", "toy"),
        ("components", "toy-memory"),
    ],
)
def test_a_plugin_is_listed_beside_ours(plugged, kind, name):
    with_plugin = archsim("list", kind, environment=plugged).out
    assert name in with_plugin.split()
    assert name not in archsim("list", kind).out.split()


def test_its_machine_runs_its_model_with_its_mapper(plugged):
    words = (*RUN, "--mapper", "gemm=toy", "--json")
    result = json.loads(archsim(*words, environment=plugged).out)
    assert result["mapper"] == {"attention": "unfused", "gemm": "toy", "vector": "vector"}
    assert result["latency_s"] >= result["roofline"]["bound_s"] > 0
    assert result["bytes"]["store"] == result["dram_bytes"] > 0
    store_j = result["dram_bytes"] * 100e-12 + 0.25 * result["latency_s"]
    assert result["energy"]["component"]["store"] == pytest.approx(store_j, rel=1e-9)
    assert "hardware.components.store.ps_per_byte" in result["sensitivities"]


def test_a_model_made_by_a_call_runs_like_one_from_a_file(plugged):
    made = ("run", "toy-machine", "toy-wide", *RUN[3:])
    result = json.loads(archsim(*made, "--json", environment=plugged).out)
    words = ("--set", "workload.hidden_size=128", "--set", "workload.ffn_size=256")
    by_hand = json.loads(archsim(*RUN, *words, "--json", environment=plugged).out)
    assert result["macs"] == by_hand["macs"] > 0
    assert result["latency_s"] == by_hand["latency_s"]
    narrowed = ("--set", "workload.layers=1", "--json")
    less = json.loads(archsim(*made, *narrowed, environment=plugged).out)
    assert less["macs"] < result["macs"]
    assert "toy-wide" in archsim("model", "show", "toy-wide", environment=plugged).out
    shown = archsim("show", "toy-wide", environment=plugged).out
    assert "128" in shown


def test_our_mapper_runs_on_its_machine_and_is_no_slower(plugged):
    ours = json.loads(archsim(*RUN, "--json", environment=plugged).out)
    toy = json.loads(archsim(*RUN, "--mapper", "gemm=toy", "--json", environment=plugged).out)
    assert ours["mapper"]["gemm"] == "gemm"
    assert ours["latency_s"] <= toy["latency_s"]


def test_its_component_is_in_the_schema_and_its_keys_are_checked(plugged):
    schema = archsim("schema", "hardware", environment=plugged).out
    assert "toy-memory" in schema
    words = (*RUN, "--set", "hardware.components.store.ps_per_byte=0")
    done = archsim(*words, environment=plugged, code=2)
    assert done.err == (
        "archsim: --set: hardware.components.store.ps_per_byte: must be at least 1; given 0; "
        "allowed: a whole number from 1 to 2147483648\n"
    )


def test_its_mapper_says_what_does_not_fit(plugged):
    words = (*RUN, "--mapper", "gemm=toy", "--set", "hardware.components.buffer.capacity=2 KiB")
    done = archsim(*words, "--json", environment=plugged, code=3)
    assert json.loads(done.out)["infeasible"]["detail"] == "operands and result at once"


@pytest.mark.parametrize(
    ("old", "new", "words", "message"),
    [
        ("toy = ", "gemm = ", ["list", "mappers"], "mapper 'gemm' is declared twice"),
        ("toy-memory = ", "sram = ", ["list", "components"], "component 'sram' is declared twice"),
    ],
)
def test_a_duplicate_is_an_error(tmp_path, old, new, words, message):
    source = shutil.copytree(PACKAGE, tmp_path / "source")
    project = source / "pyproject.toml"
    text = project.read_text(encoding="utf-8").replace(old, new, 1)
    project.write_text(text, encoding="utf-8")
    install(source, tmp_path / "installed")
    environment = {"PYTHONPATH": str(tmp_path / "installed")}
    done = archsim(*words, environment=environment, code=2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_machine_under_a_taken_id_is_an_error(tmp_path):
    source = shutil.copytree(PACKAGE, tmp_path / "source")
    folder = source / "archsim_toy" / "machines"
    (folder / "toy-machine.yaml").rename(folder / "tpu-v4i.yaml")
    install(source, tmp_path / "installed")
    done = archsim(*RUN, environment={"PYTHONPATH": str(tmp_path / "installed")}, code=2)
    assert "hardware 'tpu-v4i' is defined twice" in done.err
    assert done.err.count("\n") == 1
