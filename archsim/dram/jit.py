"""The kernel compiled: lazily, once, on raw addresses, and kept on disk by numba.

Indexing a raw address costs no check for negative indices and needs no array descriptors in calls.
``NUMBA_DISABLE_JIT`` runs the same functions as plain Python on numpy arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol, cast

import numba
from numba.extending import intrinsic

from archsim.dram import (
    kernel_device,
    kernel_drive,
    kernel_plan,
    kernel_send,
    kernel_turn,
    layout,
)
from archsim.dram.layout import Memory

MODULES = (kernel_device, kernel_plan, kernel_turn, kernel_send, kernel_drive)
"""Modules of the kernel; a function calls only functions of its own or of earlier modules."""
NUM_MEMORIES = 9
"""Arguments of :func:`archsim.dram.kernel_drive.drive`."""

_POINTER = cast("Any", numba.types.CPointer)(numba.types.int64)
_OPTIONS: dict[str, Any] = {"nopython": True, "error_model": "numpy"}
_BARE: dict[str, Any] = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
"""Callees take addresses and are only called from compiled code."""


class _Builder(Protocol):
    """What is used of an LLVM instruction builder."""

    def gep(self, pointer: object, indices: list[object]) -> object:
        """Return the address of an element."""


def _shifted(
    context: object, memory: Callable[[object, object], object], by: object
) -> tuple[object, Callable[..., object]]:
    """Tell numba what :func:`archsim.dram.layout.shifted` is: the address some elements on."""
    del context

    def generate(
        context: object, builder: _Builder, signature: object, arguments: list[object]
    ) -> object:
        del context, signature
        return builder.gep(arguments[0], [arguments[1]])

    return memory(memory, by), generate


def _newest_source() -> str:
    """File of the kernel that changed last; numba looks at one file only to tell stale code."""
    files = [str(module.__file__) for module in (*MODULES, layout)]
    return max(files, key=lambda name: Path(name).stat().st_mtime_ns)


def _linked() -> FunctionType:
    """Return a copy of the entry point whose callees are compiled copies."""
    source = _newest_source()
    space: dict[str, object] = {"__name__": kernel_drive.__name__, "at": layout}
    space["shifted"] = cast("Any", intrinsic)(_shifted)
    entry = kernel_drive.drive
    for module in MODULES:
        space |= {name: value for name, value in vars(module).items() if type(value) is int}
    own = [
        function
        for module in MODULES
        for function in vars(module).values()
        if isinstance(function, FunctionType) and function.__module__ == module.__name__
    ]

    def twin(plain: FunctionType) -> FunctionType:
        made = FunctionType(plain.__code__.replace(co_filename=source), space, plain.__name__)
        made.__module__, made.__qualname__ = plain.__module__, plain.__qualname__
        return made

    for function in own:
        if function is not entry:
            space[function.__name__] = numba.jit(twin(function), **_OPTIONS, **_BARE)
    return twin(cast("FunctionType", entry))


@cache
def compiled_drive() -> Callable[..., int]:
    """Return the kernel's entry point, compiling it or loading it from disk."""
    if cast("Any", numba.config).DISABLE_JIT:
        return kernel_drive.drive
    signature = numba.types.int64(*[_POINTER] * NUM_MEMORIES)
    entry = _linked()
    try:
        made: Any = numba.cfunc(signature, cache=True, **_OPTIONS)(entry)
    except RuntimeError:
        # numba found no folder that it can write to.
        made = numba.cfunc(signature, **_OPTIONS)(entry)
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * NUM_MEMORIES)(int(made.address))

    def run(*memories: Memory) -> int:
        return int(call(*(memory.ctypes.data for memory in memories)))

    # The machine code lives as long as `made` does.
    run.__dict__["made"] = made
    return run
