"""Random programs made to break folding: generators A and B of the engine specification, and C.

C makes deep nests of short loops with small times, in which loops are entered again and again in
the same state, and ties are common. All are limited to a number of instances that a test can
compare one by one: the trips are drawn again from smaller ranges, with the same structure, until
the program fits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from archsim.program import Program, ProgramBuilder, affine, table
from archsim.program.builder import DependentTrip, LoopRef, OpRef

SIZES = (600, 600, 600, 1500, 1500, 5000)
"""Largest number of instances; one is drawn for each program."""


@dataclass
class Shape:
    """What one generator draws from."""

    trips: tuple[int, ...]
    nodes: int
    near_ties: float
    occupancy: tuple[int, int]
    capacities: tuple[int, ...]
    negative_base: bool
    backs: int
    extra: int
    from_start: float
    two_holds: float


A = Shape((3000, 150, 40), 5, 0.3, (0, 200), (1, 1, 2, 3), False, 8, 300, 0.3, 0.25)
B = Shape((3000, 150, 40), 3, 0.0, (0, 30), (1, 1, 2, 3), True, 40, 30, 0.6, 0.2)
C = Shape((14, 12, 9, 6), 3, 0.0, (0, 4), (1, 1, 1, 2, 3), False, 4, 5, 0.5, 0.25)


@dataclass
class _Draft:
    rng: random.Random
    shape: Shape
    builder: ProgramBuilder
    trips: tuple[int, ...]
    levels: int
    sites: dict[int, list[tuple[LoopRef, ...]]] = field(default_factory=dict)
    constant: dict[int, int] = field(default_factory=dict)
    ops: list[OpRef] = field(default_factory=list)


def generate(kind: str, seed: int) -> Program:
    """Return program ``seed`` of generator ``kind``, "A", "B" or "C"."""
    shape = {"A": A, "B": B, "C": C}[kind]
    size = SIZES[seed % len(SIZES)] if seed % 50 else 40_000
    trips: tuple[int, ...] = shape.trips
    while True:
        program = _draw(kind, seed, shape, trips)
        if program is not None and sum(program.instance_counts) <= size:
            return program
        trips = tuple(max(trip * 2 // 3, 6) for trip in trips)
        if max(trips) == 6:
            seed += 1_000_000
            trips = shape.trips


def _draw(kind: str, seed: int, shape: Shape, trips: tuple[int, ...]) -> Program | None:
    rng = random.Random(f"{kind}{seed}")
    builder = ProgramBuilder(f"{kind}{seed}")
    draft = _Draft(rng, shape, builder, trips, rng.randint(1, len(trips)))
    near = rng.random() < shape.near_ties
    resources = [
        builder.resource(f"r{i}", rng.choice(shape.capacities)) for i in range(rng.randint(1, 6))
    ]

    def occupancy() -> int:
        return rng.randint(90, 110) if near else rng.randint(*shape.occupancy)

    def make() -> OpRef:
        several = 2 if rng.random() < shape.two_holds and len(resources) > 1 else 1
        holds = [(resource, occupancy()) for resource in rng.sample(resources, several)]
        extra = rng.randint(0, shape.extra)
        return builder.op(f"o{len(draft.ops)}", holds=holds, latency=holds[0][1] + extra)

    def body(depth: int, stack: tuple[LoopRef, ...]) -> None:
        for _ in range(rng.randint(1, shape.nodes)):
            if depth < draft.levels and (depth == 0 or rng.random() < 0.45):
                trip = _trip(draft, depth, stack)
                with builder.loop(trip, f"l{depth}") as loop:
                    if isinstance(trip, int):
                        draft.constant[loop.number] = trip
                    body(depth + 1, (*stack, loop))
                continue
            if draft.ops and rng.random() < 0.1:
                number = rng.randrange(len(draft.ops))
            else:
                number = len(draft.ops)
                draft.ops.append(make())
            builder.place(draft.ops[number])
            draft.sites.setdefault(number, []).append(stack)

    body(0, ())
    if not draft.ops:
        return None
    _wait(draft, kind)
    return builder.build()


def _trip(draft: _Draft, depth: int, stack: tuple[LoopRef, ...]) -> int | DependentTrip:
    rng, most = draft.rng, draft.trips[depth]
    if stack and rng.random() < 0.25:
        outer = rng.choice(stack)
        if draft.shape.negative_base:
            return affine(-rng.randint(0, most), rng.randint(1, 2), outer)
        return affine(rng.randint(0, most), rng.randint(-2, 2), outer)
    constant = [loop for loop in stack if draft.constant.get(loop.number)]
    if constant and rng.random() < 0.05:
        outer = rng.choice(constant)
        return table([rng.randint(-1, most) for _ in range(draft.constant[outer.number])], outer)
    return rng.randint(0, most)


def _weight(rng: random.Random, kind: str, back: int) -> int:
    if kind == "A":
        return rng.randint(-20, 50)
    if kind == "C":
        return rng.randint(-4, 8)
    choice = rng.randrange(5)
    if choice == 1:
        return back * rng.randint(0, 25)
    low, high = [(0, 40), (0, 0), (0, 1500), (-400, 0), (-20000, 0)][choice]
    return rng.randint(low, high)


def _wait(draft: _Draft, kind: str) -> None:
    rng = draft.rng
    for target in range(len(draft.ops)):
        for _ in range(rng.randint(0, 3)):
            source = rng.randrange(len(draft.ops))
            back = rng.randint(1, draft.shape.backs)
            scopes = [
                loop
                for loop in draft.sites[target][0]
                if all(loop in stack for stack in draft.sites[target])
                and any(loop in stack for stack in draft.sites[source])
            ]
            scope = rng.choice(scopes) if scopes and rng.random() < 0.4 else None
            draft.builder.after(
                draft.ops[target],
                draft.ops[source],
                back=back,
                delay=_weight(rng, kind, back),
                anchor="start" if rng.random() < draft.shape.from_start else "result",
                scope=scope,
            )
