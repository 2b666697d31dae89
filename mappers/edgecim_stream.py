"""Streams: equal steps in which weights reach the macros and vectors pass through them.

A step fetches what the active tiles hold, through the memory, three levels of buses and the write
ports of all macros at once, of which the slowest counts. With further sets of tiles (or of weights
in a macro), steps are fetched ahead; with one set nothing overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.components.cim_tiles import BoundCimTiles
from archsim.components.cim_wires import BoundCimBus
from archsim.errors import MappingError
from mappers.closed_form import Phase, Tally
from mappers.work import CountKey, Work

if TYPE_CHECKING:
    from archsim.components.base import BoundComponent
    from archsim.machine import Machine
    from archsim.program import OpRef, ProgramBuilder

SPANS = ("chip", "cluster", "tile")
"""Levels of buses, from the memory inwards."""


@dataclass(frozen=True)
class EdgeMachine:
    """The parts of a machine that streams use.

    Attributes
    ----------
    machine
        The machine.
    tiles
        Its tiles.
    buses
        Its buses, from the memory inwards.
    buffers
        Its buffers: the global one, and those of clusters if there are.
    """

    machine: Machine
    tiles: BoundCimTiles
    buses: tuple[BoundComponent, ...]
    buffers: tuple[BoundComponent, ...]

    @property
    def dram(self) -> BoundComponent:
        """The memory that holds weights and caches."""
        return self.machine.component(self.machine.outermost)

    @property
    def stays_bytes(self) -> int:
        """Largest tensor of activations that stays in the global buffer, of which four fit."""
        return (self.machine.capacity_bytes(self.machine.innermost) or 1 << 60) // 4


def edge_machine(machine: Machine) -> EdgeMachine | str:
    """Return the parts of a machine that streams use, or what it lacks."""
    found = machine.components.values()
    tiles = [item for item in found if isinstance(item, BoundCimTiles)]
    buses: dict[str, BoundCimBus] = {
        item.bus.span: item for item in found if isinstance(item, BoundCimBus)
    }
    if len(tiles) != 1:
        return f"the mapper needs one component of kind cim-tiles; there are {len(tiles)}"
    if machine.vector is None:
        return "the mapper needs a vector unit"
    missing = [span for span in SPANS if span not in buses]
    if missing:
        return f"the mapper needs buses (cim-bus) of span {', '.join(missing)}"
    buffers = tuple(item for item in found if item.KIND == "cim-buffer")
    return EdgeMachine(machine, tiles[0], tuple(buses[span] for span in SPANS), buffers)


@dataclass(frozen=True, slots=True)
class Stream:
    """Equal steps one after another.

    Attributes
    ----------
    name
        Name of its operations.
    steps
        Number of steps.
    fetch, compute
        Work of each step; the fetch counts whole bytes of each step.
    sets
        Sets of weights that are fetched and used in turn.
    counts
        What steps count beside those of `fetch`, by einsum.
    """

    name: str
    steps: int
    fetch: Work
    compute: Work
    sets: int
    counts: Mapping[str, Mapping[CountKey, int]]

    @property
    def time_ps(self) -> int:
        """Time of all steps, in closed form.

        Notes
        -----
        One set: ``n (w + l + c)``, with w the fetch, l its latency and c the computing. M sets:
        the longest path through fetches and uses that turn back every M steps,
        ``(j+1) (w + l + c) + (n - 1 - j M) max(w, c)`` for j = 0 or floor((n-1)/M).
        """
        turn = self.fetch.latency_ps + self.compute.latency_ps
        if self.sets == 1:
            return self.steps * turn
        pace = max(*self.fetch.occupancies.values(), self.compute.latency_ps)
        rounds = (self.steps - 1) // self.sets
        apart = turn + (self.steps - 1) * pace
        return max(apart, (rounds + 1) * turn + (self.steps - 1 - rounds * self.sets) * pace)

    def phase(self) -> Phase:
        """Return the stream as one phase of a closed form."""
        tally = Tally()
        for work in (self.fetch, self.compute):
            for resource, ps, _ in work.holds:
                tally.busy_ps[resource] = tally.busy_ps.get(resource, 0) + ps * self.steps
        for einsum, counts in self.counts.items():
            tally.counts[einsum] = dict(counts)
        first = tally.counts.setdefault(next(iter(self.counts)), {})
        for key, count in self.fetch.counts.items():
            first[key] = first.get(key, 0) + count * self.steps
        slow = max(self.fetch.holds, key=lambda hold: hold[1])
        ahead = self.compute.latency_ps > slow[1]
        pace = self.compute.latency_expr if ahead else slow[2]
        expression = None
        if pace and self.fetch.latency_expr and self.compute.latency_expr:
            turn = f"({self.fetch.latency_expr}) + ({self.compute.latency_expr})"
            rest = f" + {self.steps - 1} * ({pace})" if self.sets > 1 else ""
            expression = f"({turn}){rest}" if self.sets > 1 else f"{self.steps} * ({turn})"
        return Phase(
            self.name, self.time_ps, "compute" if ahead else "bandwidth", tally, expression
        )

    def place(self, builder: ProgramBuilder, after: OpRef | None, tags: Mapping[str, str]) -> OpRef:
        """Place the steps in a program behind an operation; return the last of them."""
        first = next(iter(self.counts))
        here = {**tags, "einsum": first, "phase": self.name}
        fetch = self.fetch.define(builder, f"{self.name}/fetch", here)
        compute = self.compute.define(builder, f"{self.name}/compute", here)
        for einsum, counts in self.counts.items():
            counted = builder.op(
                f"{self.name}/{einsum}", counts=counts, tags={**here, "einsum": einsum}
            )
            builder.place(counted)
            if after is not None:
                builder.after(counted, after)
        with builder.loop(self.steps, self.name):
            builder.place(fetch)
            builder.place(compute)
        builder.after(compute, fetch)
        builder.after(fetch, compute, back=self.sets, cause="buffer")
        if after is not None:
            builder.after(fetch, after)
        return compute


def fetch_work(
    edge: EdgeMachine, step_bytes: Sequence[int], total_bytes: int, steps: int, number: str
) -> tuple[Work, dict[CountKey, int]]:
    """Return the work of fetching one step, and the counts that whole bytes a step leave over.

    Parameters
    ----------
    edge
        The machine.
    step_bytes
        Bytes of a step over the bus of the chip, of each cluster, and of each tile.
    total_bytes
        Bytes of all steps.
    steps
        Number of steps.
    number
        Format of what is fetched.
    """
    dram, tiles = edge.dram, edge.tiles
    services = [(dram, "read", dram.service("read", {"bytes": step_bytes[0]}, number))]
    for bus, num_bytes in zip(edge.buses, step_bytes, strict=True):
        services.append((bus, "transfer", bus.service("transfer", {"bytes": num_bytes}, number)))
    services.append((tiles, "update", tiles.service("update", {"bytes": 0}, number)))
    slow = max(services, key=lambda item: item[2].occupancy_ps)
    latency = services[0][2].latency_ps - services[0][2].occupancy_ps
    texts = [services[0][2].latency_expr, services[0][2].occupancy_expr, slow[2].occupancy_expr]
    expression = f"({texts[2]}) + ({texts[0]}) - ({texts[1]})" if all(texts) else None
    keys: list[CountKey] = [(dram.name, "read", number), (tiles.name, "update", "*")]
    keys += [(bus.name, "transfer", "*") for bus in edge.buses]
    keys += [(item.name, action, "*") for item in edge.buffers for action in ("read", "write")]
    each, rest = divmod(total_bytes, steps)
    work = Work(
        tuple(
            (component.resource(action), service.occupancy_ps, service.occupancy_expr)
            for component, action, service in services
        ),
        slow[2].occupancy_ps + latency,
        expression,
        dict.fromkeys(keys, each) if each else {},
        "bandwidth",
        each,
    )
    return work, dict.fromkeys(keys, rest) if rest else {}


def memory_work(edge: EdgeMachine, action: str, num_bytes: int, number: str) -> Work | None:
    """Return the work of reading or writing the memory alone; None without bytes."""
    if num_bytes == 0:
        return None
    service = edge.dram.service(action, {"bytes": num_bytes}, number)
    hold = (edge.dram.resource(action), service.occupancy_ps, service.occupancy_expr)
    return Work(
        (hold,), service.latency_ps, service.latency_expr, service.counts, "bandwidth", num_bytes
    )


def weight_bits(edge: EdgeMachine, number: str) -> int:
    """Return the bits of a format that the macros multiply.

    Raises
    ------
    MappingError
        They do not multiply it.
    """
    from archsim.errors import ConfigError

    try:
        return edge.tiles.weight_bits(number)
    except ConfigError as error:
        raise MappingError(str(error)) from None
