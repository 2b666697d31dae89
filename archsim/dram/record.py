"""The record of a memory run: what ``archsim dram run --json`` prints, and its command file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import archsim
from archsim.config.hashing import content_hash
from archsim.dram.limits import pattern_limits
from archsim.dram.patterns import parse_patterns
from archsim.dram.statistics import statistics
from archsim.errors import SimulationError

if TYPE_CHECKING:
    from archsim.dram.memory import Memory
    from archsim.dram.run import DramRun

ALL_WRITES = 100
SCHEMA_VERSION = 1
"""Version of the record's form."""


def run_record(
    memory: Memory, run: DramRun, *, pattern: str | None = None, trace: Path | None = None
) -> dict[str, object]:
    """Return the record of a run: the keys of every run, the memory's own, and what was run."""
    config: dict[str, object] = {
        "hardware": memory.document.data,
        "options": {
            key: value
            for key, value in (
                ("pattern", pattern),
                ("trace-in", None if trace is None else trace.name),
            )
            if value is not None
        },
    }
    return {
        "schema_version": SCHEMA_VERSION,
        **statistics(memory, run),
        "limits": _limits(memory, pattern),
        "assumptions": _assumptions(memory),
        "fidelity": {"requested": "command", "used": {"memory": "command"}},
        "config": config,
        "config_hash": content_hash(config),
        "version": archsim.__version__,
    }


def _limits(memory: Memory, pattern: str | None) -> list[dict[str, object]]:
    """Return the closed forms that bound a pattern, each once."""
    if pattern is None:
        return []
    found = {
        limit.name: {
            "name": limit.name,
            "value": limit.value,
            "unit": limit.unit,
            "formula": limit.formula,
        }
        for part in parse_patterns(pattern)
        for limit in pattern_limits(
            memory.standard, part.kind, write=part.write_percent == ALL_WRITES
        )
    }
    return list(found.values())


def _assumptions(memory: Memory) -> list[str]:
    controller = memory.controller
    found = []
    if controller.refresh == "none":
        found.append("cells are never refreshed")
    if controller.posted_writes:
        found.append("a write is answered when it is accepted")
    elif memory.standard.energy is not None:
        found.append("a write is complete when its command issues")
    return found


def command_file(memory: Memory, run: DramRun) -> str:
    """Return the text of a command file: a header that names the standard, a line per command.

    Raises
    ------
    SimulationError
        The run kept no commands.
    """
    if run.commands is None:
        raise SimulationError("the run kept no commands")
    standard = memory.standard
    levels = ",".join(level.name for level in standard.levels[1:])
    header = f"# archsim dram commands: standard={standard.name} ticks_per_clock="
    header += f"{standard.ticks_per_clock} levels={levels} channels={memory.channels}\n"
    return header + run.commands.lines(standard, channels=memory.channels > 1)
