"""Writes the commands of a stream into a program: operations, sites, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsim.dram.gaps import Gaps
from archsim.dram.streams_schedule import lost_ps, opening_ps

if TYPE_CHECKING:
    from archsim.dram.standard import Standard
    from archsim.dram.streams import RowStream
    from archsim.dram.streams_schedule import RefreshPlan
    from archsim.program import CountKey, ProgramBuilder
    from archsim.program.builder import OpRef, ResourceRef

MAX_BACK = 4096
"""Farthest instance that a wait can look back to."""


OPENERS = ("first", "run", "rest")
"""Operations that begin with the first burst of a set: that burst, all of a set, what is left."""

BURSTS = (*OPENERS, "burst")
"""Operations that move data."""

BANDWIDTH_BOUND = 0.02
"""Share of the distance of bursts by which it may exceed that at the peak bandwidth and still
count as set by it: clocks are rounded."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How the operations of a stream are called in the program they go into.

    Attributes
    ----------
    prefix, resources
        Put before the names of operations, and of resources.
    tags
        Carried by every operation.
    counts
        Actions counted by each ``activate`` and ``refresh``, by that name.
    auto_precharge
        Rows close by themselves with their last burst, and all bursts of a set are one operation,
        as nothing comes between them; otherwise rows close by a command before their bank opens
        another one, and each burst is an operation.
    bank_slots
        Activations in flight on a data bus, one for each bank; 0 for the banks of the stream.
    data
        Name of the resource that is the data bus, instead of one for each.
    sharing
        Data buses that each bus of the stream stands for: they take turns on the command buses.
    burst_ps
        Least distance of bursts on a data bus, beside what the constraint table asks.
    burst_expr
        That distance as arithmetic over configuration paths; commands keep pace with bursts.
    """

    prefix: str = ""
    resources: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[CountKey, int]] = field(default_factory=dict)
    auto_precharge: bool = False
    bank_slots: int = 0
    data: str = ""
    sharing: int = 1
    burst_ps: int = 0
    burst_expr: str | None = None


class StreamWriter:
    """One stream inside a program that is being written.

    Parameters
    ----------
    builder
        The program.
    standard
        Distances, all from its constraint table.
    stream
        What is visited.
    labels
        Names, tags and counts.
    """

    def __init__(
        self, builder: ProgramBuilder, standard: Standard, stream: RowStream, labels: Labels
    ) -> None:
        self.builder, self.standard, self.stream = builder, standard, stream
        self.labels, self.gaps = labels, Gaps(standard)
        self.is_read = stream.direction == "read"
        self.access = "RD" if self.is_read else "WR"
        self._above_group = self.gaps.above_group
        self._scope = standard.levels[standard.refresh.scope_level].name
        self._made: dict[tuple[str, int], OpRef] = {}
        self._buses = range(stream.buses)

    def place(self, plan: RefreshPlan | None) -> None:
        """Place all commands at the current point of the program."""
        stream = self.stream
        if plan is None:
            self._sets(stream.num_sets - 1)
        else:
            for repeat, parts in plan.groups:
                with self._loop(repeat, "super-interval"):
                    for sets, times in parts:
                        with self._loop(times, "interval"):
                            self._sets(sets)
                            self._refresh()
            self._sets(plan.rest)
        self._one_set(stream.last_bursts, precharge=self._precharges(stream.num_sets))

    def wire(self) -> None:
        """Let all commands that are placed keep their distances; once, when all are placed."""
        for bus in self._buses:
            self._wire_rows(bus)
            self._wire_bursts(bus)
            self._wire_refresh(bus)

    def heads(self) -> list[OpRef]:
        """Return the operations that hold back all others: they wait for what comes before."""
        return [self._made[kind, bus] for kind, bus in self._made if kind == "activate"]

    def tails(self) -> list[tuple[OpRef, int]]:
        """Return the operations whose results are the stream's; ps from start to last burst."""
        return [
            (op, (self._length(kind) - 1) * self.spacing_ps)
            for (kind, _), op in self._made.items()
            if kind in BURSTS
        ]

    def firsts(self) -> list[OpRef]:
        """Return the operations that begin with the first burst of a set."""
        return [op for (kind, _), op in self._made.items() if kind in OPENERS]

    def last(self) -> tuple[OpRef, int]:
        """Return the operation of the last bursts, and how often one stream runs it."""
        stream = self.stream
        if stream.last_bursts < stream.set_bursts:
            return self._made["rest", 0], 1
        return self._made["run", 0], stream.num_sets

    def _length(self, kind: str) -> int:
        """Return the bursts of one operation."""
        return {"run": self.stream.set_bursts, "rest": self.stream.last_bursts}.get(kind, 1)

    @property
    def spacing_ps(self) -> int:
        """Distance of bursts on a data bus when they go round the groups, ps."""
        short, long = self._burst_gaps_ps()
        short = max(short, self.labels.burst_ps)
        if self.stream.bursts <= self.stream.groups:
            return short
        clock_ps = self.standard.clock_ps
        return max(short, -(-long // (self.stream.groups * clock_ps)) * clock_ps)

    @property
    def latency_ps(self) -> int:
        """Time from a column command to the end of its data, ps."""
        standard = self.standard
        if self.is_read:
            return self.gaps.clocks_ps(standard.read_latency_ticks)
        return self.gaps.clocks_ps(standard.write_latency_ticks + standard.burst_ticks)

    def _burst_gaps_ps(self) -> tuple[int, int]:
        between = self.gaps.between
        return (
            between(self.access, self.access, self._above_group),
            between(self.access, self.access, self.gaps.group_level),
        )

    @contextmanager
    def _loop(self, trip: int, name: str) -> Iterator[None]:
        with self.builder.loop(trip, f"{self.labels.prefix}{name}"):
            yield

    def _precharges(self, sets: int) -> bool:
        return not self.labels.auto_precharge and sets > self.stream.banks

    def _sets(self, count: int) -> None:
        """Place sets: the first round of banks finds them closed, later ones have to close them."""
        fresh = min(count, self.stream.banks) if self._precharges(count) else count
        for sets, precharge in ((fresh, False), (count - fresh, True)):
            self._rounds(sets, precharge=precharge)

    def _rounds(self, sets: int, *, precharge: bool) -> None:
        """Place sets in rounds of the banks of one rank or stack, and a switch behind each."""
        switch, each = self._switch_ps(), self.stream.banks
        rounds = sets // each if switch else 0
        if rounds:
            with self._loop(rounds, "round"):
                with self._loop(each, "set"):
                    self._one_set(self.stream.set_bursts, precharge=precharge)
                for bus in self._buses:
                    self.builder.place(self._op("switch", bus))
        if sets - rounds * each:
            with self._loop(sets - rounds * each, "set"):
                self._one_set(self.stream.set_bursts, precharge=precharge)

    def _switch_ps(self) -> int:
        """Time that a data bus stays empty when the next burst comes from another rank or stack."""
        if self.stream.stacks == 1:
            return 0
        return max(0, self.gaps.apart(self.access, self.access) - self.spacing_ps)

    def _one_set(self, bursts: int, *, precharge: bool) -> None:
        place = self.builder.place
        with self._loop(self.stream.groups, "group"):
            if precharge:
                for bus in self._buses:
                    place(self._op("precharge", bus))
            for bus in self._buses:
                place(self._op("activate", bus))
        if self.labels.auto_precharge:
            for bus in self._buses:
                place(self._op("run" if bursts == self.stream.set_bursts else "rest", bus))
            return
        for bus in self._buses:
            place(self._op("first", bus))
        if bursts > 1:
            with self._loop(bursts - 1, "burst"):
                for bus in self._buses:
                    place(self._op("burst", bus))

    def _refresh(self) -> None:
        """Close and refresh the scopes of a channel one after another, as controllers do."""
        for bus in self._buses:
            if not self.labels.auto_precharge:
                self.builder.place(self._op("close", bus))
            self.builder.place(self._op("refresh", bus))

    def _op(self, kind: str, bus: int) -> OpRef:
        """Return an operation, making it on first use: what is never placed must not exist."""
        if (kind, bus) not in self._made:
            causes = dict.fromkeys(BURSTS, "bandwidth")
            causes.update({"refresh": "refresh", "close": "refresh", "switch": "turnaround"})
            self._made[kind, bus] = self.builder.op(
                f"{self.labels.prefix}{kind} {bus}",
                holds=self._holds(kind, bus),
                occupancy_expr=self._expressions(kind),
                latency=self._latency_ps(kind),
                cause=causes.get(kind, "activation"),
                tags=self.labels.tags,
                counts=self.labels.counts.get(kind),
            )
        return self._made[kind, bus]

    def _latency_ps(self, kind: str) -> int:
        if kind not in BURSTS:
            return 0
        return (self._length(kind) - 1) * self.spacing_ps + self.latency_ps

    def _holds(self, kind: str, bus: int) -> list[tuple[ResourceRef, int]]:
        gaps, name = self.gaps, self.gaps.activate
        if kind in BURSTS:
            count = self._length(kind)
            column_ps = self.labels.sharing * gaps.bus_ps(self.access)
            return [
                (self._data(bus), count * self.spacing_ps),
                (self._resource("column commands"), count * column_ps),
            ]
        if kind == "switch":
            return [(self._data(bus), self._switch_ps())]
        if kind != "activate":
            return []
        slots = self.labels.bank_slots or self.stream.groups * self.stream.banks
        window_ps = gaps.between(name, name, self._above_group, window=4)
        row_ps = self.labels.sharing * self._row_slot_ps()
        holds = [
            (self._resource("row commands"), row_ps),
            (self._resource("activations", bus), gaps.between(name, name, self._above_group)),
            (self._resource("banks", bus, slots), gaps.between(name, name, "bank")),
        ]
        if window_ps:
            holds.append((self._resource("four activations", bus, 4), window_ps))
        return holds

    def _expressions(self, kind: str) -> list[str | None] | None:
        """Return the expression of each hold of a burst, if the peak bandwidth sets its time."""
        apart_ps = self.spacing_ps - self.labels.burst_ps
        if kind not in BURSTS or apart_ps > BANDWIDTH_BOUND * self.spacing_ps:
            return None
        if self.labels.burst_expr is None:
            return None
        burst = f"{self._length(kind)} * {self.labels.burst_expr}"
        slot_ps = self.labels.sharing * self.gaps.bus_ps(self.access)
        return [burst, f"{slot_ps} / {self.labels.burst_ps} * ({burst})"]

    def _data(self, bus: int) -> ResourceRef:
        if self.labels.data:
            return self.builder.resource(self.labels.data)
        return self._resource("data", bus)

    def _row_slot_ps(self) -> int:
        """Time of the row bus that an activation takes, with its precharge where that matters."""
        stream, gaps = self.stream, self.gaps
        alone_ps = gaps.bus_ps(gaps.activate)
        if self.standard.has("ACT2"):
            alone_ps += gaps.bus_ps("ACT2")
        if self.labels.auto_precharge:
            return alone_ps
        both_ps = alone_ps + gaps.bus_ps("PREpb")
        scarce = stream.buses * stream.groups * both_ps > stream.set_bursts * self.spacing_ps
        return both_ps if scarce else alone_ps

    def _resource(self, name: str, bus: int | None = None, capacity: int = 1) -> ResourceRef:
        if bus is not None and self.stream.buses > 1:
            name = f"{name} {bus}"
        return self.builder.resource(f"{self.labels.resources}{name}", capacity)

    def _after(
        self, target: tuple[str, int], source: tuple[str, int], back: int, ps: int, cause: str
    ) -> None:
        """Let an operation wait for the start of an earlier one, if both exist."""
        if target in self._made and source in self._made and ps > 0 and 1 <= back <= MAX_BACK:
            self.builder.after(
                self._made[target],
                self._made[source],
                back=back,
                delay=ps,
                anchor="start",
                cause=cause,
            )

    def _wire_rows(self, bus: int) -> None:
        gaps, stream, name = self.gaps, self.stream, self.gaps.activate
        activate, precharge = ("activate", bus), ("precharge", bus)
        in_groups_ps = gaps.between(name, name, self.gaps.group_level)
        self._after(activate, activate, stream.groups, in_groups_ps, "activation")
        round_sets = stream.groups * stream.banks
        others = stream.set_bursts - 1
        last = (stream.banks - 1) * others + 1
        if self.labels.auto_precharge:
            target, word, to = activate, f"{self.access}A", name
        else:
            target, word, to = precharge, self.access, "PREpb"
            gap_ps = gaps.between(name, "PREpb", "bank")
            self._after(precharge, activate, round_sets, gap_ps, "activation")
            self._after(activate, precharge, 1, gaps.between("PREpb", name, "bank"), "activation")
        closing_ps = gaps.between(word, to, "bank")
        if stream.num_sets > stream.banks:
            run_ps = others * self.spacing_ps + closing_ps
            self._after(target, ("run", bus), stream.banks, run_ps, "activation")
            self._after(target, ("burst", bus), last, closing_ps, "activation")
            if not others:
                self._after(target, ("first", bus), stream.banks, closing_ps, "activation")
        if 0 < stream.lookahead <= others:
            source, back = ("burst", bus), stream.lookahead
        else:
            source, back = ("first", bus), stream.lookahead // stream.set_bursts
        self._after(activate, source, back, self.standard.clock_ps, "queue")

    def _wire_bursts(self, bus: int) -> None:
        """Let the first burst of a set follow its activations.

        Bursts are spaced evenly from the first one on. It stands so late that a controller that
        serves the oldest ready burst first would have filled every slot behind it.
        """
        gaps, groups, name = self.gaps, self.stream.groups, self.gaps.activate
        step_ps = gaps.between(name, name, self._above_group)
        opening = opening_ps(groups, step_ps, gaps.between(name, name, self._above_group, window=4))
        sync_ps = 0
        if self.standard.has(f"CAS_{self.access}"):
            sync_ps = gaps.bus_ps(f"CAS_{self.access}")
        later = tuple(max(0, ps - sync_ps) for ps in opening)
        columns = min(self.stream.columns, -(-self.stream.bursts // groups))
        behind_ps = sync_ps + lost_ps(later, *self._burst_gaps_ps(), columns)
        open_ps = gaps.between(name, self.access, "bank")
        for group, ahead_ps in enumerate(opening):
            gap_ps = open_ps + behind_ps - ahead_ps
            for kind in OPENERS:
                self._after((kind, bus), ("activate", bus), groups - group, gap_ps, "activation")

    def _wire_refresh(self, bus: int) -> None:
        gaps, name = self.gaps, self.gaps.activate
        refresh, close = ("refresh", bus), ("close", bus)
        if self.labels.auto_precharge:
            closing, word, to = refresh, f"{self.access}A", "REFab"
        else:
            closing, word, to = close, self.access, "PREab"
            self._after(refresh, close, 1, gaps.between("PREab", "REFab", self._scope), "refresh")
        slot_ps = gaps.bus_ps("REFab")
        self._after(closing, ("refresh", bus - 1), 1, slot_ps, "refresh")
        for kind in ("first", "burst"):
            self._after(closing, (kind, bus), 1, gaps.between(word, to, self._scope), "refresh")
        open_ps = gaps.between(name, to, self._scope)
        self._after(closing, ("activate", bus), 1, open_ps, "refresh")
        closed_ps = gaps.between("REFab", name, self._scope)
        self._after(("activate", bus), refresh, 1, closed_ps, "refresh")
