"""What a text says of how tokens spread over experts: a word, loads, or a trace's file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from archsim.errors import WorkloadError
from workloads.routing_plan import Routing

PATH: Final = "options.routing"

_LOADS: Final = re.compile(r"\s*\d{1,10}(\s*,\s*\d{1,10})+\s*")
_FILE: Final = re.compile(r"(.+\.(?:csv|parquet))(?:@(\d{1,6}))?", re.IGNORECASE)


def routing_of(text: str, tokens: int) -> Routing:
    """Return the routing that a text stands for.

    Parameters
    ----------
    text
        ``uniform`` or ``balanced``; loads of the experts, ``5,3,0,8``; or a routing trace,
        ``FILE.csv`` or ``FILE.parquet@LAYER``: the loads that its first tokens have in that layer
        (0 if none is given).
    tokens
        Tokens of the pass.

    Raises
    ------
    ConfigError
        A bad trace, one that is too short, or without that layer.
    """
    if _LOADS.fullmatch(text):
        return tuple(int(part) for part in text.split(","))
    found = _FILE.fullmatch(text)
    if found is None:
        return text
    from workloads.traces.routing_files import read_routing

    trace = read_routing(Path(found[1]))
    layer = int(found[2] or 0)
    length, layers, _ = trace.choices.shape
    if layer >= layers:
        raise WorkloadError(
            "the trace has no such layer", path=PATH, given=layer, allowed=f"0 to {layers - 1}"
        )
    if length < tokens:
        raise WorkloadError(
            "the trace has fewer tokens than the pass", path=PATH, given=length, allowed=str(tokens)
        )
    return trace.loads(layer, 0, tokens, int(trace.choices[:, layer].max()) + 1)
