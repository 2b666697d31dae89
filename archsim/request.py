"""One run as its options describe it, on the command line and in claims alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.results import Result

FIDELITIES: Final = ("roofline", "tile")
"""Rungs that a run can ask for."""

BARE_CLASS: Final = "attention"
"""Mapper class that a bare ``--mapper ID`` means."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to simulate; None leaves a choice to the default of the workload or the machine.

    Attributes
    ----------
    hardware, model
        Registered id or path of a YAML file.
    phase
        ``prefill``, ``decode`` or ``generate``.
    batch, context, new_tokens
        Sequences, prompt or KV length in tokens, new tokens per sequence.
    mapper
        ``CLASS=ID`` choices; a bare ``ID`` sets the attention mapper.
    fidelity, fidelity_fallback
        Rung of the fidelity ladder, and whether a lower one may stand in where it is missing.
    precision
        Number formats, ``weights=int8,kv=fp8``.
    overrides
        Dotted overrides, ``hardware.components.dram.bandwidth=800 GB/s``.
    ignore_capacity
        Run although the workload does not fit.
    seed
        Seed of everything random.
    """

    hardware: str
    model: str
    phase: str | None = None
    batch: int | None = None
    context: int | None = None
    new_tokens: int | None = None
    mapper: Sequence[str] = ()
    fidelity: str = "tile"
    fidelity_fallback: bool = False
    precision: str | None = None
    overrides: Sequence[str] = ()
    ignore_capacity: bool = False
    seed: int = 0

    def simulate(self) -> Result:
        """Run it.

        Raises
        ------
        ArchsimError
            Anything wrong with the machine, the model or the options; a workload that does not fit
            is a result, not an error.
        """
        from archsim.composition import simulate

        return simulate(
            self.hardware,
            self.model,
            phase=self.phase,
            batch=self.batch,
            context=self.context,
            new_tokens=self.new_tokens,
            precision=self.precision,
            mapper=mapper_choices(self.mapper) or None,
            fidelity=self.fidelity,
            fidelity_fallback=self.fidelity_fallback,
            overrides=tuple(self.overrides),
            ignore_capacity=self.ignore_capacity,
            seed=self.seed,
        )


def mapper_choices(texts: Sequence[str]) -> dict[str, str]:
    """Return the mapper id of each class that ``CLASS=ID`` texts name.

    Raises
    ------
    ConfigError
        A text without a class or an id, or two ids for one class.
    """
    choices: dict[str, str] = {}
    for text in texts:
        mapper_class, equals, mapper = text.partition("=")
        if not equals:
            mapper_class, mapper = BARE_CLASS, text
        if not mapper_class or not mapper:
            raise ConfigError(
                "is not a mapper choice", path="--mapper", given=text, allowed="CLASS=ID or ID"
            )
        if choices.get(mapper_class, mapper) != mapper:
            raise ConfigError(
                f"names two mappers for the class '{mapper_class}'",
                path="--mapper",
                given=f"{choices[mapper_class]} and {mapper}",
            )
        choices[mapper_class] = mapper
    return choices
