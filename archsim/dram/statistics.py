"""Statistics of a run, as plain data: the result keys every run prints, and the memory's own.

Definitions are in ``archsim/docs/dram.md``; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from archsim.dram import layout as at
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.dram.memory import Memory
    from archsim.dram.run import DramRun
    from archsim.dram.standard import Energy, Standard

Ints = npt.NDArray[np.int64]

PJ_PER_J: Final = 1e12
NS_PER_PS: Final = 1e-3
PERCENTILES: Final = {"p50_ns": 50, "p90_ns": 90, "p99_ns": 99}
OUTCOMES: Final = {
    "hits": at.HIT,
    "misses": at.MISS,
    "conflicts": at.CONFLICT,
    "forwarded": at.FORWARDED,
    "merged": at.MERGED,
}


def statistics(memory: Memory, run: DramRun) -> dict[str, object]:
    """Return the statistics of a run.

    Keys that every run of the simulator prints mean the same here; ``dram`` holds the rest.
    """
    standard = memory.standard
    latency_s = standard.time_ps(run.ticks) / PS_PER_S
    bursts = _accesses(run, "RD") + _accesses(run, "WR")
    dram_bytes = bursts * standard.burst_bytes
    achieved = dram_bytes / latency_s if latency_s else 0.0
    energy = energy_of(standard, run)
    record: dict[str, object] = {
        "feasible": True,
        "latency_s": latency_s,
        "energy_j": None,
        "energy": None,
        "power_w": None,
        "dram_bytes": dram_bytes,
        "bytes": {"dram": dram_bytes},
        "utilization": {"dram": achieved / memory.peak_bytes_per_s},
        "busy": {"data_bus": _bus_share(memory, run, bursts)},
    }
    if energy is not None:
        total = sum(energy["dynamic"].values()) + sum(energy["static"].values())
        record["energy_j"] = total
        record["energy"] = {
            "dynamic": sum(energy["dynamic"].values()),
            "static": sum(energy["static"].values()),
            "component": {**energy["dynamic"], **energy["static"]},
        }
        record["power_w"] = total / latency_s if latency_s else 0.0
    record["dram"] = _own(memory, run, achieved, dram_bytes, record["energy_j"])
    record["warnings"] = _warnings(memory)
    return record


def _own(
    memory: Memory, run: DramRun, achieved: float, dram_bytes: int, energy_j: object
) -> dict[str, object]:
    standard = memory.standard
    outcome = np.bincount(run.outcome, minlength=at.MERGED + 1)
    reads = ~run.writes
    per_bit = None
    if isinstance(energy_j, float) and dram_bytes:
        per_bit = energy_j * PJ_PER_J / (8 * dram_bytes)
    return {
        "standard": standard.name,
        "mark": standard.mark,
        "channels": memory.channels,
        "requests": len(run.writes),
        "reads": int(reads.sum()),
        "writes": int(run.writes.sum()),
        "cycles": -(-run.ticks // standard.ticks_per_clock),
        "ticks": run.ticks,
        "tick_ps": standard.tick_ps,
        "achieved_bytes_per_s": achieved,
        "peak_bytes_per_s": memory.peak_bytes_per_s,
        "read_latency": latencies(memory, (run.done_ticks - run.arrival_ticks)[reads]),
        "write_latency": latencies(memory, (run.done_ticks - run.arrival_ticks)[run.writes]),
        "response_latency": latencies(
            memory, (run.response_ticks - run.arrival_ticks)[run.response_ticks >= 0]
        ),
        "rows": {name: int(outcome[code]) for name, code in OUTCOMES.items()},
        "commands": dict(run.counts),
        "row_open_fraction": run.open_ticks / (run.scopes * run.ticks) if run.ticks else 0.0,
        "energy_pj_per_bit": per_bit,
    }


def latencies(memory: Memory, ticks: Ints) -> dict[str, float] | None:
    """Return the distribution of latencies in ns: mean, extremes and nearest-rank percentiles."""
    if not len(ticks):
        return None
    scale = memory.standard.tick_ps * NS_PER_PS
    ordered = np.sort(ticks)
    ranks = {
        name: float(ordered[-(-share * len(ordered) // 100) - 1]) * scale
        for name, share in PERCENTILES.items()
    }
    return {
        "mean_ns": float(ordered.mean()) * scale,
        "min_ns": float(ordered[0]) * scale,
        **ranks,
        "max_ns": float(ordered[-1]) * scale,
    }


def energy_of(standard: Standard, run: DramRun) -> dict[str, dict[str, float]] | None:
    """Return the energies of a run by part, J, or None where the standard has no data.

    Dynamic: commands times their energies. Static: standby power of each refresh scope, with a bank
    open and with all closed, times how long it was so.
    """
    energy = standard.energy
    if energy is None:
        return None
    latency_s = standard.time_ps(run.ticks) / PS_PER_S
    open_share = run.open_ticks / (run.scopes * run.ticks) if run.ticks else 0.0
    scope_seconds = run.scopes * latency_s
    return {
        "dynamic": {name: pj / PJ_PER_J for name, pj in dynamic_pj(energy, run.counts).items()},
        "static": {
            "standby_open": energy.standby_open_w * scope_seconds * open_share,
            "standby_closed": energy.standby_closed_w * scope_seconds * (1 - open_share),
        },
    }


def dynamic_pj(energy: Energy, counts: Mapping[str, int]) -> dict[str, float]:
    """Return the dynamic energy of commands by part, pJ."""
    reads = counts.get("RD", 0) + counts.get("RDA", 0)
    writes = counts.get("WR", 0) + counts.get("WRA", 0)
    activations = counts.get("ACT", counts.get("ACT1", 0))
    return {
        "activate": activations * energy.activate_pj,
        "read": reads * energy.read_pj,
        "write": writes * energy.write_pj,
        "interface": (reads + writes) * energy.io_pj,
        "refresh": counts.get("REFab", 0) * energy.refresh_all_pj
        + counts.get("REFpb", 0) * energy.refresh_bank_pj,
    }


def _accesses(run: DramRun, name: str) -> int:
    return run.counts[name] + run.counts[f"{name}A"]


def _bus_share(memory: Memory, run: DramRun, bursts: int) -> float:
    buses = memory.channels * memory.standard.num_data_buses
    return bursts * memory.standard.burst_ticks / (buses * run.ticks) if run.ticks else 0.0


def _warnings(memory: Memory) -> list[str]:
    standard = memory.standard
    found = list(standard.notes)
    if standard.mark != "read":
        found.insert(0, f"{standard.name}: numbers are {standard.mark}")
    if standard.energy is None:
        found.append(f"{standard.name} has no energy data")
    return found
