"""Sums over what ran: time, actions and energy of one pass or of several one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from archsim.components.dram import ROW_ACTIONS
from archsim.engine import run_program, sensitivities
from archsim.results import Energy
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.components.base import CountKey
    from archsim.engine import Timing
    from archsim.machine import Machine
    from archsim.mapped_model import MappedPass, Piece

_Key = TypeVar("_Key", bound=Hashable)
_Number = TypeVar("_Number", int, float, Fraction)

MEMORY_TAG = "memory"
"""Tag of operations that are commands of a memory: its name."""

UNTAGGED = "handover"
"""Layer type of time that belongs to no layer: waiting at a border between fragments."""


@dataclass(frozen=True)
class Totals:
    """What happened during some passes.

    Attributes
    ----------
    latency_ps
        Time from start to end; passes follow one another.
    counts
        Actions by (component, action, format).
    useful_macs
        MACs that the workload defines, by the unit that made them; masked ones are left out.
    layer_ps
        Critical path by layer type.
    path_ps
        Critical path by (resource, cause).
    busy_ps
        Occupied time by resource.
    slopes_ps
        Derivative of the latency in continuous configuration paths, ps per base unit; where two
        limits tie, that of an improvement.
    operations, simulated, jumps, recalls
        Size of the programs and the engine's work.
    warnings
        What the engine noticed: waits that can never hold, missing back-pressure.
    """

    latency_ps: int = 0
    counts: Mapping[CountKey, int] = field(default_factory=dict)
    useful_macs: Mapping[str, Fraction] = field(default_factory=dict)
    layer_ps: Mapping[str, int] = field(default_factory=dict)
    path_ps: Mapping[tuple[str, str], int] = field(default_factory=dict)
    busy_ps: Mapping[str, int] = field(default_factory=dict)
    slopes_ps: Mapping[str, float] = field(default_factory=dict)
    operations: int = 0
    simulated: int = 0
    jumps: int = 0
    recalls: int = 0
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.latency_ps + other.latency_ps,
            _sum(self.counts, other.counts),
            _sum(self.useful_macs, other.useful_macs),
            _sum(self.layer_ps, other.layer_ps),
            _sum(self.path_ps, other.path_ps),
            _sum(self.busy_ps, other.busy_ps),
            _sum(self.slopes_ps, other.slopes_ps),
            self.operations + other.operations,
            self.simulated + other.simulated,
            self.jumps + other.jumps,
            self.recalls + other.recalls,
            tuple(dict.fromkeys(self.warnings + other.warnings)),
        )

    @property
    def latency_s(self) -> float:
        """The latency in seconds."""
        return self.latency_ps / PS_PER_S

    def moved_bytes(self, component: str) -> int:
        """Return the bytes read from and written to a component."""
        return sum(
            count
            for (name, action, _), count in self.counts.items()
            if name == component and action in ("read", "write")
        )

    def energy(self, machine: Machine) -> Energy:
        """Return the energy: counts times energy per action, and static power times latency.

        Activations and refreshes of a memory, which the `command` rung counts, stand apart.
        """
        component = {name: watts * self.latency_s for name, watts in machine.static_w().items()}
        static = sum(component.values())
        dynamic = 0.0
        for name, action, number in sorted(self.counts):
            each_pj = machine.component(name).energy_pj(action, number)
            joules = self.counts[name, action, number] * each_pj * 1e-12
            part = f"{name}.{action}" if action in ROW_ACTIONS else name
            component[part] = component.get(part, 0.0) + joules
            dynamic += joules
        return Energy(dynamic, static, component)


@dataclass(frozen=True)
class Tally:
    """Totals of a program, in which useful MACs are not yet told from masked and padded ones.

    Attributes
    ----------
    totals
        All but the useful MACs.
    made
        MACs by component and einsum.
    """

    totals: Totals = field(default_factory=Totals)
    made: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.totals + other.totals, _sum(self.made, other.made))

    def times(self, repeat: int) -> Tally:
        """Return the tally of so many runs in a row; the engine's work is that of one."""
        one = self.totals
        totals = replace(
            one,
            latency_ps=repeat * one.latency_ps,
            counts=_times(one.counts, repeat),
            layer_ps=_times(one.layer_ps, repeat),
            path_ps=_times(one.path_ps, repeat),
            busy_ps=_times(one.busy_ps, repeat),
            slopes_ps=_times(one.slopes_ps, repeat),
            operations=repeat * one.operations,
        )
        return Tally(totals, _times(self.made, repeat))

    def known(self) -> Tally:
        """Return the same without the engine's work: it was done before."""
        return replace(self, totals=replace(self.totals, simulated=0, jumps=0, recalls=0))


