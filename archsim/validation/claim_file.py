"""Claims: published or derived statements about a run, as YAML.

A file has the key ``cases``; each case names its source, what to run, a metric (restricted
arithmetic over ``run.`` and ``baseline.`` paths into the JSON of what ran) and what to expect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from archsim.config.document import Document, load_document
from archsim.config.schema import (
    ConfigModel,
    Fraction01,
    Identifier,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    validate_model,
)
from archsim.errors import ConfigError
from archsim.expression import Expression

Status = Literal["predicted", "calibrated", "quoted"]
Verdict = Literal["reproduced", "not-reproduced"]


class RunOptions(ConfigModel):
    """Options of a run, by the long names of the command line."""

    phase: str | None = None
    """prefill, decode or generate."""
    batch: PositiveInt | None = None
    """Sequences."""
    context: NonNegativeInt | None = None
    """Prompt length, or KV length before the new token, in tokens."""
    new_tokens: PositiveInt | None = Field(default=None, alias="new-tokens")
    """New tokens per sequence."""
    mapper: tuple[str, ...] = ()
    """CLASS=ID choices."""
    fidelity: str = "tile"
    """Rung of the fidelity ladder."""
    fidelity_fallback: bool = Field(default=False, alias="fidelity-fallback")
    """Whether a lower rung may stand in for a missing one."""
    precision: str | None = None
    """Number formats."""
    set: tuple[str, ...] = ()
    """Dotted overrides."""
    ignore_capacity: bool = Field(default=False, alias="ignore-capacity")
    """Run although the workload does not fit."""
    slack: Fraction01 = 0.0
    """Fraction of time that a mapper may give up to move fewer bytes."""
    seed: NonNegativeInt = 0
    """Seed of everything random."""
    slo: str | None = None
    """pim: longest time between tokens."""
    baseline: str | None = None
    """pim: system to compare with."""
    continuous: bool = False
    """pim: requests join and leave one by one, prompts beside decoding."""
    spread: str = "equal"
    """pim: equal prompts, or exponential ones."""
    op: str | None = None
    """pim: gemv or attention on a device, or product on a system, in place of a model."""
    columns: PositiveInt | None = None
    """pim, product: vectors."""
    side: str | None = None
    """pim, product: pim or xpu."""
    rows: PositiveInt | None = None
    """pim, gemv: rows of the matrix."""
    inner: PositiveInt | None = None
    """pim, gemv: elements of the vector."""
    tokens: PositiveInt | None = None
    """pim, attention: keys of each head."""
    head_size: PositiveInt | None = Field(alias="head-size", default=None)
    """pim, attention: elements of a key."""
    heads: PositiveInt | None = None
    """pim, attention: query heads."""
    kv_heads: PositiveInt | None = Field(alias="kv-heads", default=None)
    """pim, attention: key-value heads."""
    requests: PositiveInt | None = None
    """pim, attention: requests alike."""
    element_bytes: PositiveInt | None = Field(alias="element-bytes", default=None)
    """pim: bytes of an element."""


class ClaimRun(ConfigModel):
    """What to run: the command line's words."""

    command: Literal["run", "show", "serve", "dram", "pim"] = "run"
    """run simulates; show gives the facts of a model (parameters, bytes, MACs) without hardware."""
    hardware: str | None = None
    """Machine of a run: a registered id or a path."""
    config: str | None = None
    """Configuration file of serve, dram and pim."""
    model: str | None = None
    """Model: a registered id or a path."""
    pattern: str | None = None
    """Access pattern of dram."""
    options: RunOptions = RunOptions()
    """Options of the command."""

    @model_validator(mode="after")
    def _complete(self) -> ClaimRun:
        if self.command == "run" and (self.hardware is None or self.model is None):
            raise ValueError("command 'run' needs 'hardware' and 'model'")
        if self.command == "show" and self.model is None:
            raise ValueError("command 'show' needs 'model'")
        if self.command == "dram" and (self.config is None or self.pattern is None):
            raise ValueError("command 'dram' needs 'config' and 'pattern'")
        if self.command == "pim" and self.config is None:
            raise ValueError("command 'pim' needs 'config', a system or a device")
        if self.command == "pim" and (self.model is None) == (self.options.op is None):
            raise ValueError("command 'pim' needs a 'model' on a system, or 'op' on a device")
        return self

    def patched(self, patch: RunPatch) -> ClaimRun:
        """Return the run with other names and options; lists of options get longer."""
        given = patch.model_dump(exclude_unset=True, exclude={"options", "baseline"})
        options = self.options.model_dump(exclude_unset=True)
        for key in patch.options.model_fields_set:
            value = getattr(patch.options, key)
            options[key] = (*options.get(key, ()), *value) if isinstance(value, tuple) else value
        base = self.model_dump(exclude_unset=True, exclude={"options"})
        changed = RunOptions.model_validate(options)
        return ClaimRun.model_validate(base | given | {"options": changed})


