"""The event kernel compiled, by the same means and with the same exactness as the engine's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import cast

from archsim.engine import compiled, events_folding, events_kernel, events_layout
from archsim.engine.layout import Memory

Advance = Callable[[Memory, Memory], int]

CALLEES_FIRST = (
    events_folding.relative,
    events_folding.phase_of,
    events_folding.equals_snapshot,
    events_folding.snapshot,
    events_folding.jump,
    events_folding.recur,
    events_kernel.push,
    events_kernel.pop,
    events_kernel.await_time,
    events_kernel.start,
    events_kernel.wake,
    events_kernel.become_ready,
    events_kernel.bear,
    events_kernel.retire,
    events_kernel.pick,
    events_kernel.pass_turn,
    events_kernel.next_open,
    events_kernel.serve,
    events_kernel.happen,
)
"""Every function that `archsim.engine.events_kernel.advance` needs, after those that it calls."""


def linked_advance(compile_callee: Callable[[FunctionType], object]) -> FunctionType:
    """Return a copy of `archsim.engine.events_kernel.advance` that calls compiled functions.

    Parameters
    ----------
    compile_callee : callable
        Given a function, returns what stands for it when the copy is compiled.
    """
    modules = (events_layout, events_folding, events_kernel)
    entry = cast("FunctionType", events_kernel.advance)
    return compiled.linked(entry, CALLEES_FIRST, modules, compile_callee)


@cache
def compiled_advance() -> Advance:
    """Return the compiled `archsim.engine.events_kernel.advance`, compiling or loading it.

    It works on ``array("q")`` only and releases the interpreter lock while it runs.
    """
    if compiled.is_disabled():
        return events_kernel.advance
    return compiled.machine_code(linked_advance, 2)


def is_loaded() -> bool:
    """Whether the compiled event kernel was already used in this process."""
    return compiled_advance.cache_info().currsize > 0
