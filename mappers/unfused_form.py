"""Unfused attention in closed form: scores, softmax, context, each through memory.

Every phase takes the longer of its computation and its traffic. Products fill the array tile by
tile; softmax keeps a row of scores on chip and takes one result a cycle and lane for each of
maximum, exponential (with its difference), sum and quotient. Where neither operand of a product
fits in half the buffer, the smaller one is held piece by piece and the other read again for each.

References
----------
FuseMax, MICRO 2024, section VI-A (the unfused baseline); how often its mapper reads keys again
beyond 64K tokens does not follow from its description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mappers.attention_tiles import array_work
from mappers.closed_form import ClosedForm, Phase, Tally
from mappers.flat_plan import SOFTMAX
from mappers.work import Work, port_work, service_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Placement
    from mappers.attention_problem import AttentionProblem, Part


def unfused_form(
    problem: AttentionProblem, machine: Machine, placement: Placement
) -> ClosedForm | None:
    """Return the closed form of one head, repeated; None if the machine lacks a unit for it."""
    array, vector = machine.array, machine.vector
    if array is None or vector is None or problem.number not in array.formats:
        return None
    if {*SOFTMAX, *problem.shaping} - set(vector.actions()):
        return None
    heads = problem.groups * problem.heads
    points = problem.queries * problem.keys
    score = problem.score
    half = placement.available_bytes.get(machine.innermost)
    phases = (
        _product(
            problem, machine, "scores", problem.depth, (problem.query, problem.key), points, half
        ),
        _softmax(problem, machine, 2 * score.bytes(points)),
        _product(
            problem,
            machine,
            "context",
            problem.width,
            (problem.result, problem.value),
            points,
            half,
        ),
    )
    return ClosedForm("unfused", heads, phases, problem.tags)


def _product(
    problem: AttentionProblem,
    machine: Machine,
    name: str,
    depth: int,
    parts: tuple[Part, Part],
    points: int,
    room_bytes: int | None,
) -> Phase:
    """Return the phase of a product: scores in or out, and both other tensors."""
    array = machine.array
    assert array is not None
    rows, columns = array.law.rows, array.law.columns * array.law.count
    tiles = -(-problem.queries // columns) * -(-problem.keys // rows)
    held = array_work(array, array.held_product(rows, columns, depth * tiles, problem.number))
    macs = dict.fromkeys(held.counts, points * depth)
    work = Work(held.holds, held.latency_ps, held.latency_expr, macs, held.cause)
    einsum = problem.scores if name == "scores" else problem.context
    sides = [
        part.format.bytes(extent * depth)
        for part, extent in zip(parts, (problem.queries, problem.keys), strict=True)
    ]
    again = pieces(min(sides), room_bytes)
    read = max(sides) * again + min(sides) if name == "scores" else sides[1] * again
    written = problem.score.bytes(points) if name == "scores" else sides[0]
    # Both operands of a tile of the array pass the buffer's port; one of the context's is scores.
    operands = tiles * (rows + columns) * depth
    if name == "context":
        read += problem.score.bytes(points)
        operands = tiles * rows * depth + points
    ports = (problem.score.bytes(operands), written)
    return _phase(name, einsum, work, machine, (read, written), ports, problem)


def pieces(num_bytes: int, room_bytes: int | None) -> int:
    """Return in how many pieces a tensor is held in half of some room."""
    return 1 if room_bytes is None else max(1, -(-num_bytes // max(1, room_bytes // 2)))


def _softmax(problem: AttentionProblem, machine: Machine, moved_bytes: int) -> Phase:
    vector = machine.vector
    assert vector is not None
    lanes = vector.unit.lanes
    each = problem.queries * -(-problem.keys // lanes) * lanes
    operations = dict(SOFTMAX)
    for action, count in problem.shaping.items():
        operations[action] = operations.get(action, 0) + count
    work = service_work(
        vector, "elementwise", {a: n * each for a, n in operations.items()}, problem.number
    )
    half = moved_bytes // 2
    # Maximum, sum and quotient read the row, the exponential reads and writes it, the quotient
    # writes it: five accesses to each score (FuseMax artifact, for FLAT).
    ports = (3 * half, 2 * half)
    return _phase("softmax", problem.softmax[-1], work, machine, (half, half), ports, problem)


def _phase(
    name: str,
    einsum: str,
    work: Work,
    machine: Machine,
    moved: tuple[int, int],
    ports: tuple[int, int],
    problem: AttentionProblem,
) -> Phase:
    """Return a phase: computation, what it reads and writes on chip, and its memory traffic."""
    tally = Tally()
    tally.add(einsum, work, 1)
    for action, num_bytes in (("read", ports[0]), ("write", ports[1])):
        port = port_work(machine, action, [(num_bytes, problem.score.name)])
        if port is not None:
            tally.add(einsum, port, 1)
    ends = (machine.outermost, machine.innermost)
    for num_bytes, (source, target) in zip(moved, (ends, ends[::-1]), strict=True):
        transfer = transfer_work(machine, source, target, num_bytes, problem.score.name)
        tally.add(einsum, transfer, 1)
    times = [(busy, resource) for resource, busy in sorted(tally.busy_ps.items())]
    time_ps, limit = max(times)
    cause = "compute" if limit == work.holds[0][0] else "bandwidth"
    return Phase(name, time_ps, cause, tally)
