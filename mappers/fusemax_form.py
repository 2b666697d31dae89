"""FuseMax's mappings in closed form.

Per tile, with the names of :mod:`mappers.attention_tiles`, each phase as long as the slower array:

- ``binding``: max(QK + LM, RD + RNV + AV) + RM + max(SLN + SLD, PRM + SPD) + max(SLNV, SPNV);
- ``architecture``: max(QK + LM, RD + AV) + drain + RM + max(SLN + SLD, PRM + SPD) +
  max(SLNV, SPNV + RNV), where drain is the way of LM down the columns;
- ``cascade``: products on the array beside all else on the 1D unit, the busier of the two.

AV is done once for each row block. The time is that of the tiles or of the memory, whichever is
longer.

References
----------
FuseMax, MICRO 2024, sections V and VI; the formulas are those of its artifact (src/models), which
they reproduce to rounding.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from mappers.attention_tiles import ON_ARRAY, ON_VECTOR
from mappers.closed_form import ClosedForm, Phase, Tally

if TYPE_CHECKING:
    from mappers.attention_blocks import SuperBlock
    from mappers.fusemax_plan import FusemaxPlan
    from mappers.work import Work

PRODUCTS = ("QK", "SLNV")
"""Matrix products of a tile."""

IN_ARRAY = ("architecture", "binding")
"""Styles whose softmax runs in the array."""

ACTIONS: Final[tuple[Literal["read", "write"], ...]] = ("read", "write")


def closed_form(plan: FusemaxPlan) -> ClosedForm:
    """Return the closed form of a plan: one phase for a pair of keys and values, repeated."""
    works = plan.tile.works()
    taken = {name: _on_unit(plan, name, work) for name, work in works.items()}
    lengths = Counter(block.num_tiles for group in plan.supers for block in group.blocks)
    compute_ps = sum(
        times * _block_ps(plan, taken, works, tiles) for tiles, times in lengths.items()
    )
    tally = _tally(plan, works)
    times = [(compute_ps, "compute")]
    times += [(busy, "bandwidth") for name, busy in sorted(tally.busy_ps.items())]
    time_ps, cause = max(times, key=lambda item: item[0])
    name = plan.mapper
    phase = Phase(name, time_ps, cause, tally, _expression(plan, tally, time_ps, cause))
    return ClosedForm(name, plan.problem.groups, (phase,), plan.problem.tags)


def _on_unit(plan: FusemaxPlan, name: str, work: Work) -> int:
    """Return how long an einsum keeps the unit that it runs on, ps."""
    on_array = name in (ON_ARRAY if plan.style in IN_ARRAY else PRODUCTS)
    assert plan.machine.array is not None
    assert plan.machine.vector is not None
    unit = plan.machine.array.name if on_array else plan.machine.vector.name
    return work.occupancies[unit]


def _block_ps(plan: FusemaxPlan, taken: dict[str, int], works: dict[str, Work], tiles: int) -> int:
    """Return the time of a row block that visits some tiles."""
    t = taken
    local = max(t["SLN"] + t["SLD"], t["PRM"] + t["SPD"])
    if plan.style == "binding":
        first = max(tiles * (t["QK"] + t["LM"]), tiles * (t["RD"] + t["RNV"]) + t["AV"])
        return first + tiles * (t["RM"] + local + max(t["SLNV"], t["SPNV"]))
    if plan.style == "architecture":
        drain = works["LM"].latency_ps - t["LM"]
        first = max(tiles * (t["QK"] + t["LM"]), tiles * t["RD"] + t["AV"])
        return first + tiles * (drain + t["RM"] + local + max(t["SLNV"], t["SPNV"] + t["RNV"]))
    on_array = sum(t[name] for name in PRODUCTS)
    on_vector = sum(t[name] for name in (*ON_ARRAY, *ON_VECTOR) if name not in PRODUCTS)
    return max(tiles * on_array, tiles * on_vector + t["AV"])


def _tally(plan: FusemaxPlan, works: dict[str, Work]) -> Tally:
    """Return busy times and counts of one pair of keys and values."""
    problem = plan.problem
    tally = Tally()
    tiles = sum(group.num_tiles for group in plan.supers)
    blocks = sum(len(group.blocks) for group in plan.supers)
    for name in (*ON_ARRAY, *ON_VECTOR, "AV"):
        times = blocks if name == "AV" else tiles
        tally.add(einsum_of(plan, name), works[name], times)
        for action in ACTIONS:
            port = plan.tile.ports((name,), action)
            if port is not None:
                tally.add(einsum_of(plan, name), port, times)
    streams = Counter(
        (sum(block.columns for block in group.blocks), _streamed_keys(plan, group))
        for group in plan.supers
    )
    for (columns, keys), times in streams.items():
        tally.add(problem.scores, plan.load("query", columns * problem.depth), times)
        tally.add(problem.scores, plan.load("key", keys * problem.depth), times)
        if not problem.shares_key:
            tally.add(problem.context, plan.load("value", keys * problem.width), times)
        tally.add(problem.context, plan.store(columns * problem.width), times)
    return tally


def _streamed_keys(plan: FusemaxPlan, group: SuperBlock) -> int:
    """Return the keys that stream by for a group of row blocks."""
    return min(group.num_rows * plan.shape.keys, plan.problem.keys)


def einsum_of(plan: FusemaxPlan, name: str) -> str:
    """Return the einsum of the workload to which an einsum of the 1-pass cascade belongs."""
    problem = plan.problem
    if name == "QK":
        return problem.scores
    return problem.context if name == "SLNV" else problem.softmax[-1]


def _expression(plan: FusemaxPlan, tally: Tally, time_ps: int, cause: str) -> str | None:
    """Return the time as arithmetic over the machine's parameters, where one of them sets it."""
    array = plan.machine.array
    assert array is not None
    if cause == "compute":
        cycles = time_ps / array.clock.period_ps
        return f"{cycles!r} * 1e12 / {{hardware.clocks.{array.config.clock}}}"
    outer = plan.machine.component(plan.machine.outermost)
    if tally.busy_ps.get(outer.name) != time_ps:
        return None
    bandwidth = outer.bandwidth_bytes_per_s("read")
    num_bytes = time_ps * bandwidth / 1e12
    return f"{num_bytes!r} * 1e12 / {{hardware.components.{outer.name}.bandwidth}}"
