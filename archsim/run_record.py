"""From what ran to the result: the resolved inputs of a run, which report its outcome."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, TypeVar, cast

import archsim
from archsim.accounting import Totals
from archsim.capacity import check_capacity
from archsim.command_rung import command_classes, command_memories
from archsim.config.hashing import content_hash
from archsim.mapping import NotedMapping
from archsim.operator_use import error_band_of, operators_of, slowest_stage_s
from archsim.parallel import OPTION, Parallel, said
from archsim.results import Devices, EngineStatistics, Fidelity, Phase, Result, Roofline
from archsim.roofline import bound_bytes_per_s
from archsim.run_config import write_workload
from archsim.units import PS_PER_S, format_quantity

if TYPE_CHECKING:
    from archsim.components.base import Clock
    from archsim.engine import Timing
    from archsim.machine import Machine
    from archsim.mapped_model import MappedPass
    from archsim.mapping import Infeasible, Json, Mapper
    from archsim.roofline import Bound
    from workloads import Workload

_Key = TypeVar("_Key", bound=Hashable)

MORE_IS_BETTER = frozenset(
    {"bandwidth", "network_bandwidth", "bytes_per_cycle", "capacity", "count", "power_cap"}
)
"""Last words of paths of which more is an improvement, whatever a run makes of it."""

NOTABLE_ROUNDING = 1e-5
"""Relative rounding of a clock period from which it is reported."""


@dataclass(frozen=True, slots=True)
class PhaseOutcome:
    """What one pass gave: its bound, its totals, and (last) how it was mapped."""

    bound: Bound
    totals: Totals
    mapped: MappedPass | None = None


@dataclass(frozen=True, slots=True)
class TimedPass:
    """A pass that the engine has timed, for those who look on while a run goes.

    Attributes
    ----------
    phase, number
        ``prefill`` or ``decode``, and which pass of the phase from 0.
    begin_ps
        When it begins: passes follow one another.
    machine
        Where it ran.
    timing
        Its timing with the critical path.
    mapped
        How it was mapped.
    """

    phase: str
    number: int
    begin_ps: int
    machine: Machine
    timing: Timing
    mapped: MappedPass | None = None


@dataclass(slots=True)
class Outcome:
    """What all passes gave, by phase; or why the workload cannot run."""

    passes: dict[str, list[PhaseOutcome]] = field(default_factory=dict)
    infeasible: Infeasible | None = None

    def add(self, phase: str, outcome: PhaseOutcome) -> None:
        """Append a pass of a phase."""
        self.passes.setdefault(phase, []).append(outcome)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The inputs of a run, all resolved.

    Attributes
    ----------
    machine, workload, mappers
        What runs where, and which mapper serves each class.
    whole, held, parallel
        The workload of all devices, what the fullest of them holds, and how they share it; the
        `workload` is that of one rank.
    mapper_options
        Options of the mapper of a class.
    requested, fidelity
        Rung asked for, and rung used.
    fidelity_fallback, ignore_capacity, slack, seed
        Options.
    """

    machine: Machine
    workload: Workload
    whole: Workload
    held: Workload
    parallel: Parallel
    mappers: Mapping[str, Mapper]
    requested: str
    fidelity: str
    fidelity_fallback: bool
    ignore_capacity: bool
    slack: float
    seed: int
    mapper_options: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    def config(self) -> dict[str, Json]:
        """Return the resolved configuration; running it again gives the same result."""
        return {
            "hardware": self.machine.to_config(),
            "workload": cast("Json", write_workload(self.whole)),
            "mapper": {name: mapper.id for name, mapper in sorted(self.mappers.items())},
            "options": {
                "fidelity": self.requested,
                "fidelity_fallback": self.fidelity_fallback,
                "ignore_capacity": self.ignore_capacity,
                "slack": self.slack,
                "seed": self.seed,
                "mapper_options": {
                    name: dict(self.mapper_options[name]) for name in sorted(self.mapper_options)
                },
                **self._sharing(),
            },
        }

    def mapping_options(self) -> dict[str, Json]:
        """Return the options of the run that mappers may take."""
        return {"slack": self.slack, **self._sharing()}

    def _sharing(self) -> dict[str, Json]:
        several = max(self.parallel.devices, self.machine.config.devices.count) > 1
        return {OPTION: str(self.parallel)} if several else {}

    def result(self, outcome: Outcome) -> Result:
        """Return the result of the run."""
        config = self.config()
        fidelity = Fidelity(self.requested, self._rungs(outcome))
        if outcome.infeasible is None:
            return self._feasible(outcome, config, fidelity)
        return Result(
            feasible=False,
            infeasible=outcome.infeasible,
            fidelity=fidelity,
            mapper=cast("dict[str, str]", config["mapper"]),
            config=config,
            config_hash=content_hash(config),
            version=archsim.__version__,
            seed=self.seed,
            warnings=self.workload.warnings,
            assumptions=tuple(self._assumptions(outcome)),
        )

    def _rungs(self, outcome: Outcome) -> dict[str, str]:
        """Return the rung used for each mapper class: the lowest of its operations."""
        rungs = dict.fromkeys(self.mappers, self.fidelity)
        for items in outcome.passes.values():
            for item in items:
                if item.mapped is not None and self.fidelity == "command":
                    rungs |= command_classes(item.mapped, self.machine)
                elif item.mapped is not None:
                    rungs |= item.mapped.rungs
        return rungs

    def _feasible(self, outcome: Outcome, config: Mapping[str, Json], fidelity: Fidelity) -> Result:
        machine = self.machine
        everything = [item for items in outcome.passes.values() for item in items]
        totals = reduce(add, (item.totals for item in everything))
        bound = reduce(add, (item.bound for item in everything))
        phases = {name: self._phase(name, items) for name, items in outcome.passes.items()}
        ran = self.fidelity != "roofline"
        energy = totals.energy(machine) if ran else None
        energy_j = energy.dynamic + energy.static if energy else None
        latency_s = totals.latency_s
        mapped = [item.mapped for item in everything if item.mapped is not None]
        path = _shares(totals.path_ps if ran else _bound_path(everything))
        critical: dict[str, dict[str, float]] = {}
        for (resource, cause), share in path.items():
            critical.setdefault(resource, {})[cause] = share
        limit = max(path, key=lambda key: (path[key], key))
        decode, prefill = phases.get("decode"), phases.get("prefill")
        generates = self.workload.model.family == "decoder"
        return Result(
            feasible=True,
            fidelity=fidelity,
            mapper=cast("dict[str, str]", config["mapper"]),
            config=config,
            config_hash=content_hash(config),
            version=archsim.__version__,
            seed=self.seed,
            latency_s=latency_s,
            ttft_s=prefill.latency_s if prefill and generates else None,
            tbt_s=decode.latency_s / (decode.num_tokens // self.whole.batch) if decode else None,
            tokens_per_s=self._tokens_per_s(phases),
            phases=phases,
            energy_j=energy_j,
            energy=energy,
            power_w=energy_j / latency_s if energy_j is not None else None,
            area_mm2=machine.area_mm2(),
            macs=bound.macs,
            dram_bytes=self._dram_bytes(totals) if ran else bound.compulsory_bytes,
            bytes={level: totals.moved_bytes(level) for level in machine.levels} if ran else {},
            utilization=self._utilization(totals) if ran else {},
            busy=self._busy(totals) if ran else {},
            breakdown=_shares(totals.layer_ps) if ran else {},
            critical_path=critical,
            bottleneck=":".join(limit),
            sensitivities=self._sensitivities(totals),
            roofline=self._roofline(bound),
            operators=operators_of(mapped),
            error_band=error_band_of(mapped, latency_s),
            devices=self._devices(outcome, phases, energy_j, latency_s),
            engine=EngineStatistics(
                totals.operations, totals.simulated, totals.jumps, totals.recalls
            ),
            warnings=self.workload.warnings + totals.warnings,
            assumptions=tuple(self._assumptions(outcome)),
        )

    def _phase(self, name: str, items: list[PhaseOutcome]) -> Phase:
        totals = reduce(add, (item.totals for item in items))
        bound = reduce(add, (item.bound for item in items))
        ran = self.fidelity != "roofline"
        energy = totals.energy(self.machine) if ran else None
        # A step makes as many tokens as it verifies, but no more than are wanted.
        made = self.workload.new_tokens - (self.workload.phase == "generate")
        tokens = self.whole.batch * (self.workload.context if name == "prefill" else made)
        if name == "mixed":
            tokens = self.whole.context
        return Phase(
            latency_s=totals.latency_s,
            num_steps=len(items),
            num_tokens=tokens,
            energy_j=energy.dynamic + energy.static if energy else None,
            macs=bound.macs,
            dram_bytes=self._dram_bytes(totals) if ran else bound.compulsory_bytes,
            bound_s=bound.bound_ps / PS_PER_S,
        )

    def _devices(
        self,
        outcome: Outcome,
        phases: Mapping[str, Phase],
        energy_j: float | None,
        latency_s: float,
    ) -> Devices | None:
        """Return what all devices do together: power, throughput, and a full pipeline.

        With a batch in every stage, each stage works all the time: a step of one batch takes the
        time of all stages at least, and those of as many batches the slowest stage's each.
        """
        ranks = self.parallel
        if ranks.devices == 1 or not phases:
            return None
        name = "decode" if "decode" in phases else next(iter(phases))
        items = outcome.passes[name]
        times = [slowest_stage_s(item.mapped, ranks.pp) for item in items if item.mapped]
        whole_s = phases[name].latency_s / len(items)
        stage_s = sum(times) / len(times) if times else whole_s / ranks.pp
        step_s = max(whole_s, ranks.pp * stage_s) if ranks.pp > 1 else whole_s
        tokens = phases[name].num_tokens / len(items)
        others_w = self.machine.static_w() if ranks.pp > 1 else {}
        rank_w = energy_j / latency_s if energy_j is not None else None
        idle_w = (ranks.pp - 1) * sum(others_w.values())
        more_bytes = (ranks.pp - 1) * self.held.kv_bytes()
        fits = check_capacity(self.held, self.machine, more_bytes) is None
        return Devices(
            count=ranks.devices,
            sharing=str(ranks),
            tokens_per_s_per_device=self._tokens_per_s(phases) / ranks.devices,
            power_w=None if rank_w is None else (rank_w + idle_w) * ranks.tp * ranks.ep,
            stages=ranks.pp,
            stage_s=stage_s,
            steady_tokens_per_s=ranks.pp * tokens / step_s if fits else None,
            steady_tbt_s=step_s if fits and name == "decode" else None,
        )

    def _tokens_per_s(self, phases: Mapping[str, Phase]) -> float:
        """Return new (for a prefill: prompt) tokens over the time of the phase that makes them.

        Of a mixed batch, all positions of its requests.
        """
        if self.workload.phase in ("prefill", "mixed"):
            return phases[self.workload.phase].tokens_per_s
        if "decode" in phases:
            return phases["decode"].tokens_per_s
        return self.whole.batch / phases["prefill"].latency_s

    def _dram_bytes(self, totals: Totals) -> int:
        return sum(
            totals.moved_bytes(name)
            for name, item in self.machine.components.items()
            if item.OFF_CHIP
        )

    def _utilization(self, totals: Totals) -> dict[str, float]:
        """Return useful MACs over the peak of the array, bytes over the bandwidth of each level.

        A vector unit does much besides MACs; what counts there is how long it was busy.
        """
        shares = {}
        for name, macs in totals.useful_macs.items():
            if self.machine.vector is not None and name == self.machine.vector.name:
                continue
            rates = [
                self.machine.component(name).peak_macs_per_s(number)
                for unit, action, number in totals.counts
                if unit == name and action == "mac"
            ]
            shares[name] = float(macs) / (max(rates) * totals.latency_s)
        for level in self.machine.levels:
            component = self.machine.component(level)
            resources = component.resources()
            seconds = [
                sum(
                    count
                    for (name, action, _), count in totals.counts.items()
                    if name == level and action == direction
                )
                / component.bandwidth_bytes_per_s(direction)
                for direction in ("read", "write")
            ]
            busiest = sum(seconds) if len(resources) == 1 else max(seconds)
            shares[level] = busiest / totals.latency_s
        return shares

    def _busy(self, totals: Totals) -> dict[str, float]:
        capacity = {
            resource: servers
            for component in self.machine.components.values()
            for resource, servers in component.resources().items()
        }
        inner = tuple(f"{name}." for name, _ in command_memories(self.machine))
        return {
            name: busy_ps / (totals.latency_ps * capacity.get(name, 1))
            for name, busy_ps in totals.busy_ps.items()
            if not name.startswith(inner)
        }

    def _sensitivities(self, totals: Totals) -> dict[str, float]:
        """Relative gain in latency per relative improvement, for paths that matter at all.

        An improvement is what shortens the run, except of :data:`MORE_IS_BETTER`: where more of
        that takes longer, the gain is negative.
        """
        found = {}
        for path, slope in totals.slopes_ps.items():
            gain = -slope * self.machine.value(path) / totals.latency_ps
            more = path.rpartition(".")[2] in MORE_IS_BETTER or path.startswith("hardware.clocks.")
            found[path] = gain if more else abs(gain)
        return {path: value for path, value in found.items() if value}

    def _roofline(self, bound: Bound) -> Roofline:
        bandwidth = bound_bytes_per_s(self.machine, bound.level)
        rate = bound.macs * PS_PER_S / bound.compute_ps if bound.compute_ps else 0.0
        return Roofline(
            bound_s=bound.bound_ps / PS_PER_S,
            compute_s=bound.compute_ps / PS_PER_S,
            memory_s=bound.memory_ps / PS_PER_S,
            operational_intensity_macs_per_byte=bound.macs / max(1, bound.compulsory_bytes),
            ridge_macs_per_byte=rate / bandwidth,
            limited_by=":".join(bound.limited_by),
        )

    def _assumptions(self, outcome: Outcome) -> Iterator[str]:
        machine = self.machine
        for level in machine.levels:
            if machine.capacity_bytes(level) is None:
                yield f"{level} has unbounded capacity: nothing is refused for lack of room there"
        yield from said(self.parallel, machine.config.devices.link or "")
        if self.ignore_capacity:
            yield f"the capacity of {machine.outermost} is ignored"
        if self.workload.draft_tokens:
            yield "every drafted token is accepted; making the drafts takes no time"
        if self.workload.sparsity:
            yield (
                f"weights keep {self.workload.sparsity}: the rest is neither stored nor moved, but "
                "multiplied as if it were there"
            )
        for name, clock in sorted(_used_clocks(machine).items()):
            off = clock.period_ps * clock.frequency_hz / PS_PER_S - 1.0
            if abs(off) > NOTABLE_ROUNDING:
                frequency = format_quantity(clock.frequency_hz, "frequency")
                yield (
                    f"clock {name}: a cycle of {frequency} is rounded to {clock.period_ps} ps "
                    f"({off:+.3%})"
                )
        if self.fidelity == "roofline" or outcome.infeasible:
            return
        if self.slack:
            yield f"mappers may give up {self.slack:.3%} of time to move fewer bytes"
        else:
            yield (
                "mappers take the fastest tiling, however little it wins by; --slack 0.001 lets "
                "them give up 0.1 % of time to move fewer bytes"
            )
        for name, memory in command_memories(machine):
            devices = memory.command_memory
            yield (
                f"{name}: commands of {devices.channels} channels of {devices.standard.name}, all "
                "alike; each transfer lies in rows of its own and bears its share of refreshes"
            )
        yield (
            "operators follow one another: none starts before the one before it has finished, "
            "and no weights are fetched ahead"
        )
        if self.mappers["attention"].id == "unfused":
            yield "probabilities take the place of the scores they are made from"
            if self.workload.phase != "decode":
                yield "unfused attention computes the masked half of the scores too"
        yield from _mapping_notes(outcome)
        kept = {
            name: item.mapped.residency.reserve_bytes
            for name, items in outcome.passes.items()
            for item in items
            if item.mapped is not None and item.mapped.residency.reserve_bytes
        }
        for name, reserve in sorted(kept.items()):
            size = format_quantity(reserve, "bytes")
            yield f"{name}: {machine.innermost} keeps up to {size} of activations between operators"
        yield "energy and area leave out control, and wires outside the components"


def _mapping_notes(outcome: Outcome) -> Iterator[str]:
    """Yield what the mappings of the last pass of each phase have to say, each sentence once."""
    told: dict[str, None] = {}
    for items in outcome.passes.values():
        mapped = items[-1].mapped
        for stage in mapped.stages if mapped is not None else ():
            for piece in stage.pieces:
                if isinstance(piece.mapping, NotedMapping):
                    told |= dict.fromkeys(f"{stage.name}: {note}" for note in piece.mapping.notes)
    yield from told


def _used_clocks(machine: Machine) -> dict[str, Clock]:
    return {
        item.config.clock: item.clock for item in machine.components.values() if not item.OFF_CHIP
    }


def _bound_path(items: Sequence[PhaseOutcome]) -> dict[tuple[str, str], int]:
    """Return the bound split by what sets it, pass by pass."""
    path: dict[tuple[str, str], int] = {}
    for item in items:
        key = item.bound.limited_by
        path[key] = path.get(key, 0) + item.bound.bound_ps
    return path


def _shares(parts: Mapping[_Key, int]) -> dict[_Key, float]:
    total = sum(parts.values())
    return {key: ps / total for key, ps in parts.items() if ps}
