"""The wheel: complete, without tests, runs from anywhere, writes nothing where it is installed."""

from __future__ import annotations

import email
import json
import re
import shutil
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.contract.command import archsim, process
from tests.contract.source import PACKAGES, ROOT

MAX_INSTALL_BYTES = 450 * 10**6
RUN = ("run", "array128-hbm2e", "llama3.2-1b", "--phase", "decode", "--context", "128", "--json")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a copy of the tree, in which building leaves its marks."""
    folder = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "rtl_ref").mkdir()
    (folder / "rtl_ref" / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """Return the wheel, built without a registry."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    process([*pip, *options, str(source)])
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return interpreter and packages of a fresh environment: the wheel, and our dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    process([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python, site


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_packages_and_nothing_else(source, wheel):
    names = names_in(wheel)
    tops = {name.partition("/")[0] for name in names}
    assert tops - {name for name in tops if name.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
        for pattern in ("*.py", "*.yaml"):
            for path in (source / package).rglob(pattern):
                assert path.relative_to(source).as_posix() in names


def test_the_wheel_says_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (item for item in archive.namelist() if item.endswith("dist-info/METADATA"))
        record = email.message_from_bytes(archive.read(name))
        licences = [item for item in archive.namelist() if item.endswith("/LICENSE")]
    assert record["Name"] == "archsim"
    assert record["License-Expression"] == "Apache-2.0"
    assert len(licences) == 1


def test_it_runs_from_another_folder(installed, tmp_path):
    python, site = installed
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    where = "import archsim, workloads; print(archsim.__file__, workloads.__file__)"
    done = process([str(python), "-c", where], folder=tmp_path)
    assert [Path(text).parent.parent for text in done.out.split()] == [site, site]
    for kind in ("hardware", "models", "mappers", "components", "suites", "benches"):
        here = archsim("list", kind, folder=ROOT).out
        assert archsim("list", kind, python=python, folder=tmp_path).out == here
    for kind in ("hardware", "workload", "claims", "result"):
        schema = archsim("schema", kind, python=python, folder=tmp_path).out
        assert "$schema" in json.loads(schema)
    done = archsim(*RUN, python=python, folder=tmp_path, environment=environment)
    assert done.out == archsim(*RUN, folder=tmp_path, environment=environment).out


def test_it_runs_where_nothing_can_be_written(installed, tmp_path):
    python, site = installed
    for package in PACKAGES:
        for folder in [path.parent for path in (site / package).rglob("*.py")]:
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            (folder / "__pycache__").touch()  # a file: not even root makes a folder of it
    before = sorted(site.rglob("*"))
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    result = archsim(*RUN, python=python, folder=tmp_path, environment=environment)
    assert json.loads(result.out)["feasible"]
    archsim("warmup", python=python, folder=tmp_path, environment=environment)
    assert sorted(site.rglob("*")) == before
    assert list((tmp_path / "cache").rglob("*.nbi")) != []


@pytest.mark.slow
def test_the_core_install_is_small():
    needed, pending = set(), ["archsim"]
    while pending:
        name = re.split(r"[^A-Za-z0-9._-]", pending.pop(), maxsplit=1)[0]
        if name.lower() in needed:
            continue
        needed.add(name.lower())
        for requirement in metadata.requires(name) or []:
            wanted, _, marker = requirement.partition(";")
            if "extra" not in marker and is_installed(wanted):
                pending.append(wanted)
    files = {
        Path(str(file.locate())).resolve()
        for name in needed - {"archsim"}
        for file in metadata.files(name) or []
    }
    files |= {path for package in PACKAGES for path in (ROOT / package).rglob("*")}
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert {"numpy", "numba", "llvmlite", "pydantic", "matplotlib", "networkx"} <= needed
    assert size <= MAX_INSTALL_BYTES


def is_installed(requirement):
    """Return whether a requirement is there: those of other platforms are not."""
    try:
        metadata.version(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return False
    return True
