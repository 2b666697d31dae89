"""Rows of a table of published results, predicted by systems: no setting belongs to one row.

A row's system, figure, case and metric say what to run; rows whose case says too little are counted
with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.validation.pim_rows_duplex import predict_duplex
from archsim.validation.suite import Bar, Item, Outcome
from archsim.validation.table import read_table

if TYPE_CHECKING:
    from archsim.pim.systems_step import Step

BARRED: Final = ("latency_s", "tokens_per_s", "energy_per_token_mJ", "power_W", "queries_per_min")
LIMIT_PERCENT: Final = 10.0
"""No row of these metrics may be further off."""
COLUMNS: Final = ("system", "figure", "model", "case", "metric", "value")
GAP: Final = 128
"""Tokens between the lengths whose mean CENT's table has (read: run_sim.py, seqlen_gap)."""
PHASES: Final = {"prefill": (0, 512), "decoding": (512, 4096), "end2end": (0, 4096)}
"""First token, exclusive, and last of each phase: 512 prompt and 3584 new tokens."""
_TABLE = re.compile(r"(?P<devices>\d+) dev; PP=(?P<stages>\d+) TP=\d+; (?P<phase>\w+)")
_QUERIES = re.compile(r"CENT (?P<devices>\d+) dev PP=(?P<stages>\d+)$")
_PARTS = re.compile(r"PP=(?P<stages>\d+)( TP=(?P<tensor>\d+))?$")
_ACTIVE: Final = ("projections", "attention", "ffn", "vectors")


@lru_cache(maxsize=256)
def cent_steps(model: str, devices: int, stages: int, phase: str) -> tuple[Step, ...]:
    """Return the steps of one token at the lengths of a phase.

    Parameters
    ----------
    model
        Llama2-7B, Llama2-13B or Llama2-70B.
    devices, stages
        CXL devices and pipeline stages.
    phase
        Of :data:`PHASES`.
    """
    from archsim.pim.systems_file import load_system
    from archsim.pim.systems_model import find_model
    from archsim.pim.systems_step import step

    system, _ = load_system("cent", (f"hardware.stages={stages}", f"hardware.pim.stacks={devices}"))
    served = find_model(model.lower())
    first, last = PHASES[phase]
    lengths = range(first + GAP, last + 1, GAP)
    return tuple(step(system, served, np.array([tokens])) for tokens in lengths)


def cent_numbers(model: str, devices: int, stages: int, phase: str) -> dict[str, float]:
    """Return what CENT's tables have of a phase, as they define it.

    ``tokens_per_s`` is the mean of rates, not the rate of the mean; power is energy over the time
    in which the channels compute; energy leaves standby out, as theirs (nearly) does.
    """
    steps = cent_steps(model, devices, stages, phase)
    first, last = PHASES[phase]
    active = [sum(one.parts_s[name] for name in _ACTIVE) for one in steps]
    joules = [sum(one.energy_j.values()) for one in steps]
    mean_s = fmean(one.latency_s for one in steps)
    tokens = last - first
    power = [each * stages / seconds for each, seconds in zip(joules, active, strict=True)]
    return {
        "latency_s": mean_s * tokens,
        "tokens_per_s": fmean(one.tokens_per_s for one in steps),
        "energy_per_token_mJ": 1e3 * fmean(joules),
        "power_W": fmean(power),
        "queries_per_min": 60 * fmean(one.tokens_per_s for one in steps) / tokens,
        "pim_latency_min": fmean(active) * tokens / 60,
        "acc_latency_min": fmean(one.parts_s["elementwise"] for one in steps) * tokens / 60,
    }


DEVICES: Final = {"Llama2-7B": 8, "Llama2-13B": 20, "Llama2-70B": 32}
"""CXL devices of each model (read)."""
LAYERS: Final = {"Llama2-7B": 32, "Llama2-13B": 40, "Llama2-70B": 80}


