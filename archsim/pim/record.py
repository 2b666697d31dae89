"""The record of an operation: what ``archsim pim run --json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import archsim
from archsim.config.hashing import content_hash
from archsim.mapping import Infeasible
from archsim.pim.energy import STATIC
from archsim.pim.grid import operation_name

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Operation, Outcome

SCHEMA_VERSION = 1
"""Version of the record's form."""


def operation_record(
    device: PimDevice, operation: Operation, outcome: Outcome | Infeasible
) -> dict[str, object]:
    """Return the record of an operation: the keys of every run, and ``pim`` for the rest."""
    name = operation_name(operation)
    config: dict[str, object] = {
        "hardware": device.document.data,
        "options": {"op": name, **asdict(operation)},
    }
    head: dict[str, object] = {"schema_version": SCHEMA_VERSION}
    if isinstance(outcome, Infeasible):
        head |= {"feasible": False, "infeasible": outcome.to_json(), "latency_s": None}
    else:
        head |= _numbers(device, operation, outcome)
    return {
        **head,
        "fidelity": {
            "requested": "command",
            "used": {name: "command"},
        },
        "config": config,
        "config_hash": content_hash(config),
        "version": archsim.__version__,
    }


def _numbers(device: PimDevice, operation: Operation, outcome: Outcome) -> dict[str, object]:
    latency_s = outcome.time_ps * 1e-12
    total = sum(outcome.energy_j.values()) if outcome.energy_j else None
    energy = None
    if outcome.energy_j:
        static = outcome.energy_j.get(STATIC, 0.0)
        dynamic = sum(joule for part, joule in outcome.energy_j.items() if part != STATIC)
        energy = {"dynamic": dynamic, "static": static, "component": dict(outcome.energy_j)}
    return {
        "feasible": True,
        "infeasible": None,
        "latency_s": latency_s,
        "energy_j": total,
        "energy": energy,
        "power_w": total / latency_s if total is not None else None,
        "macs": operation.macs,
        "dram_bytes": outcome.read_bytes,
        "utilization": {"pim": outcome.utilization},
        "pim": {
            "device": device.standard.name,
            "placement": device.unit.placement,
            "stacks": device.stacks,
            "cycles": outcome.ticks,
            "commands": dict(outcome.commands),
            "useful_bytes": outcome.useful_bytes,
            "padding_bytes": outcome.read_bytes - outcome.useful_bytes,
            "bandwidth_bytes_per_s": outcome.bandwidth_bytes_per_s,
            "peak_bytes_per_s": outcome.peak_bytes_per_s,
            "stored_bytes": operation.stored_bytes,
            "capacity_bytes": device.stack_bytes * device.stacks,
        },
        "assumptions": list(outcome.assumptions),
        "warnings": [],
    }
