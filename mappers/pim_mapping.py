"""A fragment computed in memory: phases one after the other; and a choice between two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from archsim.components.base import ANY_FORMAT
from archsim.mapping import OperatorUse
from mappers.closed_form import ClosedForm, Phase, Tally
from mappers.work import Work, service_work

if TYPE_CHECKING:
    from archsim.components.pim_cost import PimCost
    from archsim.mapping import FragmentMapping, Json
    from archsim.program import Program
    from mappers.pim_machine import PimMachine
    from mappers.work import CountKey


@dataclass(frozen=True)
class PimMapping:
    """A fragment as phases in memory.

    Attributes
    ----------
    mapper
        Id of the mapper.
    name, layer
        Name and layer of the fragment.
    phases
        What happens, in order.
    fused
        Einsums whose results never leave the units.
    notes
        What to say.
    choices
        What defines the mapping.
    footprints
        Nothing: no tiles are held on chip.
    operators
        Its operations, for reports.
    """

    mapper: str
    name: str
    layer: str
    phases: tuple[Phase, ...]
    fused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    choices: Mapping[str, Json] = field(default_factory=dict)
    footprints: Mapping[str, int] = field(default_factory=dict)
    operators: tuple[OperatorUse, ...] = ()

    rung = "command"
    """Operations in memory are timed by their commands."""

    @property
    def time_ps(self) -> int:
        """Time of all phases, ps."""
        return sum(phase.time_ps for phase in self.phases)

    def program(self) -> Program:
        """Return one operation for each phase."""
        numbered = tuple(
            replace(phase, name=f"{phase.name}/{number}")
            for number, phase in enumerate(self.phases)
        )
        return ClosedForm(self.name, 1, numbered, {"layer": self.layer}).program()

    def to_json(self) -> dict[str, Json]:
        """Return the phases with their times, and the choices."""
        phases: list[Json] = [
            {"name": phase.name, "time_ps": phase.time_ps, "cause": phase.cause}
            for phase in self.phases
        ]
        return {"mapper": self.mapper, "placement": "pim", "phases": phases, **self.choices}


@dataclass(frozen=True)
class Placed:
    """A fragment on the processor, as its own mapper maps it.

    Attributes
    ----------
    inner
        That mapping.
    said
        Why it is there.
    mapper
        Id of the mapper that chose.
    after
        What follows it: collectives that the processor's own mapper does not have.
    """

    inner: FragmentMapping
    said: tuple[str, ...]
    mapper: str
    after: tuple[Phase, ...] = ()

    @property
    def rung(self) -> str:
        """Rung of the processor's mapping."""
        return str(getattr(self.inner, "rung", "tile"))

    @property
    def footprints(self) -> Mapping[str, int]:
        """Bytes that tiles take."""
        return self.inner.footprints

    @property
    def fused(self) -> tuple[str, ...]:
        """Einsums whose results never leave the processor."""
        return self.inner.fused

    @property
    def operators(self) -> tuple[OperatorUse, ...]:
        """Operators of the processor's mapping, if it is made of such, and what follows it."""
        return (*getattr(self.inner, "operators", ()), *moves_used(self.after))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the mappings have to say."""
        return (*self.said, *getattr(self.inner, "notes", ()))

    def program(self) -> Program:
        """Return the engine program."""
        if not self.after:
            return self.inner.program()
        from archsim.program import ProgramBuilder

        builder = ProgramBuilder(self.mapper)
        end = builder.embed(self.inner.program())
        behind = ClosedForm("collectives", 1, self.after, {"layer": "collective"}).program()
        builder.embed(behind, after=end)
        return builder.build()

    def to_json(self) -> dict[str, Json]:
        """Return the choices of the processor's mapper."""
        after: list[Json] = [phase.name for phase in self.after]
        return {**self.inner.to_json(), "placement": "xpu", "after": after}


@dataclass(frozen=True)
class InTurn:
    """Mappings of parts of a fragment, one after the other.

    Attributes
    ----------
    mapper, name
        Id of the mapper and name of the fragment.
    parts
        The mappings.
    """

    mapper: str
    name: str
    parts: tuple[FragmentMapping, ...]

    rung = "command"
    """Of the parts in memory."""

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level: parts follow one another."""
        peak: dict[str, int] = {}
        for part in self.parts:
            for level, num_bytes in part.footprints.items():
                peak[level] = max(peak.get(level, 0), num_bytes)
        return peak

    @property
    def fused(self) -> tuple[str, ...]:
        """Einsums whose results never leave what computes them."""
        return tuple(name for part in self.parts for name in part.fused)

    @property
    def operators(self) -> tuple[OperatorUse, ...]:
        """Operators of all parts."""
        return tuple(use for part in self.parts for use in getattr(part, "operators", ()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the parts have to say."""
        told = [note for part in self.parts for note in getattr(part, "notes", ())]
        return tuple(dict.fromkeys(told))

    def program(self) -> Program:
        """Return the parts in order."""
        from archsim.program import ProgramBuilder

        builder = ProgramBuilder(self.name)
        end = None
        for part in self.parts:
            end = builder.embed(part.program(), after=end)
        return builder.build()

    def to_json(self) -> dict[str, Json]:
        """Return the choices of every part."""
        return {"mapper": self.mapper, "parts": [part.to_json() for part in self.parts]}