class PassAccounts:
    """Totals of passes, as sums over their fragments; each is timed once, when it first occurs.

    Fragments follow one another without overlap, so that sum is what the engine finds for the
    whole pass. Passes of one run share most of their fragments: a step of decode has few new ones.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._known: dict[int, tuple[Piece, Tally]] = {}

    def totals(self, mapped: MappedPass) -> Totals:
        """Return the totals of one pass."""
        parts = [
            self._tally(piece).times(stage.repeat)
            for stage in mapped.stages
            for piece in stage.pieces
        ]
        return _with_useful(mapped, sum(parts, Tally()))

    def _tally(self, piece: Piece) -> Tally:
        # The piece is kept beside its tally, so that its number stays its own.
        if id(piece) not in self._known:
            tally = _tally(run_program(piece.program), self._machine)
            self._known[id(piece)] = (piece, tally.known())
            return tally
        return self._known[id(piece)][1]


def account(mapped: MappedPass, timing: Timing, machine: Machine) -> Totals:
    """Return the totals of one pass whose whole program the engine has timed."""
    return _with_useful(mapped, _tally(timing, machine))


def _tally(timing: Timing, machine: Machine) -> Tally:
    program = timing.program
    made: dict[tuple[str, str], int] = {}
    for op, instances in enumerate(timing.instance_counts):
        for (component, action, _), count in program.counts[op].items():
            if action == "mac":
                key = (component, program.tags[op].get("einsum", ""))
                made[key] = made.get(key, 0) + instances * count
    layers: Counter[str] = Counter()
    path: Counter[tuple[str, str]] = Counter()
    for part in timing.attribution:
        layers[part.tags.get("layer", UNTAGGED)] += part.ps
        where = part.resource or part.tags.get(MEMORY_TAG) or "dependence"
        path[where, part.cause] += part.ps
    totals = Totals(
        latency_ps=timing.makespan_ps,
        counts=program.total_counts(),
        layer_ps=layers,
        path_ps=path,
        busy_ps=dict(timing.busy_ps),
        slopes_ps=sensitivities(program, timing, machine.value, side="gain"),
        operations=sum(timing.instance_counts),
        simulated=timing.simulated,
        jumps=timing.jumps,
        recalls=timing.recalls,
        warnings=timing.warnings,
    )
    return Tally(totals, made)


def _with_useful(mapped: MappedPass, tally: Tally) -> Totals:
    """Return the totals with the MACs that the workload defines."""
    useful: dict[str, Fraction] = {}
    shares = _useful_shares(mapped, tally.made)
    for (component, einsum), count in tally.made.items():
        share = shares.get(einsum, Fraction(1))
        useful[component] = useful.get(component, Fraction(0)) + count * share
    return replace(tally.totals, useful_macs=useful)


def _useful_shares(mapped: MappedPass, made: Mapping[tuple[str, str], int]) -> dict[str, Fraction]:
    """Return the fraction of the MACs made for each einsum that the workload defines.

    Parameters
    ----------
    mapped
        What ran.
    made
        MACs by component and einsum; masked points and padding may be among them.
    """
    needed: dict[str, int] = {}
    for stage in mapped.stages:
        for fragment in stage.fragments:
            for einsum in fragment.cascade.einsums:
                if einsum.dense_macs():
                    macs = stage.repeat * einsum.macs()
                    needed[einsum.name] = needed.get(einsum.name, 0) + macs
    total: dict[str, int] = {}
    for (_, name), count in made.items():
        total[name] = total.get(name, 0) + count
    return {
        name: min(Fraction(1), Fraction(macs, total[name]))
        for name, macs in needed.items()
        if total.get(name)
    }


def _sum(left: Mapping[_Key, _Number], right: Mapping[_Key, _Number]) -> dict[_Key, _Number]:
    total = dict(left)
    for key, value in right.items():
        total[key] = total[key] + value if key in total else value
    return total


def _times(each: Mapping[_Key, _Number], repeat: int) -> dict[_Key, _Number]:
    return {key: repeat * value for key, value in each.items()}
