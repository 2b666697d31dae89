"""The commands ``validate``, ``bench`` and ``warmup``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from archsim.cli.output import (
    check_writable,
    json_text,
    print_error,
    print_json,
    print_report,
    print_text,
    write_file,
)
from archsim.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsim.mapping import Json
    from archsim.validation.suite import Suite

BAR_MISSED: Final = 4


def validate(
    name: str, data: Path | None, *, unseen: str | None, output: Path | None, as_json: bool
) -> int:
    """Run a validation suite and print its scores; return the exit code."""
    from archsim.registry import suites
    from archsim.validation.scoring import Scores
    from archsim.validation.suite import Suite

    check_writable(output)
    suite = suites.get(name)
    if not isinstance(suite, Suite):
        raise ConfigError("the plug-in is not a validation suite", given=name)
    if unseen is not None:
        suite = _without(suite, name, unseen)
    scores = Scores(name, suite.run(data))
    record = scores.to_json_object()
    if output is not None:
        write_file(output, json_text(record))
    if as_json:
        print_json(record)
    else:
        from archsim.report.scores import render_scores

        print_report(render_scores(record))
    if not scores.passed:
        missed = [str(bar["metric"]) for bar in scores.bars() if not bar["pass"]]
        print_error(f"suite '{name}' misses {len(missed)} bars: {', '.join(missed)}")
        return BAR_MISSED
    return 0


def _without(suite: Suite, name: str, unseen: str) -> Suite:
    """Return the suite that leaves out what was fitted to one device."""
    from archsim.validation.suite import Suite

    leave_out = getattr(suite, "without", None)
    found = leave_out(unseen) if callable(leave_out) else None
    if not isinstance(found, Suite):
        raise ConfigError(
            f"suite '{name}' has no fitted devices to leave out", path="--unseen", given=unseen
        )
    return found


def bench(name: str, *, as_json: bool) -> int:
    """Run a bench and print its numbers; return the exit code."""
    from archsim.registry import benches

    measure = benches.get(name)
    if not callable(measure):
        raise ConfigError("the plug-in is not a bench", given=name)
    record = cast("Callable[[], dict[str, Json]]", measure)()
    if as_json:
        print_json(record)
    else:
        from archsim.report.scores import render_bench

        print_report(render_bench(record))
    return 0


def warmup(*, as_json: bool) -> int:
    """Compile the kernels of engine and memories into their cache; return the exit code."""
    from archsim.dram.jit import compiled_drive
    from archsim.engine import warmup as compile_kernels

    compile_kernels()
    compiled_drive()
    if as_json:
        print_json({"warm": True})
    else:
        print_text("the engine's kernels are compiled and cached\n")
    return 0