def moves_used(phases: Sequence[Phase]) -> list[OperatorUse]:
    """Return collectives and moves as reports list them: by the first part of their names."""
    return [
        OperatorUse(phase.name.partition("/")[0], "link", phase.time_ps, phase.cause, 0)
        for phase in phases
    ]


def operator_use(
    pim: PimMachine,
    name: str,
    number: str,
    phases: Sequence[Phase],
    work: tuple[int, int],
) -> OperatorUse:
    """Return an operation in memory as reports list it.

    Parameters
    ----------
    pim
        Where.
    name, number
        Its name, and the format in which it multiplies.
    phases
        Its phases; the longest one sets its time.
    work
        MACs of the model, and the bytes that they need from the banks.
    """
    causes: dict[str, int] = {}
    for phase in phases:
        causes[phase.cause] = causes.get(phase.cause, 0) + phase.time_ps
    macs, num_bytes = work
    return OperatorUse(
        name.removesuffix("_projection"),
        "in memory",
        sum(phase.time_ps for phase in phases),
        max(causes, key=lambda cause: (causes[cause], cause), default=""),
        launches=0,
        macs=macs,
        peak_macs_per_s=pim.units.peak_macs_per_s(number),
        dram_bytes=num_bytes,
        peak_bytes_per_s=pim.units.peak_read_bytes_per_s(),
    )


def unit_phases(
    pim: PimMachine,
    name: str,
    cost: PimCost,
    times: int,
    counts: Mapping[str, Mapping[CountKey, int]],
) -> list[Phase]:
    """Return an operation in memory as phases by what takes the time.

    Parameters
    ----------
    pim
        Where.
    name
        Name of the operation.
    cost
        One operation.
    times
        How often it is done.
    counts
        All its actions, by einsum.

    Notes
    -----
    The first phases sum to the time of the operation's commands; ``refresh due`` is the time of
    refreshes that fall due in a long sequence of operations beyond those that each met alone.
    """
    parts = (
        ("stream", "bandwidth", cost.stream_ps),
        ("rows", "activation", cost.rows_ps),
        ("vectors", "transfer", cost.vector_ps),
        ("refresh", "refresh", cost.refresh_ps),
        ("refresh due", "refresh", cost.due_ps),
    )
    found = []
    resource = pim.units.name
    for label, cause, time_ps in parts:
        scaled = times * pim.units.scaled_ps(time_ps)
        if not scaled and label != "stream":
            continue
        tally = Tally(busy_ps={resource: scaled})
        if label == "stream":
            tally.counts = {einsum: dict(amounts) for einsum, amounts in counts.items()}
        text = pim.units.time_expr(scaled)
        found.append(Phase(f"{name} {label}", scaled, cause, tally, text))
    return found


def move_phase(pim: PimMachine, name: str, einsum: str, reads: int, writes: int) -> Phase | None:
    """Return vectors on their way between processor and memory; None if there are none.

    Parameters
    ----------
    pim
        Where; over the link, or through the memory's own interface.
    name, einsum
        Name of the phase, and the einsum to which its actions count.
    reads, writes
        Bytes from the memory, and to it.
    """
    works: list[Work] = []
    if pim.link is not None and reads + writes:
        works.append(service_work(pim.link, "transfer", {"bytes": reads + writes}, ANY_FORMAT))
    elif pim.link is None:
        for action, num_bytes in (("read", reads), ("write", writes)):
            if num_bytes:
                works.append(service_work(pim.memory, action, {"bytes": num_bytes}, ANY_FORMAT))
    if not works:
        return None
    tally = Tally()
    for work in works:
        tally.add(einsum, work, 1)
    texts = [work.latency_expr for work in works]
    whole = " + ".join(f"({text})" for text in texts if text is not None)
    return Phase(
        name,
        sum(work.latency_ps for work in works),
        "bandwidth",
        tally,
        whole if None not in texts else None,
    )


def joined(phases: Sequence[Phase | None]) -> tuple[Phase, ...]:
    """Return the phases that there are."""
    return tuple(phase for phase in phases if phase is not None)
