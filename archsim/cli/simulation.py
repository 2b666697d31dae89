"""The commands ``run`` and ``compare``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.cli.output import (
    check_writable,
    json_text,
    print_error,
    print_report,
    print_text,
    write_file,
)
from archsim.cli.progress import progress_bar
from archsim.errors import ConfigError
from archsim.request import RunRequest

if TYPE_CHECKING:
    from archsim.explanation import Explanation
    from archsim.results import Result
    from archsim.run_record import TimedPass
    from archsim.timeline_export import TimelineExport

    Report = Callable[[int, int], None]
    Observe = Callable[[TimedPass], None]

INFEASIBLE: Final = 3
MAX_RESULT_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a run as they were typed."""

    phase: str | None = None
    batch: int | None = None
    context: int | None = None
    new_tokens: int | None = None
    requests: str | None = None
    mapper: list[str] | None = None
    fidelity: str = "tile"
    fidelity_fallback: bool = False
    precision: str | None = None
    overrides: list[str] | None = None
    ignore_capacity: bool = False
    slack: float = 0.0
    seed: int = 0
    parallel: str = ""

    def request(self, hardware: str, model: str) -> RunRequest:
        """Return the run that they describe."""
        return RunRequest(
            hardware=hardware,
            model=model,
            phase=self.phase,
            batch=self.batch,
            context=self.context,
            new_tokens=self.new_tokens,
            load={} if self.requests is None else {"requests": self.requests},
            mapper=tuple(self.mapper or ()),
            fidelity=self.fidelity,
            fidelity_fallback=self.fidelity_fallback,
            precision=self.precision,
            overrides=tuple(self.overrides or ()),
            ignore_capacity=self.ignore_capacity,
            slack=self.slack,
            seed=self.seed,
            parallel=self.parallel,
        )


@dataclass(frozen=True, slots=True)
class Printing:
    """Where and how results are written, and what is written besides."""

    as_json: bool = False
    as_csv: bool = False
    output: Path | None = None
    explain: bool = False
    perfetto: Path | None = None
    window: str | None = None

    def check(self) -> None:
        """Refuse what cannot be done before any work is done for it."""
        if self.as_json and self.as_csv:
            raise ConfigError("choose one of --json and --csv")
        check_writable(self.output)
        check_writable(self.perfetto, "--perfetto")
        if self.window is not None and self.perfetto is None:
            raise ConfigError("is part of a timeline", path="--window", allowed="with --perfetto")

    def timeline(self) -> TimelineExport | None:
        """Return what collects the timeline, if one is wanted."""
        if self.perfetto is None:
            return None
        from archsim.timeline_export import TimelineExport, Window

        return TimelineExport(None if self.window is None else Window.parse(self.window))

    @property
    def saves_csv(self) -> bool:
        """Whether the saved file is CSV."""
        name = self.output.suffix.lower() if self.output is not None else ""
        return self.as_csv or (name == ".csv" and not self.as_json)


def run_once(hardware: str | None, model: str | None, chosen: Choices, printing: Printing) -> int:
    """Simulate and print one run; return the exit code."""
    if hardware is None or model is None:
        raise ConfigError(
            "a machine and a model are needed",
            given=hardware,
            allowed="archsim run HW MODEL, or archsim run --from RESULT.json",
        )
    printing.check()
    request = chosen.request(hardware, model)

    def explained(report: Report, observe: Observe | None) -> tuple[Result, Explanation]:
        from archsim.explanation import explain

        return explain(request, report, observe)

    return show(f"{hardware} · {model}", request.simulate, explained, printing)


