"""CENT's published time per block and token, followed over context lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from archsim.validation.suite import Item
from archsim.validation.table import read_table

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = ("system", "figure", "model", "case", "metric", "value")
METRIC: Final = "pim_latency_ms_per_block"
_CASE = re.compile(r"ch/block=(?P<channels>\d+) L=(?P<tokens>\d+)")


def published_items(path: Path) -> Iterator[Item | str]:
    """Score the rows of a table of published results that a model here follows.

    Rows of other figures are counted with the reason that they are claims or not modelled.
    """
    from archsim.pim.cent import BLOCKS
    from archsim.pim.cent_block import block_parts_ns
    from archsim.pim.device import load_device

    device = load_device("aim", ["hardware.controller.refresh=none"])

    for row in read_table(path, COLUMNS):
        case, model = row.text("case"), row.text("model")
        found = _CASE.search(case)
        if row.text("system") != "CENT" or row.text("metric") != METRIC:
            yield "a published figure that is not a time per block and token"
        elif found is None or model not in BLOCKS or "TP=1 " not in case:
            yield "a block that is split over devices, or an unknown model"
        else:
            tokens, channels = int(found["tokens"]), int(found["channels"])
            parts = block_parts_ns(device, BLOCKS[model], tokens, channels)
            predicted = sum(parts.values()) * 1e-6
            by = {"simulator": "cent", "kind": "block", "level": "bank"}
            yield Item(f"CENT {model} {case}", METRIC, "ms", predicted, row.number("value"), by)
