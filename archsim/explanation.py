"""Why a run takes as long as it does: what each parameter acts through, and what more would buy.

Continuous parameters are ranked from the run itself: each lengthens or shortens parts of the
critical path. Parameters that change the structure of the machine are changed and run again.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from archsim.engine.sensitivity import Share, reasons
from archsim.errors import ArchsimError, ConfigError
from archsim.results import WhatIf
from archsim.units import PS_PER_S, format_quantity

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json
    from archsim.request import RunRequest
    from archsim.results import Result
    from archsim.run_record import TimedPass

    Observer = Callable[[TimedPass], None]

STRUCTURAL: Final = ("rows", "columns", "lanes")
"""Counts of a component whose change gives another machine rather than a faster clock."""

FACTOR: Final = 2.0
"""What structural parameters are multiplied by."""


@dataclass(slots=True)
class Explanation:
    """What the parameters of a run act through.

    Attributes
    ----------
    acts_s
        Time on the critical path that grows (or, where negative, shrinks) in proportion to a
        parameter, s, by its dotted path and by resource and cause.
    refused
        Structural parameters that could not be changed, with the reason.
    notes
        What the engine noted about the programs: operations without back-pressure.
    machine
        Where it ran; None before a pass was seen.
    """

    acts_s: dict[str, dict[Share, float]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    machine: Machine | None = None

    def observe(self, seen: TimedPass) -> None:
        """Add a pass that was timed."""
        self.machine = seen.machine
        self.notes.update(dict.fromkeys(seen.timing.missing_back_pressure))
        value = seen.machine.value
        for path, parts in reasons(seen.timing.program, seen.timing, value).items():
            scale = value(path) / PS_PER_S
            acts = self.acts_s.setdefault(path, {})
            for share, slope in parts.items():
                acts[share] = acts.get(share, 0.0) + slope * scale


def explain(
    request: RunRequest,
    progress: Callable[[int, int], None] | None = None,
    observe: Observer | None = None,
) -> tuple[Result, Explanation]:
    """Run a request and say what would make it faster, and why.

    Parameters
    ----------
    request
        What to run, on the ``tile`` rung.
    progress
        Called with the passes through the model that are done, and how many there are.
    observe
        Called with each pass of the run itself that the engine has timed.

    Returns
    -------
    Result, Explanation
        The result with `Result.what_if` filled in, and what its parameters act through.

    Raises
    ------
    ConfigError
        The rung asked for has no critical path.
    """
    request = request.resolved()

    def changed(path: str, text: str) -> Result:
        return dataclasses.replace(
            request, overrides=(*request.overrides, f"{path}={text}")
        ).simulate()

    def run(observe: Observer) -> Result:
        return request.simulate(progress, observe)

    return _explained(request.fidelity, run, changed, observe)


def explain_config(
    config: Mapping[str, Json],
    progress: Callable[[int, int], None] | None = None,
    observe: Observer | None = None,
) -> tuple[Result, Explanation]:
    """Run the resolved configuration that a result carries and explain it as `explain` does.

    Parameters
    ----------
    config
        What `Result.config` holds.
    progress, observe
        As for `explain`.

    Raises
    ------
    ConfigError
        The rung of the run has no critical path, or the configuration is not one.
    """
    from archsim.composition import simulate_config
    from archsim.run_config import part, value

    def changed(path: str, text: str) -> Result:
        return simulate_config(with_value(config, path, text))

    def run(observe: Observer) -> Result:
        return simulate_config(config, progress=progress, observe=observe)

    return _explained(value(part(config, "options"), "fidelity", str), run, changed, observe)


def with_value(config: Mapping[str, Json], path: str, text: str) -> dict[str, Json]:
    """Return a resolved configuration with the number or text at a dotted path replaced."""
    changed = copy.deepcopy(dict(config))
    *parents, last = path.split(".")
    place = changed
    for name in parents:
        place = cast("dict[str, Json]", place[name])
    place[last] = int(text) if text.isdecimal() else text
    return changed


def _explained(
    fidelity: str,
    run: Callable[[Observer], Result],
    changed: Callable[[str, str], Result],
    observe: Observer | None,
) -> tuple[Result, Explanation]:
    """Run once to see what it waits for, and once with each structural parameter changed."""
    if fidelity == "roofline":
        raise ConfigError("a bound has no critical path to explain", path="--explain")
    explanation = Explanation()

    def both(seen: TimedPass) -> None:
        explanation.observe(seen)
        if observe is not None:
            observe(seen)

    result = run(both)
    if explanation.machine is None or result.latency_s is None:
        return result, explanation
    found: dict[str, WhatIf] = {}
    for path, text in structural_changes(explanation.machine):
        try:
            after = changed(path, text)
        except ArchsimError as error:
            explanation.refused[path] = str(error)
            continue
        if after.infeasible is not None:
            explanation.refused[path] = f"{after.infeasible.resource} is too small then"
        elif after.latency_s:
            found[path] = WhatIf(FACTOR, result.latency_s / after.latency_s)
    return dataclasses.replace(result, what_if=found), explanation


def structural_changes(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the doubled value of every structural parameter of a machine."""
    for name, component in machine.components.items():
        root = f"hardware.components.{name}"
        for key in STRUCTURAL:
            value = getattr(component.config, key, None)
            if isinstance(value, int):
                yield f"{root}.{key}", str(round(FACTOR * value))
        capacity = component.capacity_bytes()
        if name in machine.levels and capacity is not None and not component.OFF_CHIP:
            yield f"{root}.capacity", format_quantity(FACTOR * capacity, "bytes")


def ranking(
    result: Result, acts_s: Mapping[str, Mapping[Share, float]]
) -> list[tuple[str, float, list[tuple[Share, float]]]]:
    """Return the parameters by what a small improvement gains, with what they act through.

    Returns
    -------
    list
        Dotted path, elasticity, and the shares of the latency by resource and cause, largest
        first. Where the shares sum to more than the elasticity, another limit ties.
    """
    latency_s = result.latency_s or 1.0
    ranked = []
    for path, parts in acts_s.items():
        shares = [(share, abs(seconds) / latency_s) for share, seconds in parts.items()]
        shares.sort(key=lambda item: (-item[1], item[0]))
        ranked.append((path, result.sensitivities.get(path, 0.0), shares))
    return sorted(ranked, key=lambda item: (-item[1], item[0]))
