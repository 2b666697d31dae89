"""Compile a kernel at its first call, kept on disk where that can be written.

Mappers of every machine are looked through before a run: whoever imports a law must not pay half a
second for the compiler that another machine needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any, cast

Kernel = Callable[..., Any]
"""A compiled function."""


class LazyKernel:
    """A function that numba compiles when it is first called.

    Parameters
    ----------
    py_func : function
        The plain function. Kernels that it calls are reached through its module, where they are
        replaced by their compiled form, since compiled code can call nothing else.
    options : bool
        Options of the compiler that only make the kernel faster: one that it does not know is left
        out.

    Notes
    -----
    The machine code is kept beside the source or in the user's cache folder; where neither can be
    written it is compiled in every process. Floating-point rules stay strict, so that every machine
    gives the same bits. Numba looks at one file to tell stale code, while a kernel holds what it
    calls and the constants that it imports: naming the newest file of the package makes every
    change count.
    """

    def __init__(self, py_func: FunctionType, **options: bool) -> None:
        self.py_func = py_func
        self.options = options

    @cached_property
    def dispatcher(self) -> Kernel:
        """The function that compiles for the types of its arguments and then calls."""
        from numba import njit
        from numba.core.options import DefaultOptions

        make = cast("Callable[..., Kernel]", njit)
        options = {name: on for name, on in self.options.items() if hasattr(DefaultOptions, name)}
        space = self.py_func.__globals__
        for name in self.py_func.__code__.co_names:
            callee = space.get(name)
            if isinstance(callee, LazyKernel):
                space[name] = callee.dispatcher
        try:
            return cast("Kernel", make(cache=True, **options)(self._stamped()))
        except RuntimeError:
            return cast("Kernel", make(**options)(self.py_func))

    def _stamped(self) -> FunctionType:
        """Return the function as if it stood in the newest file of its package."""
        plain = self.py_func
        files = Path(plain.__code__.co_filename).parent.glob("*.py")
        newest = max(files, key=lambda path: path.stat().st_mtime_ns, default=None)
        if newest is None:
            return plain
        code = plain.__code__.replace(co_filename=str(newest))
        made = FunctionType(code, plain.__globals__, plain.__name__, plain.__defaults__)
        made.__module__, made.__qualname__ = plain.__module__, plain.__qualname__
        return made

    def __call__(self, *arguments: object) -> object:
        """Call the compiled function."""
        return self.dispatcher(*arguments)


def compiled(function: Callable[..., Any]) -> Kernel:
    """Return a function compiled at its first call: see :class:`LazyKernel`."""
    return LazyKernel(cast("FunctionType", function))


def compiled_lean(function: Callable[..., Any]) -> Kernel:
    """Return a function compiled at its first call that neither makes nor keeps arrays.

    Arrays are then not counted as they pass from call to call, which makes kernels of many small
    functions several times as fast.
    """
    return LazyKernel(cast("FunctionType", function), _nrt=False)