class RunPatch(ConfigModel):
    """What one of several runs has of its own."""

    hardware: str | None = None
    """Machine of a run."""
    config: str | None = None
    """Configuration of serve, dram and pim."""
    model: str | None = None
    """Model."""
    options: RunOptions = RunOptions()
    """Options."""
    baseline: RunPatch | None = None
    """What the baseline has instead."""


class Expectation(ConfigModel):
    """A value with a tolerance, or bounds."""

    value: float | None = None
    """Published value."""
    tolerance_percent: NonNegativeFloat | None = None
    """Largest relative error that still reproduces the value; 0 means equal."""
    tolerance_abs: NonNegativeFloat | None = None
    """Largest absolute error, in the metric's unit."""
    min: float | None = None
    """Lower bound."""
    max: float | None = None
    """Upper bound."""

    @model_validator(mode="after")
    def _one_form(self) -> Expectation:
        tolerances = (self.tolerance_percent is not None) + (self.tolerance_abs is not None)
        bounds = self.min is not None or self.max is not None
        if self.value is None:
            if tolerances:
                raise ValueError("a tolerance needs 'value'")
            if not bounds:
                raise ValueError("needs 'value' with a tolerance, or 'min' or 'max'")
        elif bounds:
            raise ValueError("has both 'value' and a bound ('min', 'max')")
        elif tolerances > 1:
            raise ValueError("has both 'tolerance_percent' and 'tolerance_abs'")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'min' is more than 'max'")
        return self


class Claim(ConfigModel):
    """One statement, where it comes from and what we expect of ourselves."""

    id: Identifier
    """Stable name."""
    source: Annotated[str, Field(min_length=1)]
    """Paper and place, data sheet, measurement, or derivation."""
    statement: str = ""
    """The claim in words."""
    run: ClaimRun | None = None
    """What to run; a quoted claim may leave it out."""
    baseline: ClaimRun | None = None
    """A second run that the metric compares with."""
    over: tuple[tuple[RunPatch, ...], ...] = ()
    """Axes of several runs: of each axis one change after the other is made to run and baseline,
    and every combination of the axes is run."""
    reduce: Literal["mean", "geomean", "min", "max"] | None = None
    """One number of the metrics of several runs."""
    metric: str | None = None
    """Restricted arithmetic over run. and baseline. paths."""
    unit: str = ""
    """Unit of the metric."""
    expect: Expectation
    """What the source says."""
    status: Status = "predicted"
    """predicted: our model did not see it; calibrated: it did; quoted: printed, not simulated."""
    expected: Verdict = "reproduced"
    """What we say about ourselves today."""
    reason: str = ""
    """Why a claim is not reproduced."""

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        if self.expected == "not-reproduced" and not self.reason:
            raise ValueError("expected 'not-reproduced' needs a 'reason'")
        if self.status == "quoted":
            return self
        if self.run is None or self.metric is None:
            raise ValueError("a claim that is not 'quoted' needs 'run' and 'metric'")
        if bool(self.over) != (self.reduce is not None):
            raise ValueError("several runs ('over') need 'reduce', and only they")
        if self.expect.value is not None and (
            self.expect.tolerance_percent is None and self.expect.tolerance_abs is None
        ):
            raise ValueError("'value' needs 'tolerance_percent' or 'tolerance_abs'")
        try:
            names = sorted(Expression(self.metric).names())
        except ConfigError as error:
            raise ValueError(f"'metric' is not arithmetic: {error}") from None
        for name in names:
            root = name.partition(".")[0]
            if root not in ("run", "baseline") or (root == "baseline" and self.baseline is None):
                raise ValueError(
                    f"'metric' uses '{name}': paths start with 'run.'"
                    f"{' or' if self.baseline else ', as there is no'} 'baseline.'"
                )
        return self


class ClaimFile(ConfigModel):
    """A file of claims."""

    cases: tuple[Claim, ...]
    """The claims."""

    @model_validator(mode="after")
    def _distinct(self) -> ClaimFile:
        seen: set[str] = set()
        for claim in self.cases:
            if claim.id in seen:
                raise ValueError(f"two cases have the id '{claim.id}'")
            seen.add(claim.id)
        return self


def load_claims(path: Path) -> tuple[Document, ClaimFile]:
    """Read a file of claims.

    Raises
    ------
    ConfigError
        Anything wrong with it; the message names file and line.
    """
    document = load_document(path, kind="claims", sources=False)
    return document, check_claims(document)


def check_claims(document: Document) -> ClaimFile:
    """Validate a loaded document of claims."""
    try:
        return validate_model(ClaimFile, document.data, document, "claims")
    except ConfigError as error:
        raise error.at(location=document.location("claims")) from None
