"""Cycle laws against the register-transfer reference blocks, measured in a simulator.

Every case of every block's ``cases.yaml`` is run in Icarus Verilog; the law that times machines
must give the very cycles that the block takes. The blocks belong to a source checkout and are not
part of an installed package.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError, NotRunError
from archsim.validation.suite import Bar, Item, Judgement, Outcome

if TYPE_CHECKING:
    from archsim.mapping import Json

CHECKOUT: Final = Path(__file__).resolve().parents[2]
"""Root of the source tree, if this is one."""

LAW_TEST: Final = r"\.law$"
"""The test of every bench that runs the directed cases."""

NOTES: Final = (
    "each block's law is the function that times machines; attn_tile and wrr_arb are predicted by "
    "the event kernel as well, every grant of their ports in order, with nothing recorded",
    "the benches also check every value bit for bit, under random stalls, and are themselves "
    "checked with seeded faults: pytest tests/rtl",
)


def load_blocks(root: Path) -> None:
    """Make the package of the reference blocks importable.

    Raises
    ------
    NotRunError
        There are none beside the package.
    """
    if not (root / "rtl_ref" / "__init__.py").is_file():
        raise NotRunError(
            "the register-transfer blocks are part of a source checkout only (folder rtl_ref)"
        )
    if importlib.util.find_spec("rtl_ref") is None:
        sys.path.append(str(root))


@dataclass(frozen=True, slots=True)
class RtlSuite:
    """Runs the directed cases of every reference block."""

    name: str = "rtl"
    title: str = "cycle laws against register-transfer blocks, cycle for cycle"
    root: Path = CHECKOUT

    def run(self, data: Path | None) -> Outcome:
        """Simulate every block and compare each case.

        Raises
        ------
        ConfigError
            Data were given: the cases belong to the blocks.
        NotRunError
            The blocks, cocotb or Icarus Verilog are missing; the message says what to install.
        """
        if data is not None:
            raise ConfigError("suite 'rtl' takes no data: its cases belong to the blocks")
        load_blocks(self.root)
        blocks = import_module("rtl_ref.harness.blocks")
        runner = import_module("rtl_ref.harness.runner")
        missing = runner.missing_tool()
        if missing is not None:
            raise NotRunError(f"suite 'rtl' was not run: {missing}")
        items: list[Item] = []
        details: list[Mapping[str, Json]] = []
        failures = 0
        with tempfile.TemporaryDirectory(prefix="archsim-rtl-") as folder:
            for name in blocks.block_names():
                block = blocks.load_block(name)
                before = len(items)
                for config in block.configs:
                    place = Path(folder) / name / config
                    outcome = runner.simulate(block, config, place, only=LAW_TEST)
                    if outcome.failures and not outcome.measured:
                        raise NotRunError(f"block {name} did not finish: {outcome.failures[0]}")
                    failures += len(outcome.failures)
                    items += _scored(name, config, outcome.measured)
                details.append(_summary(name, block.law, items[before:]))
        return Outcome(
            cases=len(items),
            items=items,
            bars=[Bar(metric="cycles", limit=0.0)],
            judgements=[Judgement("benches that failed", 0, float(failures), failures == 0)],
            groupings=[("block",)],
            details=details,
            notes=NOTES,
        )


def _scored(block: str, config: str, measured: Sequence[tuple[str, int, int]]) -> list[Item]:
    return [
        Item(
            case=f"{block} {config} {case}",
            metric="cycles",
            unit="cycles",
            predicted=float(law),
            reference=float(cycles),
            by={"block": block},
        )
        for case, law, cycles in measured
    ]


def _summary(block: str, law: str, items: Sequence[Item]) -> Mapping[str, Json]:
    """Return the line of a block: its cases and how many of them differ by a cycle or more."""
    wrong = sum(item.predicted != item.reference for item in items)
    return {
        "block": block,
        "cases": len(items),
        "cycles": int(sum(item.reference for item in items)),
        "mismatches": wrong,
        "law": law.removeprefix("archsim.components."),
    }


SUITE: Final = RtlSuite()
