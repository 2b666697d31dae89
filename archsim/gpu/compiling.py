"""Compile a kernel, kept on disk where that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import njit

Kernel = Callable[..., Any]
"""A compiled function."""


def compiled(function: Callable[..., Any]) -> Kernel:
    """Return a function compiled by numba at its first call.

    The code is kept beside the source or in the user's cache folder; where neither can be written
    it is compiled in every process. Floating-point rules stay strict, so that every machine gives
    the same bits.
    """
    try:
        return cast("Kernel", njit(cache=True)(function))
    except RuntimeError:
        return cast("Kernel", njit()(function))
