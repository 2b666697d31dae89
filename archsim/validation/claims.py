"""Claims of papers, data sheets and arithmetic, checked against runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import TYPE_CHECKING, Final, cast

from archsim.config.hashing import content_hash
from archsim.errors import ConfigError, Location, nearest
from archsim.expression import Expression
from archsim.request import RunRequest
from archsim.validation.claim_file import Claim, ClaimRun, RunPatch, load_claims
from archsim.validation.suite import PACKAGED, Item, Judgement, Outcome, data_files

if TYPE_CHECKING:
    from archsim.mapping import Json

QUOTED = "quoted, not simulated"
BOUND = "a bound, judged but without an error"


def execute(run: ClaimRun) -> Json:
    """Run what a claim asks for and return its JSON.

    Raises
    ------
    ArchsimError
        The run cannot be made.
    """
    options = run.options
    if run.command == "run":
        request = RunRequest(
            hardware=run.hardware or "",
            model=run.model or "",
            phase=options.phase,
            batch=options.batch,
            context=options.context,
            new_tokens=options.new_tokens,
            mapper=options.mapper,
            fidelity=options.fidelity,
            fidelity_fallback=options.fidelity_fallback,
            precision=options.precision,
            overrides=options.set,
            ignore_capacity=options.ignore_capacity,
            slack=options.slack,
            seed=options.seed,
        )
        return request.simulate().to_json_object()
    if run.command == "show":
        return model_facts(run)
    if run.command == "dram":
        return dram_numbers(run)
    if run.command == "pim":
        from archsim.validation.pim_runs import operation_numbers, system_numbers

        return operation_numbers(run) if run.model is None else system_numbers(run)
    raise ConfigError(
        "this command cannot be run yet", given=run.command, allowed="run, show, dram, pim"
    )


def dram_numbers(run: ClaimRun) -> Json:
    """Return what ``archsim dram run CONFIG --pattern PATTERN --json`` prints."""
    from archsim.dram.memory import load_memory
    from archsim.dram.record import run_record

    memory = load_memory(run.config or "", run.options.set)
    found = memory.run(memory.requests_of_pattern(run.pattern or ""))
    return cast("Json", run_record(memory, found, pattern=run.pattern))


def model_facts(run: ClaimRun) -> Json:
    """Return parameters, bytes and operation counts of a model, without a machine."""
    from workloads import load_workload, summarise
    from workloads.sizes import DEFAULT_CONTEXT

    options = run.options
    workload = load_workload(
        run.model or "",
        phase=options.phase or "prefill",
        batch=1 if options.batch is None else options.batch,
        context=DEFAULT_CONTEXT if options.context is None else options.context,
        new_tokens=1 if options.new_tokens is None else options.new_tokens,
        precision=options.precision or "",
        overrides=options.set,
    )
    return dict(summarise(workload))


def lookup(data: Mapping[str, Json], path: str) -> float:
    """Return the number at a dotted path of JSON objects; keys may contain dots themselves.

    Raises
    ------
    ConfigError
        There is no such path, or no number there; the nearest key is named.
    """
    current: Json = dict(data)
    rest = path
    while rest:
        if not isinstance(current, dict):
            break
        fitting = [key for key in current if rest == key or rest.startswith(key + ".")]
        if not fitting:
            word = rest.partition(".")[0]
            raise ConfigError(
                "no such path in the result",
                path=path,
                given=word,
                allowed=sorted(current),
                hint=nearest(word, current),
            )
        key = max(fitting, key=len)
        current, rest = current[key], rest[len(key) + 1 :]
    if rest or not isinstance(current, int | float):
        shown = "nothing (null)" if current is None else type(current).__name__
        raise ConfigError("is not a number in the result", path=path, given=shown)
    return float(current)


_REDUCE: Final[dict[str, Callable[[list[float]], float]]] = {
    "mean": fmean,
    "geomean": geometric_mean,
    "min": min,
    "max": max,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one claim came out.

    Attributes
    ----------
    claim
        The claim.
    value
        Our value of its metric; None if it was not simulated or has no value.
    holds
        Whether the value is what the source says; None for a quoted claim.
    note
        Why there is no value.
    """

    claim: Claim
    value: float | None
    holds: bool | None
    note: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the file states."""
        return self.holds is None or self.holds == (self.claim.expected == "reproduced")

    @property
    def text(self) -> str:
        """``reproduced``, ``not-reproduced`` or ``quoted``."""
        if self.holds is None:
            return "quoted"
        return "reproduced" if self.holds else "not-reproduced"

    def to_json(self) -> dict[str, Json]:
        """Return the record that reports print."""
        claim = self.claim
        expect = claim.expect
        stated = {
            "value": expect.value,
            "tolerance_percent": expect.tolerance_percent,
            "tolerance_abs": expect.tolerance_abs,
            "min": expect.min,
            "max": expect.max,
        }
        return {
            "id": claim.id,
            "statement": claim.statement,
            "source": claim.source,
            "unit": claim.unit,
            "metric": claim.metric,
            "value": self.value,
            "expect": {key: value for key, value in stated.items() if value is not None},
            "status": claim.status,
            "verdict": self.text,
            "expected": claim.expected,
            "as_expected": self.as_expected,
            "reason": claim.reason or self.note,
        }


def judge(claim: Claim, value: float) -> bool:
    """Return whether a value is what the claim's source says."""
    expect = claim.expect
    if expect.value is not None:
        error = abs(value - expect.value)
        if expect.tolerance_abs is not None:
            return error <= expect.tolerance_abs
        return error <= (expect.tolerance_percent or 0.0) / 100.0 * abs(expect.value)
    above = expect.min is None or value >= expect.min
    return above and (expect.max is None or value <= expect.max)


