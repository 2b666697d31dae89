"""Reads the ``cases.yaml`` of a block: parameters, sweeps, coverage bins, mutants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

Case = dict[str, Any]
"""One row of a sweep; its keys are the block's own."""


@dataclass(frozen=True, slots=True)
class Config:
    """One build of a block.

    Attributes
    ----------
    name
        Name within the block.
    parameters
        Verilog parameters of the top module.
    cases
        Directed sweep, each row checked against the law for equality.
    """

    name: str
    parameters: dict[str, int]
    cases: tuple[Case, ...]


def single_case(config: Config, index: int | None) -> Config:
    """Return the build with one of its cases alone, or as it is for None."""
    return config if index is None else replace(config, cases=(config.cases[index],))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A seeded fault: one text of one source replaced at build time.

    Attributes
    ----------
    name
        What is broken.
    file
        Source file, relative to the block.
    find, replace
        The text, which stands there exactly once, and what takes its place.
    config
        The build that must catch it.
    """

    name: str
    file: str
    find: str
    replace: str
    config: str


@dataclass(frozen=True, slots=True)
class Block:
    """A reference block as its ``cases.yaml`` describes it.

    Attributes
    ----------
    name, top, sources, law
        What it is called, its top module, its files, and the law of its cycles.
    configs, bins, mutants
        Builds with their cases, coverage bins, and seeded faults.
    signed
        Ports whose values are two's complement.
    names
        For a port that carries a code, what to call the values from 0 up.
    """

    name: str
    top: str
    sources: tuple[Path, ...]
    law: str
    configs: dict[str, Config]
    bins: tuple[str, ...]
    mutants: dict[str, Mutant]
    signed: tuple[str, ...] = ()
    names: dict[str, list[str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the block's files are."""
        return ROOT / self.name

    def case_names(self) -> dict[str, tuple[str, int]]:
        """Return the build and the index of each case by its name, ``build-number`` from 1."""
        return {
            f"{config.name}-{number + 1}": (config.name, number)
            for config in self.configs.values()
            for number in range(len(config.cases))
        }

    @property
    def num_cases(self) -> int:
        """Directed cases over all builds."""
        return sum(len(config.cases) for config in self.configs.values())


def block_names() -> tuple[str, ...]:
    """Return the names of all blocks."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("*/cases.yaml")))


def load_block(name: str) -> Block:
    """Read one block.

    Raises
    ------
    ValueError
        A case, a bin or a mutant is missing or names something that is not there.
    """
    folder = ROOT / name
    data = yaml.safe_load((folder / "cases.yaml").read_text(encoding="utf-8"))
    shared = data.get("parameters", {})
    configs = {
        key: Config(key, {**shared, **value.get("parameters", {})}, tuple(value["cases"]))
        for key, value in data["configs"].items()
    }
    mutants = {key: Mutant(name=key, **value) for key, value in data["mutants"].items()}
    for mutant in mutants.values():
        if mutant.config not in configs:
            raise ValueError(f"{name}: mutant {mutant.name} names no build: {mutant.config}")
    bins = tuple(data["bins"])
    if not (configs and mutants and bins and all(c.cases for c in configs.values())):
        raise ValueError(f"{name}: every block has cases, coverage bins and mutants")
    if len(set(bins)) < len(bins):
        raise ValueError(f"{name}: a coverage bin is listed twice")
    sources = tuple((folder / source).resolve() for source in data["sources"])
    shown = data.get("waves", {})
    return Block(
        *(name, data["top"], sources, data["law"], configs, bins, mutants),
        signed=tuple(shown.get("signed", ())),
        names=shown.get("names", {}),
    )