def predict(figure: str, model: str, case: str, metric: str) -> float | str:
    """Return our number for a row of CENT, or why there is none.

    Parameters
    ----------
    figure, model, case, metric
        Cells of the row.
    """
    if model not in DEVICES:
        return "a mean over models, or another model"
    stages, devices, phase = LAYERS[model], DEVICES[model], "end2end"
    table, queries = _TABLE.match(case), _QUERIES.match(case)
    parts = _PARTS.match(case) if figure == "Fig.14c" else None
    if table is not None:
        devices, stages, phase = int(table["devices"]), int(table["stages"]), table["phase"]
    elif queries is not None:
        devices, stages = int(queries["devices"]), int(queries["stages"])
    elif parts is not None:
        stages = int(parts["stages"])
    elif figure == "Fig.15a" and case.startswith("CENT "):
        phase = case.removeprefix("CENT ")
    else:
        return "compared with a GPU, or measured on one"
    if phase not in PHASES:
        return "an unknown phase"
    found = cent_numbers(model, devices, stages, phase)
    return found.get(metric, "a metric that no system here has")


_AGAINST: Final = re.compile(r"(?P<phase>prefill|decode|end2end); CENT/GPU tokens/s")
_MEASURED: Final = re.compile(r"A100 80GB vLLM batch 128 (?P<phase>prefill|decoding|end2end)")


def over_gpu(model: str, case: str, gpus: dict[tuple[str, str], float]) -> float | str:
    """Return the rate of all layers in stages over that of the GPU which the table has measured.

    Parameters
    ----------
    model, case
        Cells of the row.
    gpus
        Measured tokens/s by model and phase.
    """
    found = _AGAINST.match(case)
    if found is None or model not in DEVICES:
        return "compared with a GPU otherwise, or measured on one"
    phase = found["phase"].replace("decode", "decoding")
    if (model, phase) not in gpus:
        return "compared with a GPU whose rate the table lacks"
    rates = cent_numbers(model, DEVICES[model], LAYERS[model], phase)
    return rates["tokens_per_s"] / gpus[model, phase]


def measured_gpus(path: Path) -> dict[tuple[str, str], float]:
    """Return the tokens/s of GPUs that a table has measured, by model and phase."""
    gpus = {}
    for row in read_table(path, COLUMNS):
        found = _MEASURED.match(row.text("case"))
        if found is not None and row.text("metric") == "tokens_per_s":
            gpus[row.text("model"), found["phase"]] = row.number("value")
    return gpus


def score_rows(path: Path) -> Outcome:
    """Predict every row of a table that says what to run.

    Parameters
    ----------
    path
        CSV with the columns of :data:`COLUMNS`.
    """
    items = []
    skipped: Counter[str] = Counter()
    cases = 0
    found: float | str
    gpus = measured_gpus(path)
    for row in read_table(path, COLUMNS):
        cases += 1
        system, figure, metric = row.text("system"), row.text("figure"), row.text("metric")
        if system == "Duplex":
            found = predict_duplex(figure, row.text("model"), row.text("case"), metric)
        elif system != "CENT":
            found = "judged as a claim, or not modelled"
        elif figure == "per-token sim":
            found = "scored by suite pim"
        elif figure == "Fig.13b":
            found = over_gpu(row.text("model"), row.text("case"), gpus)
        else:
            found = predict(figure, row.text("model"), row.text("case"), metric)
        if isinstance(found, str):
            skipped[found] += 1
            continue
        by = {"system": system, "figure": figure}
        name = f"{row.text('model')} {row.text('case')}"
        items.append(Item(name, metric, "", found, row.number("value"), by))
    present = {item.metric for item in items}
    return Outcome(
        cases=cases,
        items=items,
        skipped=skipped,
        bars=[Bar(metric, LIMIT_PERCENT) for metric in BARRED if metric in present],
        groupings=(("system",), ("figure",)),
    )
