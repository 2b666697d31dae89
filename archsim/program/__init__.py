"""Programs: loops of operations on resources, the only contract between mappers and the engine.

A :class:`Program` says *when* work may run and *on which resource*: nested loops of operations,
each of which holds resources for a time, has a latency, and waits for recent instances of other
operations. :class:`ProgramBuilder` writes one; ``archsim.engine`` times it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.program.builder import LoopRef, OpRef, ProgramBuilder, ResourceRef, affine, table
    from archsim.program.ir import CountKey, Program, Trip

_HOMES = {
    "ProgramBuilder": "archsim.program.builder",
    "OpRef": "archsim.program.builder",
    "LoopRef": "archsim.program.builder",
    "ResourceRef": "archsim.program.builder",
    "affine": "archsim.program.builder",
    "table": "archsim.program.builder",
    "Program": "archsim.program.ir",
    "Trip": "archsim.program.ir",
    "CountKey": "archsim.program.ir",
}

__all__ = [
    "CountKey",
    "LoopRef",
    "OpRef",
    "Program",
    "ProgramBuilder",
    "ResourceRef",
    "Trip",
    "affine",
    "table",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
