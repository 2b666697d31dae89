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
from types import FunctionType
from typing import Any, cast

from archsim.engine import folding, kernel, layout

Advance = Callable[[layout.Memory, layout.Memory, layout.Memory], int]

CALLEES_FIRST = (
    kernel.run_plain,
    kernel.hold_all,
    folding.forget,
    folding.catch_up,
    folding.prove,
    kernel.run_recorded,
    folding.snapshot,
    folding.resources_match,
    folding.matches,
    folding.keep_latest,
    folding.back_off,
    folding.jump,
    folding.conclude,
    folding.record,
    folding.guess,
    folding.search,
    kernel.enter,
)
"""Every function that `archsim.engine.kernel.advance` needs, each after those that it calls."""


def _newest_source() -> str:
    """File of the kernel that changed last.

    numba decides by the file of a function whether its cached code is stale, and does not look at
    the functions it calls; naming the newest file for all of them makes every change count.
    """
    files = [inspect.getsourcefile(module) for module in (layout, folding, kernel)]
    return max((name for name in files if name), key=lambda name: Path(name).stat().st_mtime_ns)


def linked_advance(compile_callee: Callable[[FunctionType], object]) -> FunctionType:
    """Return a copy of `archsim.engine.kernel.advance` that calls compiled functions.

    Parameters
    ----------
    compile_callee : callable
        Given a function, returns what stands for it when the copy is compiled.
    """
    source = _newest_source()
    space: dict[str, object] = {**vars(layout), "__name__": kernel.__name__}

    def twin(function: object) -> FunctionType:
        plain = cast("FunctionType", function)
        made = FunctionType(plain.__code__.replace(co_filename=source), space, plain.__name__)
        made.__module__ = plain.__module__
        made.__qualname__ = plain.__qualname__
        return made

    for function in CALLEES_FIRST:
        space[function.__name__] = compile_callee(twin(function))
    return twin(kernel.advance)


@cache
def compiled_advance() -> Advance:
    """Return the compiled `archsim.engine.kernel.advance`, compiling or loading it.

    It works on ``array("q")`` only and releases the interpreter lock while it runs.
    """
    import numba

    if cast("Any", numba.config).DISABLE_JIT:
        return kernel.advance
    options: dict[str, Any] = {"nopython": True, "error_model": "numpy"}
    # Callees take pointers and are only called from compiled code: no wrappers.
    bare: dict[str, Any] = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    pointer = cast("Any", numba.types.CPointer)(numba.types.int64)
    signature = numba.types.int64(pointer, pointer, pointer)
    entry = linked_advance(lambda function: numba.jit(function, **options, **bare))
    try:
        made: Any = numba.cfunc(signature, cache=True, **options)(entry)
    except RuntimeError:
        # numba found no folder that it can write to.
        made = numba.cfunc(signature, **options)(entry)
    address = ctypes.c_void_p
    call = ctypes.CFUNCTYPE(ctypes.c_int64, address, address, address)(int(made.address))

    def advance(mem: layout.Memory, log: layout.Memory, jumps: layout.Memory) -> int:
        return int(call(_address(mem), _address(log), _address(jumps)))

    # The machine code lives as long as `made` does.
    advance.__dict__["made"] = made
    return advance


def _address(values: layout.Memory) -> int:
    return cast("array[int]", values).buffer_info()[0]


def is_loaded() -> bool:
    """Whether the compiled kernel was already used in this process."""
    return compiled_advance.cache_info().currsize > 0
