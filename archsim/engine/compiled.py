"""The kernel compiled: lazily, once, from the same source that runs as plain Python.

The compiled kernel takes raw pointers: indexing one costs no check for negative indices, which
makes the pass more than twice as fast as on arrays and halves the time to compile (both measured).
It is kept on disk by numba beside the source or, where that cannot be written, in the user's cache
folder; ``NUMBA_CACHE_DIR`` overrides both. Without any of them it is compiled in every process.
"""

from __future__ import annotations

import ctypes
import inspect
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

from archsim.engine import folding, kernel, layout, recall, recurrence, summaries, walking

Advance = Callable[[layout.Memory, layout.Memory, layout.Memory], int]
Trace = Callable[[layout.Memory, layout.Memory, layout.Memory, layout.Memory, layout.Memory], int]

CALLEES_FIRST = (
    kernel.run_plain,
    kernel.hold_all,
    folding.forget,
    folding.catch_up,
    folding.prove,
    kernel.run_recorded,
    recurrence.floors,
    recurrence.earliest,
    recurrence.moved_alike,
    recurrence.recurs,
    summaries.trip_of,
    summaries.key_of_source,
    summaries.make_key,
    summaries.has_key,
    summaries.is_settled,
    summaries.write_effect,
    summaries.store,
    summaries.finish,
    folding.snapshot,
    folding.resources_match,
    folding.matches,
    folding.keep_latest,
    folding.back_off,
    folding.jump,
    folding.fits,
    folding.leap,
    folding.conclude,
    folding.record,
    folding.guess,
    folding.search,
    recall.look_up,
    recall.push_starts,
    recall.put_releases,
    recall.prepare,
    recall.refer_one,
    recall.refer,
    recall.apply,
    recall.recall,
    kernel.enter,
    kernel.leave,
)
"""Every function that `archsim.engine.kernel.advance` needs, each after those that it calls."""


WALK_CALLEES_FIRST = (
    walking.sort_by_op,
    walking.end_of,
    walking.find_copy,
    walking.simulated_row,
    walking.find_chain,
    walking.step_of,
    walking.distance,
    walking.crossing_head,
    walking.crossing_of,
    walking.new_record,
    walking.leave,
    walking.enter,
    walking.visit_of,
    walking.repeat,
    walking.follow,
    walking.count_edges,
)
"""The same for `archsim.engine.walking.trace`."""


def _newest_source(*modules: ModuleType) -> str:
    """File of a kernel that changed last.

    numba decides by the file of a function whether its cached code is stale, and does not look at
    the functions it calls; naming the newest file for all of them makes every change count.
    """
    files = [inspect.getsourcefile(module) for module in modules]
    return max((name for name in files if name), key=lambda name: Path(name).stat().st_mtime_ns)


def linked(
    entry: FunctionType,
    callees: tuple[object, ...],
    modules: tuple[ModuleType, ...],
    compile_callee: Callable[[FunctionType], object],
) -> FunctionType:
    """Return a copy of ``entry`` that calls compiled copies of ``callees``.

    Parameters
    ----------
    entry : function
        Called from outside.
    callees : tuple of function
        Everything that it calls, each after those that it calls itself.
    modules : tuple of module
        Where they stand; their integer constants are known to the copies.
    compile_callee : callable
        Given a function, returns what stands for it when the copy is compiled.
    """
    source = _newest_source(*modules)
    space: dict[str, object] = {"__name__": entry.__module__}
    for module in modules:
        space |= {name: value for name, value in vars(module).items() if type(value) is int}

    def twin(function: object) -> FunctionType:
        plain = cast("FunctionType", function)
        made = FunctionType(plain.__code__.replace(co_filename=source), space, plain.__name__)
        made.__module__ = plain.__module__
        made.__qualname__ = plain.__qualname__
        return made

    for function in callees:
        space[cast("FunctionType", function).__name__] = compile_callee(twin(function))
    return twin(entry)


def linked_advance(compile_callee: Callable[[FunctionType], object]) -> FunctionType:
    """Return a copy of `archsim.engine.kernel.advance` that calls compiled functions.

    Parameters
    ----------
    compile_callee : callable
        Given a function, returns what stands for it when the copy is compiled.
    """
    modules = (layout, recurrence, summaries, folding, recall, kernel)
    return linked(cast("FunctionType", kernel.advance), CALLEES_FIRST, modules, compile_callee)


def linked_trace(compile_callee: Callable[[FunctionType], object]) -> FunctionType:
    """Return the same for `archsim.engine.walking.trace`."""
    modules = (layout, walking)
    return linked(cast("FunctionType", walking.trace), WALK_CALLEES_FIRST, modules, compile_callee)


def machine_code(
    link: Callable[[Callable[[FunctionType], object]], FunctionType], num_arguments: int
) -> Callable[..., int]:
    """Compile an entry point, or load it, as a function of so many ``array("q")``.

    Parameters
    ----------
    link : callable
        Given what compiles a callee, returns the entry point linked with its callees.
    num_arguments : int
        Memories that it takes.
    """
    import numba

    options: dict[str, Any] = {"nopython": True, "error_model": "numpy"}
    # Callees take pointers and are only called from compiled code: no wrappers.
    bare: dict[str, Any] = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    pointer = cast("Any", numba.types.CPointer)(numba.types.int64)
    signature = numba.types.int64(*[pointer] * num_arguments)
    entry = link(lambda function: numba.jit(function, **options, **bare))
    try:
        made: Any = numba.cfunc(signature, cache=True, **options)(entry)
    except RuntimeError:
        # numba found no folder that it can write to.
        made = numba.cfunc(signature, **options)(entry)
    arguments = [ctypes.c_void_p] * num_arguments
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)(int(made.address))

    def run(*memories: layout.Memory) -> int:
        return int(call(*map(_address, memories)))

    # The machine code lives as long as `made` does.
    run.__dict__["made"] = made
    return run


def is_disabled() -> bool:
    """Whether ``NUMBA_DISABLE_JIT`` asks for plain Python."""
    import numba

    return bool(cast("Any", numba.config).DISABLE_JIT)


@cache
def compiled_advance() -> Advance:
    """Return the compiled `archsim.engine.kernel.advance`, compiling or loading it.

    It works on ``array("q")`` only and releases the interpreter lock while it runs.
    """
    return kernel.advance if is_disabled() else machine_code(linked_advance, 3)


@cache
def compiled_trace() -> Trace:
    """Return the compiled `archsim.engine.walking.trace`, compiling or loading it."""
    return walking.trace if is_disabled() else machine_code(linked_trace, 5)


def _address(values: layout.Memory) -> int:
    return cast("array[int]", values).buffer_info()[0]


def is_loaded() -> bool:
    """Whether the compiled kernel was already used in this process."""
    return compiled_advance.cache_info().currsize > 0


def is_trace_loaded() -> bool:
    """Whether the compiled walk was already used in this process."""
    return compiled_trace.cache_info().currsize > 0
