"""The operators of a run, added up over its passes, and what its devices do together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsim.mapping import OperatorMapping, OperatorUse
from archsim.results import ErrorBand, Operator
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.mapped_model import MappedPass


@dataclass(slots=True)
class _Sum:
    """All calls of one operator."""

    calls: int = 0
    launches: int = 0
    time_ps: int = 0
    peak_macs: float = 0.0
    macs: int = 0
    peak_bytes: float = 0.0
    dram_bytes: int = 0
    energy_pj: float = 0.0
    limits: Counter[str] = field(default_factory=Counter)

    def add(self, use: OperatorUse, times: int) -> None:
        """Add so many calls."""
        self.calls += times
        self.launches += times * use.launches
        self.time_ps += times * use.time_ps
        self.macs += times * use.macs
        self.peak_macs += times * use.time_ps * use.peak_macs_per_s / PS_PER_S
        self.dram_bytes += times * use.dram_bytes
        self.peak_bytes += times * use.time_ps * use.peak_bytes_per_s / PS_PER_S
        self.energy_pj += times * use.energy_pj
        self.limits[use.limit] += times * use.time_ps


def operators_of(passes: Iterable[MappedPass]) -> tuple[Operator, ...]:
    """Return the operators of some passes, those that took longest first.

    Mappings that are made of something else, such as tiles, have none.
    """
    sums: dict[tuple[str, str, str], _Sum] = {}
    for stage, repeat, use in _uses(passes):
        sums.setdefault((stage, use.name, use.kind), _Sum()).add(use, repeat)
    found = [
        Operator(
            stage=stage,
            name=name,
            kind=kind,
            calls=item.calls,
            launches=item.launches,
            time_s=item.time_ps / PS_PER_S,
            limited_by=max(item.limits, key=lambda limit: (item.limits[limit], limit)),
            compute=item.macs / item.peak_macs if item.peak_macs else None,
            memory=item.dram_bytes / item.peak_bytes if item.peak_bytes else None,
            power_w=item.energy_pj / item.time_ps if item.energy_pj and item.time_ps else None,
        )
        for (stage, name, kind), item in sums.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.time_s, item.stage, item.name)))


def error_band_of(passes: Iterable[MappedPass], latency_s: float) -> ErrorBand | None:
    """Return the range of a latency from the error bands of its operators.

    The ends are added up as if all operators erred to one side, which is the widest that they can:
    independent errors would cancel. None where no operator has a band.
    """
    total = low = high = 0.0
    bases: dict[str, None] = {}
    for _, repeat, use in _uses(passes):
        time_ps = repeat * use.time_ps
        total += time_ps
        low += time_ps * use.band[0]
        high += time_ps * use.band[1]
        if use.band_basis:
            bases[use.band_basis] = None
    if not bases or total <= 0:
        return None
    basis = f"errors of its operators, all to one side: {'; '.join(sorted(bases))}"
    return ErrorBand(latency_s * low / total, latency_s * high / total, basis)


def _uses(passes: Iterable[MappedPass]) -> Iterator[tuple[str, int, OperatorUse]]:
    for mapped in passes:
        for stage in mapped.stages:
            for piece in stage.pieces:
                if isinstance(piece.mapping, OperatorMapping):
                    for use in piece.mapping.operators:
                        yield stage.name, stage.repeat, use


OUTER = ("embedding", "head", "end")
"""Ends of the names of stages that are no layers: they belong to the first or the last device."""


def slowest_stage_s(mapped: MappedPass, stages: int) -> float:
    """Return the time of the slowest stage of a pipeline in one pass, s.

    Layers are dealt evenly, kinds of layers alike; the first stage has the embedding too, the last
    one the head.
    """
    layers = [item for item in mapped.stages if not item.name.endswith(OUTER)]
    number = sum(item.repeat for item in layers)
    layer_ps = sum(item.makespan_ps for item in layers)
    outer = [item for item in mapped.stages if item.name.endswith(OUTER)]
    first_ps = sum(item.makespan_ps for item in outer if item.name.endswith("embedding"))
    last_ps = sum(item.makespan_ps for item in outer) - first_ps
    own_ps = layer_ps * -(-number // stages) / max(1, number)
    return (own_ps + max(first_ps, last_ps)) / PS_PER_S
