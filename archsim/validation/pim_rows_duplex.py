"""Rows of Duplex's figures 8 and 14, predicted by its systems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from archsim.mapping import Json

EDAP: Final = re.compile(r"(?P<kind>Bank|BankGroup|Logic)-PIM Op/B=(?P<ops>\d+)")
RATIO: Final = re.compile(
    r"(?P<kind>Bank-PIM|Duplex) vs GPU; batch (?P<batch>\d+); \((?P<prompt>\d+),(?P<new>\d+)\)"
)
MEMORIES: Final = {"Bank": "duplex-bank", "BankGroup": "duplex-bankgroup", "Logic": "duplex"}
SYSTEMS: Final = {"Bank-PIM": "duplex-bank", "Duplex": "duplex"}
"""Bank-PIM without, Duplex with the extensions of the paper."""
MODELS: Final = {"Mixtral": ("mixtral-8x7b", 4), "Grok1": ("grok-1", 16), "GLaM": ("glam-143b", 8)}
"""Models and their devices (read)."""
ROWS, INNER = 16384, 4096
"""The product of figure 8."""


def predict_duplex(figure: str, model: str, case: str, metric: str) -> float | str:
    """Return our number for a row of Duplex, or why there is none.

    Parameters
    ----------
    figure, model, case, metric
        Cells of the row.
    """
    edap, ratio = EDAP.match(case), RATIO.match(case)
    if figure == "Fig.8" and edap is not None and metric == "EDAP_normalised_to_worst":
        found = {kind: energy_delay(kind, int(edap["ops"])) for kind in MEMORIES}
        return found[edap["kind"]] / max(found.values())
    if ratio is not None and metric == "throughput_ratio" and model in MODELS:
        name, devices = MODELS[model]
        shape = int(ratio["batch"]), int(ratio["prompt"]), int(ratio["new"])
        ours = rate(SYSTEMS[ratio["kind"]], name, devices, *shape)
        return ours / rate("duplex-gpu", name, devices, *shape)
    return "judged as a claim, or not modelled"


def energy_delay(kind: str, ops: int) -> float:
    """Return energy times delay of the product on one of the memories, J s; areas are left out."""
    from archsim.pim.systems_file import load_system
    from archsim.pim.systems_product import Product, product_record

    system, _ = load_system(MEMORIES[kind])
    return cast("float", product_record(system, Product(ROWS, INNER, ops))["energy_delay_js"])


def rate(system: str, model: str, devices: int, batch: int, prompt: int, new: int) -> float:
    """Return tokens/s of a system where requests join one by one."""
    from archsim.pim.systems_options import job_options
    from archsim.pim.systems_record import system_record

    sizes = [f"hardware.xpu.count={devices}"]
    if system != "duplex-gpu":
        sizes.append(f"hardware.pim.stacks={5 * devices}")
    job = job_options(batch=batch, context=prompt, new_tokens=new, continuous=True)
    record: dict[str, Json] = system_record(system, model, job, overrides=tuple(sizes))
    return cast("float", record["tokens_per_s"])