def run_again(path: Path, names: Sequence[str | None], chosen: Choices, printing: Printing) -> int:
    """Simulate the resolved configuration of a saved result; return the exit code."""
    if any(name is not None for name in names) or chosen != Choices():
        raise ConfigError(
            "--from repeats a run as it was: it takes no machine, model or option",
            allowed="--json, --csv, -o, --explain, --perfetto and --window",
        )
    printing.check()
    config = read_result(path).config
    from archsim.composition import simulate_config

    def again(report: Report, observe: Observe | None) -> Result:
        return simulate_config(config, progress=report, observe=observe)

    def explained(report: Report, observe: Observe | None) -> tuple[Result, Explanation]:
        from archsim.explanation import explain_config

        return explain_config(config, report, observe)

    return show(str(path), again, explained, printing)


def show(
    title: str,
    simulate: Callable[[Report, Observe | None], Result],
    explained: Callable[[Report, Observe | None], tuple[Result, Explanation]],
    printing: Printing,
) -> int:
    """Run, explained if that is wanted, and write all that is; return the exit code."""
    timeline = printing.timeline()
    observe = None if timeline is None else timeline.observe
    explanation = None
    with progress_bar(title) as report:
        if printing.explain:
            result, explanation = explained(report, observe)
        else:
            result = simulate(report, observe)
    if timeline is not None and printing.perfetto is not None and result.feasible:
        write_file(printing.perfetto, timeline.text())
    return publish(result, printing, explanation)


def publish(result: Result, printing: Printing, explanation: Explanation | None = None) -> int:
    """Write one result where and how it is wanted; return the exit code."""
    if printing.output is not None:
        text = result.to_csv_row(header=True) if printing.saves_csv else result.to_json()
        write_file(printing.output, text)
    if printing.as_json:
        print_text(result.to_json())
    elif printing.as_csv:
        print_text(result.to_csv_row(header=True))
    else:
        from archsim.report.run import render_result

        print_report(render_result(result))
        if explanation is not None and result.feasible:
            from archsim.report.explanation import render_explanation

            print_report(render_explanation(result, explanation))
    bad = result.infeasible
    if bad is not None:
        from archsim.report.run import amount

        need, have = amount(bad.need, bad.unit), amount(bad.have, bad.unit)
        print_error(f"infeasible: {bad.resource} needs {need}, has {have}")
        return INFEASIBLE
    return 0


def compare(names: Sequence[str], chosen: Choices, printing: Printing) -> int:
    """Simulate one model on several machines, or with several mappers; return the exit code.

    Infeasible machines are rows of the table; only if none can run the model is the exit code that
    of an infeasible run.
    """
    from archsim.request import mapper_alternatives

    if len(names) < 2:
        raise ConfigError(
            "at least one machine and a model are needed",
            given=" ".join(names),
            allowed="archsim compare HW1 HW2 … MODEL",
        )
    printing.check()
    *machines, model = names
    results = []
    for machine in machines:
        for mapper in mapper_alternatives(chosen.mapper or ()):
            one = dataclasses.replace(chosen, mapper=mapper)
            with progress_bar(f"{machine} · {model}") as report:
                results.append(one.request(machine, model).simulate(report))
    from archsim.results import csv_table

    data = {"results": [result.to_json_object() for result in results]}
    if printing.output is not None:
        write_file(printing.output, csv_table(results) if printing.saves_csv else json_text(data))
    if printing.as_json:
        print_text(json_text(data))
    elif printing.as_csv:
        print_text(csv_table(results))
    else:
        from archsim.report.comparison import render_comparison

        print_report(render_comparison(results))
    return 0 if any(result.feasible for result in results) else INFEASIBLE


def read_result(path: Path) -> Result:
    """Read a saved result.

    Raises
    ------
    ConfigError
        There is no such file, or it is not a result.
    """
    from archsim.results import Result

    if not path.is_file():
        raise ConfigError("there is no such file", given=str(path))
    if path.stat().st_size > MAX_RESULT_BYTES:
        raise ConfigError(
            "the file is too large", given=str(path), allowed=f"at most {MAX_RESULT_BYTES} bytes"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", given=str(path)) from None
    return Result.from_json(text)
