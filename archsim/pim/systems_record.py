"""The record of a job on a system: what ``archsim pim system --json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final, cast

import archsim
from archsim.config.hashing import content_hash
from archsim.mapping import Infeasible
from archsim.pim.systems_asic import moved_bytes, row_hits
from archsim.pim.systems_file import load_system, without_pim
from archsim.pim.systems_model import find_model
from archsim.pim.systems_run import Job, Report, Served, serve

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.pim.systems_file import SystemConfig
    from archsim.pim.systems_model import ServedModel

SCHEMA_VERSION: Final = 1
"""Version of the record's form."""

WITHOUT_PIM: Final = "without-pim"
"""Baseline: the same processors with everything on them."""

ASSUMPTIONS: Final = (
    "prompts run on the processors at their compute efficiency, one after another",
    "requests make equally many tokens and stay together",
)
TOKEN_BY_TOKEN: Final = "prompts go through memory token by token, one request after another"
CONTINUOUS: Final = ("a request that ends is replaced in the next step; prompts are not cut",)


def system_record(
    name: str,
    model_name: str,
    job: Job,
    *,
    precision: str = "",
    overrides: tuple[str, ...] = (),
    baseline: str | None = None,
    report: Report | None = None,
) -> dict[str, Json]:
    """Run a job on a system, and on another one to compare it with; return the record.

    Parameters
    ----------
    name, model_name
        System and model: ids or YAML files.
    job
        What is served.
    precision
        ``weights=int8,kv=int8`` and the like; FP16 where it says nothing.
    overrides
        ``hardware.`` paths of the system.
    baseline
        Another system, or ``without-pim``; it takes the job's batch, or its own largest.
    report
        Told of each step.

    Raises
    ------
    ConfigError
        Unknown names, a model that no system serves, or a bad option.
    """
    system, document = load_system(name, overrides)
    model = find_model(model_name, precision)
    config: dict[str, Json] = {
        "system": cast("Json", document.data),
        "model": model_name,
        "options": cast("dict[str, Json]", asdict(job) | {"precision": precision}),
    }
    head: dict[str, Json] = {"schema_version": SCHEMA_VERSION}
    found = serve(system, model, job, report)
    body = job_numbers(system, model, found)
    if baseline is not None:
        base = without_pim(system) if baseline == WITHOUT_PIM else load_system(baseline)[0]
        against = serve(base, model, job, report)
        body["baseline"] = {"system": base.name, **job_numbers(base, model, against)}
        body["ratio"] = _ratios(found, against)
    return {
        **head,
        **body,
        "config": config,
        "config_hash": content_hash(config),
        "version": archsim.__version__,
    }


def job_numbers(
    system: SystemConfig, model: ServedModel, found: Served | Infeasible
) -> dict[str, Json]:
    """Return the numbers of a job on one system."""
    if isinstance(found, Infeasible):
        return {"feasible": False, "infeasible": found.to_json(), "latency_s": None}
    mean = found.step_s
    dynamic = sum(found.dynamic_j.values())
    whole = sum(found.parts_s.values())
    idle = {side: max(0.0, mean - busy) for side, busy in found.busy_s.items()}
    return {
        "feasible": True,
        "infeasible": None,
        "latency_s": found.latency_s,
        "ttft_s": found.first_token_s,
        "tbt_s": mean,
        "median_tbt_s": found.median_step_s,
        "slowest_tbt_s": found.slowest_step_s,
        "tokens_per_s": found.tokens_per_s,
        "served_tokens_per_s": found.served_tokens_per_s,
        "batch": found.batch,
        "largest_batch": found.largest_batch,
        "stages": found.stages,
        "parts_s": dict(found.parts_s),
        "hidden_s": found.hidden_s,
        "breakdown": {name: seconds / whole for name, seconds in found.parts_s.items()},
        "where": dict(found.where),
        "busy_s": dict(found.busy_s),
        "idle_s": cast("Json", idle),
        "busy": {side: seconds / mean for side, seconds in found.busy_s.items()},
        "imbalance": found.imbalance,
        "energy_j": dynamic + found.static_j,
        "energy": {
            "dynamic": dynamic,
            "static": found.static_j,
            "component": dict(found.dynamic_j),
        },
        "power_w": (dynamic + found.static_j) * found.tokens_per_s,
        "stored_bytes": found.stored_bytes,
        "capacity_bytes": found.room_bytes,
        "weight_bytes": model.stored_bytes,
        "steps_computed": found.steps,
        **_mapping(system, model, found),
        "assumptions": [*_assumptions(system, found), *system.notes],
        "warnings": [],
    }


def _assumptions(system: SystemConfig, found: Served) -> tuple[str, ...]:
    if found.prefill_s == 0:
        return CONTINUOUS
    return ASSUMPTIONS if system.xpu is not None else (TOKEN_BY_TOKEN, *ASSUMPTIONS[1:])


def _mapping(system: SystemConfig, model: ServedModel, found: Served) -> dict[str, Json]:
    """Return how an ASIC's banks are used: rows, and bytes moved against those of the weights."""
    if system.asic is None or system.pim is None:
        return {}
    moved = moved_bytes(system.pim, model, found.context + found.new_tokens // 2)
    return {
        "mapping": {
            "row_hits": row_hits(system.asic, model),
            "moved_bytes": moved,
            "moved_less": model.stored_bytes / moved,
        }
    }


def _ratios(found: Served | Infeasible, base: Served | Infeasible) -> Json:
    """Return by how much a system is better than its baseline; None where one does not run."""
    if isinstance(found, Infeasible) or isinstance(base, Infeasible):
        return None
    ours, theirs = (sum(one.dynamic_j.values()) for one in (found, base))
    return {
        "tokens_per_s": found.tokens_per_s / base.tokens_per_s,
        "served_tokens_per_s": found.served_tokens_per_s / base.served_tokens_per_s,
        "tbt": base.step_s / found.step_s,
        "median_tbt": base.median_step_s / found.median_step_s,
        "ttft": base.first_token_s / found.first_token_s,
        "batch": found.batch / base.batch,
        "dynamic_energy": theirs / ours,
        "energy": (theirs + base.static_j) / (ours + found.static_j),
    }
