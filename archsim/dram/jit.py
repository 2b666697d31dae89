"""Compiling the kernel: on first use, then kept on disk by numba."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the compiled form of a kernel function.

    numba decides by the file of a function whether its code on disk is stale, and does not look at
    the functions it calls; naming the newest kernel file for all of them makes every change count.
    """
    plain = cast("FunctionType", function)
    code = plain.__code__.replace(co_filename=_newest_source())
    twin = FunctionType(code, plain.__globals__, plain.__name__)
    twin.__module__ = plain.__module__
    twin.__qualname__ = plain.__qualname__
    twin.__doc__ = plain.__doc__
    return cast("Function", numba.njit(cache=True, nogil=True, error_model="numpy")(twin))


@cache
def _newest_source() -> str:
    folder = Path(__file__).parent
    files = [folder / "layout.py", *sorted(folder.glob("kernel_*.py"))]
    return str(max(files, key=lambda path: path.stat().st_mtime_ns))