@dataclass
class ClaimsSuite:
    """Statements about runs, each with its source, tolerance and expected verdict.

    Attributes
    ----------
    execute
        Makes a run and returns its JSON.
    name, title
        Of the suite.
    folder
        Packaged folder of the files.
    notes
        What the report says below the claims.
    """

    execute: Callable[[ClaimRun], Json] = execute
    name: str = "claims"
    title: str = "published claims and closed forms against our runs"
    folder: str = "claims"
    notes: tuple[str, ...] = ()
    _made: dict[str, Json] = field(default_factory=dict, repr=False)

    def run(self, data: Path | None) -> Outcome:
        """Judge the packaged claims, or those of a YAML file or a folder of them."""
        files = data_files(
            data,
            suite=self.name,
            packaged=sorted((PACKAGED / self.folder).glob("*.yaml")),
            pattern="*.yaml",
            wanted="a YAML file with 'cases'",
        )
        verdicts: list[Verdict] = []
        for path in files:
            document, claims = load_claims(path)
            for index, claim in enumerate(claims.cases):
                place = document.location(f"claims.cases.{index}.metric")
                verdicts.append(self.verdict(claim, place))
        self._made.clear()
        return outcome_of(verdicts, self.notes)

    def verdict(self, claim: Claim, place: Location | None = None) -> Verdict:
        """Run one claim and judge it.

        Raises
        ------
        ArchsimError
            The run cannot be made, or the metric names a path that the result does not have.
        """
        if claim.status == "quoted" or claim.run is None or claim.metric is None:
            return Verdict(claim, None, None)
        values = []
        for patches in product(*claim.over):
            found = self._value(claim, patches, place)
            if isinstance(found, Verdict):
                return found
            values.append(found)
        value = _REDUCE[claim.reduce or "mean"](values)
        return Verdict(claim, value, judge(claim, value))

    def _value(
        self, claim: Claim, patches: tuple[RunPatch, ...], place: Location | None
    ) -> float | Verdict:
        """Return the metric of one run and its baseline, or the verdict if one does not fit."""
        assert claim.run is not None
        assert claim.metric is not None
        runs = {"run": claim.run}
        if claim.baseline is not None:
            runs["baseline"] = claim.baseline
        for patch in patches:
            runs["run"] = runs["run"].patched(patch)
            if "baseline" in runs:
                runs["baseline"] = runs["baseline"].patched(patch.baseline or patch)
        try:
            results = {name: self._json(run) for name, run in runs.items()}
            refused = [name for name in results if _is_infeasible(results[name])]
            metric = Expression(claim.metric)
            if refused and not all(".infeasible" in name for name in metric.names()):
                return Verdict(claim, None, False, f"the {refused[0]} does not fit its machine")
            return metric.evaluate(lambda name: lookup(results, name))
        except ConfigError as error:
            raise error.at(path=f"claims.cases.{claim.id}", location=place) from None

    def _json(self, run: ClaimRun) -> Json:
        key = content_hash(run.model_dump(mode="json"))
        if key not in self._made:
            self._made[key] = self.execute(run)
        return self._made[key]


def _is_infeasible(data: Json) -> bool:
    return isinstance(data, dict) and data.get("feasible") is False


def outcome_of(verdicts: list[Verdict], notes: tuple[str, ...] = ()) -> Outcome:
    """Turn verdicts into scored items, judgements and records."""
    items, judgements = [], []
    skipped: Counter[str] = Counter()
    for verdict in verdicts:
        claim, expect = verdict.claim, verdict.claim.expect
        if verdict.holds is None:
            skipped[QUOTED] += 1
            continue
        if verdict.value is None:
            skipped[verdict.note] += 1
        elif expect.value is None:
            skipped[BOUND] += 1
        else:
            by = {"status": claim.status}
            items.append(Item(claim.id, "value", claim.unit, verdict.value, expect.value, by))
        record = verdict.to_json()
        judgements.append(
            Judgement(
                metric=claim.id,
                limit=record["expect"],
                value=verdict.value,
                passed=verdict.as_expected,
                by={"status": claim.status, "expected": claim.expected},
            )
        )
    return Outcome(
        notes=notes,
        cases=len(verdicts),
        items=items,
        skipped=skipped,
        judgements=judgements,
        groupings=(("status",),),
        details=[verdict.to_json() for verdict in verdicts],
    )


SUITE = ClaimsSuite()
"""The suite, as the entry point names it."""
