"""Bench of the engine: plain speed, and what folding saves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from archsim.bench.events import measure_events
from archsim.bench.measure import CALIBRATION, REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.bench.programs import attention, flat_body, layer_pipeline, pim_stream, tile_nest
from archsim.engine import Times, Timing, run_program, simulate_many, warmup
from archsim.program import Program

RETIMED_SETS: Final = 2000
"""Sets of times in the bench of re-timing."""

TURNS: Final = 1_000_000
"""Iterations of the flat loop at full size."""


class Case(NamedTuple):
    """A program of the bench: at a share of its full size, and small enough to spell out."""

    name: str
    build: Callable[[int], Program]
    small: Program


CASES: Final = (
    Case("flat_body", flat_body, flat_body(20_000)),
    Case("tile_nest", lambda turns: tile_nest(max(turns // 300, 1), 100), tile_nest(100, 40)),
    Case("nest", lambda turns: attention(16, 64, max(turns // 1000, 1)), attention(4, 20, 60)),
    Case("causal", lambda turns: attention(1, max(turns // 244, 1), None), attention(3, 60, None)),
    Case(
        "pim_stream", lambda n: pim_stream(80, 54, max(n // 33_333, 1), 32), pim_stream(4, 6, 9, 8)
    ),
    Case("layers", lambda n: layer_pipeline(126, 12, max(n // 244, 1)), layer_pipeline(9, 12, 40)),
)
"""At full size: 20 M operations in a flat loop; 1 M in a nest of two loops; 4 M of attention in
three; a head of a million tokens with a causal mask (4096 rows of tiles of 256); 4.4 M memory
commands with refresh, about a decode step of a 70B model; 126 layers of 12 operators, 18.6 M."""


def same_results(folded: Timing, unrolled: Timing) -> bool:
    """Whether two runs agree in makespan, counts and last starts, and in every start if kept."""
    kept = folded.log is not None and unrolled.log is not None
    return (
        folded.makespan_ps == unrolled.makespan_ps
        and folded.instance_counts == unrolled.instance_counts
        and folded.last_starts_ps == unrolled.last_starts_ps
        and (
            not kept
            or all(folded.starts_ps(op) == unrolled.starts_ps(op) for op in folded.program.ops)
        )
    )


def run(*, turns: int = TURNS, repeats: int = REPEATS) -> dict[str, object]:
    """Measure the engine.

    Parameters
    ----------
    turns : int
        Iterations of the flat loop, to which the size of all programs is in proportion.
    repeats : int
        Runs of which the best counts.

    Returns
    -------
    dict
        ``bench``, ``metrics`` (each with name, value, unit, ratio to the calibration loop) and
        ``exact``: whether every program that was timed ends the same folded and unrolled, and a
        small one of its kind agrees in every start.
    """
    warmup()
    calibration = calibration_per_s(repeats)
    metrics = [metric(CALIBRATION, calibration, "steps/s")]
    exact = True
    for case in CASES:
        found, same = measure_case(case, turns, repeats, calibration)
        metrics += found
        exact = exact and same
    found, same = measure_events(turns, repeats, calibration)
    metrics += found
    exact = exact and same
    metrics += _retiming(repeats, calibration)
    return {"bench": "engine", "metrics": metrics, "exact": exact}


def measure_case(
    case: Case, turns: int, repeats: int, calibration: float
) -> tuple[list[dict[str, object]], bool]:
    """Return the metrics of one program, and whether its folded run is that of the unrolled one.

    Parameters
    ----------
    case : Case
        The program.
    turns, repeats : int
        Size and number of runs, as in `run`.
    calibration : float
        Score of the calibration loop.
    """
    program = case.build(turns)
    lean = partial(run_program, program, path=False, backend="jit")
    plain_s = best_cpu_s(partial(lean, fold=False), repeats)
    folded_s = best_cpu_s(lean, repeats)
    traced_s = best_cpu_s(lambda: run_program(program, backend="jit").attribution, repeats)
    folded = lean()
    operations = sum(program.instance_counts)
    metrics = [
        metric(f"{case.name}_operations", operations, "operations"),
        metric(f"{case.name}_simulated", folded.simulated, "operations"),
        metric(f"{case.name}_unfolded", operations / plain_s, "operations/s", calibration),
        metric(f"{case.name}_time", folded_s, "s"),
        metric(f"{case.name}_time_with_critical_path", traced_s, "s"),
        metric(f"{case.name}_speed_up", plain_s / folded_s, "x"),
    ]
    small = [run_program(case.small, fold=fold, backend="jit") for fold in (True, False)]
    return metrics, same_results(folded, lean(fold=False)) and same_results(*small)


def _retiming(repeats: int, calibration: float) -> list[dict[str, object]]:
    """Measure runs of one small structure under many sets of times."""
    program = tile_nest(4, 6)
    sets = [
        Times([50 + n % 9, 90, 40, 30], program.latencies_ps, program.delays_ps)
        for n in range(RETIMED_SETS)
    ]
    seconds = best_cpu_s(lambda: simulate_many(program, sets), repeats)
    return [metric("retimed_small_programs", len(sets) / seconds, "programs/s", calibration)]
