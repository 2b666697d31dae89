"""Bench of the engine: plain speed, and what folding saves."""

from __future__ import annotations

from functools import partial

from archsim.bench.measure import CALIBRATION, REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.engine import Times, Timing, run_program, simulate_many, warmup
from archsim.program import Program, ProgramBuilder, affine

RETIMED_SETS = 2000
"""Sets of times in the bench of re-timing."""

CHECKED_TURNS = 20_000
"""Iterations of the loop whose every start is compared, folded with unrolled."""


def flat_body(turns: int, size: int = 20) -> Program:
    """Return one loop over a body of ``size`` operations on four resources, with waits.

    Durations are placeholders: the bench times the engine, not a machine.
    """
    b = ProgramBuilder("flat-body")
    units = [b.resource(f"unit{i}") for i in range(4)]
    ops = [
        b.op(f"op{i}", holds=[(units[i % 4], 100 + i)], latency=150 + i, cause="compute")
        for i in range(size)
    ]
    with b.loop(turns, "turn"):
        for op in ops:
            b.place(op)
    for later, earlier in zip(ops[1:], ops, strict=False):
        b.after(later, earlier)
    b.after(ops[0], ops[-1], back=2)
    for i in range(0, size, 3):
        b.after(ops[i], ops[(i + 7) % size], back=3)
    return b.build()


def tile_nest(rows: int, columns: int) -> Program:
    """Return a double-buffered tile pipeline in a nest of two loops."""
    b = ProgramBuilder("tile-nest")
    dma, array, vector = b.resource("dma"), b.resource("array"), b.resource("vector")
    load = b.op("load", holds=[(dma, 50)], latency=80, cause="bandwidth")
    work = b.op("work", holds=[(array, 90)], latency=120, cause="compute")
    post = b.op("post", holds=[(vector, 40)], latency=60, cause="compute")
    store = b.op("store", holds=[(dma, 30)], latency=40, cause="bandwidth")
    with b.loop(rows, "row"):
        with b.loop(columns, "column"):
            for op in (load, work, post):
                b.place(op)
        b.place(store)
    b.after(work, load)
    b.after(load, work, back=2)
    b.after(post, work)
    b.after(work, post, back=2)
    b.after(store, post)
    b.after(post, store)
    return b.build()


def causal_attention(rows: int) -> Program:
    """Return one head of causal attention: the trip of the inner loop is the row."""
    b = ProgramBuilder("causal-attention")
    dma, array, vector = b.resource("dma"), b.resource("array"), b.resource("vector")
    load = b.op("load", holds=[(dma, 30)], latency=55, cause="bandwidth")
    score = b.op("score", holds=[(array, 40)], latency=60, cause="compute")
    soft = b.op("soft", holds=[(vector, 25)], latency=25, cause="compute")
    store = b.op("store", holds=[(dma, 10)], latency=20, cause="bandwidth")
    with b.loop(rows, "row") as row:
        with b.loop(affine(1, 1, row), "column") as column:
            for op in (load, score, soft):
                b.place(op)
        b.place(store)
    b.after(score, load)
    b.after(load, score, back=2)
    b.after(soft, score)
    b.after(soft, soft, delay=31, anchor="start", scope=column)
    b.after(store, soft)
    return b.build()


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


def run(*, turns: int = 1_000_000, repeats: int = REPEATS) -> dict[str, object]:
    """Measure the engine.

    Parameters
    ----------
    turns : int
        Iterations of the loop that is run folded and unfolded (20 operations each).
    repeats : int
        Runs of which the best counts.

    Returns
    -------
    dict
        ``bench``, ``metrics`` (each with name, value, unit, ratio to the calibration loop) and
        ``exact``: whether every start of a folded run equals that of the unrolled one, and the
        long loop ends the same either way.
    """
    warmup()
    calibration = calibration_per_s(repeats)
    flat, nest = flat_body(turns), tile_nest(max(turns // 300, 1), 100)
    metrics = [metric(CALIBRATION, calibration, "steps/s")]
    seconds: dict[str, float] = {}
    for name, program in (("flat_body", flat), ("tile_nest", nest)):
        plain = partial(run_program, program, fold=False, path=False, backend="jit")
        seconds[name] = best_cpu_s(plain, repeats)
        speed = sum(program.instance_counts) / seconds[name]
        metrics.append(metric(f"unfolded_{name}", speed, "operations/s", calibration))
    folded_s = best_cpu_s(lambda: run_program(flat, path=False, backend="jit"), repeats)
    traced_s = best_cpu_s(lambda: run_program(flat, backend="jit").attribution, repeats)
    folded = run_program(flat, path=False, backend="jit")
    metrics += [
        metric("folded_time", folded_s, "s"),
        metric("folded_time_with_critical_path", traced_s, "s"),
        metric("folded_speed_up", seconds["flat_body"] / folded_s, "x"),
        metric("folded_simulated", folded.simulated, "operations"),
    ]
    metrics += _causal(max(turns // 244, 1), repeats) + _retiming(repeats, calibration)
    unrolled = run_program(flat, fold=False, path=False, backend="jit")
    checked = [flat_body(min(turns, CHECKED_TURNS)), tile_nest(100, 40), causal_attention(60)]
    exact = same_results(folded, unrolled) and all(
        same_results(run_program(p, backend="jit"), run_program(p, fold=False, backend="jit"))
        for p in checked
    )
    return {"bench": "engine", "metrics": metrics, "exact": exact}


def _causal(rows: int, repeats: int) -> list[dict[str, object]]:
    """Measure a triangular loop: a million tokens in tiles of 256 are 4096 rows."""
    program = causal_attention(rows)
    lean_s = best_cpu_s(lambda: run_program(program, path=False, backend="jit"), repeats)
    traced_s = best_cpu_s(lambda: run_program(program, backend="jit").attribution, repeats)
    simulated = run_program(program, path=False, backend="jit").simulated
    return [
        metric("causal_time", lean_s, "s"),
        metric("causal_time_with_critical_path", traced_s, "s"),
        metric("causal_simulated", simulated, "operations"),
        metric("causal_operations", sum(program.instance_counts), "operations"),
    ]


def _retiming(repeats: int, calibration: float) -> list[dict[str, object]]:
    """Measure runs of one small structure under many sets of times."""
    program = tile_nest(4, 6)
    sets = [
        Times([50 + n % 9, 90, 40, 30], program.latencies_ps, program.delays_ps)
        for n in range(RETIMED_SETS)
    ]
    seconds = best_cpu_s(lambda: simulate_many(program, sets), repeats)
    return [metric("retimed_small_programs", len(sets) / seconds, "programs/s", calibration)]
