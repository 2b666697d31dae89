"""The engine: exact times of a program, independent of its trip counts where it is regular.

`run_program` times a :class:`archsim.program.Program` in integer picoseconds and says what bounded
it; `interpret` is the plain reference it is tested against.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.engine.events_interpreter import EventInterpretation, interpret_events
    from archsim.engine.events_run import simulate_events
    from archsim.engine.events_timing import EventTiming
    from archsim.engine.interpreter import Interpretation, interpret
    from archsim.engine.retiming import Times, simulate_many
    from archsim.engine.run import run_program, warmup
    from archsim.engine.sensitivity import sensitivities
    from archsim.engine.timing import PathShare, Timing

_HOMES = {
    "EventInterpretation": "archsim.engine.events_interpreter",
    "EventTiming": "archsim.engine.events_timing",
    "Interpretation": "archsim.engine.interpreter",
    "PathShare": "archsim.engine.timing",
    "Times": "archsim.engine.retiming",
    "Timing": "archsim.engine.timing",
    "interpret": "archsim.engine.interpreter",
    "interpret_events": "archsim.engine.events_interpreter",
    "run_program": "archsim.engine.run",
    "sensitivities": "archsim.engine.sensitivity",
    "simulate_events": "archsim.engine.events_run",
    "simulate_many": "archsim.engine.retiming",
    "warmup": "archsim.engine.run",
}

__all__ = [
    "EventInterpretation",
    "EventTiming",
    "Interpretation",
    "PathShare",
    "Times",
    "Timing",
    "interpret",
    "interpret_events",
    "run_program",
    "sensitivities",
    "simulate_events",
    "simulate_many",
    "warmup",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
