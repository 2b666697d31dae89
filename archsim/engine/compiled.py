"""The kernel compiled: lazily, once, from the same source that runs as plain Python.

Compiled code is kept on disk by numba beside the source, or, where that cannot be written, in the
user's cache folder; ``NUMBA_CACHE_DIR`` overrides both.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import cast

from archsim.engine import folding, kernel, layout

Advance = Callable[[object, object, object], int]

CALLEES_FIRST = (
    kernel.run_plain,
    kernel.hold_all,
    folding.forget,
    folding.prove,
    kernel.run_recorded,
    folding.snapshot,
    folding.resources_match,
    folding.matches,
    folding.keep_latest,
    folding.back_off,
    folding.guess,
    folding.jump,
    folding.conclude,
    folding.search,
    kernel.enter,
    kernel.advance,
)
"""Every function of the kernel, each after those that it calls."""


def _newest_source() -> str:
    """File of the kernel that changed last.

    numba decides by the file of a function whether its cached code is stale, and does not look at
    the functions it calls; naming the newest file for all of them makes every change count.
    """
    files = [inspect.getsourcefile(module) for module in (layout, folding, kernel)]
    return max((name for name in files if name), key=lambda name: Path(name).stat().st_mtime_ns)


@cache
def compiled_functions() -> dict[str, Callable[..., object]]:
    """Return the compiled functions of the kernel by name; nothing is compiled before a call."""
    import numba

    source = _newest_source()
    space: dict[str, object] = {**vars(layout), "__name__": kernel.__name__}
    made: dict[str, Callable[..., object]] = {}
    for function in CALLEES_FIRST:
        plain = cast("FunctionType", function)
        code = plain.__code__.replace(co_filename=source)
        twin = FunctionType(code, space, plain.__name__, plain.__defaults__)
        twin.__module__ = plain.__module__
        twin.__qualname__ = plain.__qualname__
        made[plain.__name__] = numba.njit(cache=True, nogil=True)(twin)
        space[plain.__name__] = made[plain.__name__]
    return made


def is_loaded() -> bool:
    """Whether the compiled kernel was already used in this process."""
    return compiled_functions.cache_info().currsize > 0


def compiled_advance() -> Advance:
    """Return the compiled `archsim.engine.kernel.advance`."""
    return cast("Advance", compiled_functions()["advance"])


def numba_is_imported() -> bool:
    """Whether numba was imported by anyone in this process."""
    return "numba" in sys.modules
