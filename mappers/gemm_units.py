"""Units that make a matrix product: the array, also with operands exchanged, and the vector unit.

For each unit: the work of one step (one tile) for the program, and the totals of all tilings at
once, in numpy, for their bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsim.components.systolic_batch import buffer_words_batch
from mappers.gemm_problem import GemmProblem, Unit, multiply_format
from mappers.pipeline import Step
from mappers.rates import Floats, Ints
from mappers.work import Work, in_turn, port_work, service_work

if TYPE_CHECKING:
    from archsim.components.systolic_array import BoundSystolicArray
    from archsim.components.vector_unit import BoundVectorUnit
    from archsim.machine import Machine
    from archsim.numberformat import NumberFormat


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tile extents of many tilings and the tiles along each dimension; shape (tilings,) each."""

    m: Ints
    n: Ints
    k: Ints
    num_m: Ints
    num_n: Ints
    num_k: Ints


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Totals of a compute unit over all steps of each tiling; shape (tilings,) each.

    Attributes
    ----------
    busy_ps, latency_ps
        Sums of occupancy and of latency over all steps.
    least_latency_ps
        Least latency of a step.
    last_busy_ps, last_latency_ps
        Those of the last step.
    read_bytes, write_bytes
        Bytes at the buffer's ports, partial sums included.
    """

    busy_ps: Floats
    latency_ps: Floats
    least_latency_ps: Floats
    last_busy_ps: Floats
    last_latency_ps: Floats
    read_bytes: Floats
    write_bytes: Floats


def bytes_per_element(number: NumberFormat) -> float:
    """Return the bytes of an element with its share of scales, before rounding up."""
    return float(number.bits_per_element / 8)


def units(problem: GemmProblem, machine: Machine) -> tuple[tuple[Unit, str], ...]:
    """Return the units that can make the product, each with the format in which it multiplies."""
    found: list[tuple[Unit, str]] = []
    if machine.array is not None:
        number = multiply_format(problem, machine.array.formats)
        if number is not None:
            found += [("array", number), ("array-swapped", number)]
    if machine.vector is not None and "mac" in machine.vector.actions():
        found.append(("vector", problem.wider_format.name.partition(":")[0]))
    return tuple(found)


def unit_cost(
    problem: GemmProblem, machine: Machine, tiles: Tiles, unit: Unit, number: str
) -> UnitCost:
    """Return the totals of a compute unit over all tiles of every tiling."""
    shape = tiles.m.shape
    busy, latency, reads, writes = (np.zeros(shape) for _ in range(4))
    least = np.full(shape, np.inf)
    last_busy = last_latency = np.zeros(shape)
    parts = [
        ((extent // tile, tile), ((extent % tile > 0).astype(np.int64), extent % tile))
        for extent, tile in ((problem.m, tiles.m), (problem.n, tiles.n), (problem.k, tiles.k))
    ]
    lhs, rhs = bytes_per_element(problem.lhs.format), bytes_per_element(problem.rhs.format)
    partial = bytes_per_element(problem.accumulator)
    for count_m, m in parts[0]:
        for count_n, n in parts[1]:
            for count_k, k in parts[2]:
                steps = count_m * count_n * count_k
                if not steps.any():
                    continue
                # Sizes of tiles that do not exist (count 0) only have to be legal.
                sizes = (np.maximum(m, 1), np.maximum(n, 1), np.maximum(k, 1))
                each = _step_costs(machine, unit, number, sizes)
                busy += steps * each[0]
                latency += steps * each[1]
                exists = steps > 0
                least = np.where(exists, np.minimum(least, each[1]), least)
                # Ragged sizes come last in these loops as in the program.
                last_busy = np.where(exists, each[0], last_busy)
                last_latency = np.where(exists, each[1], last_latency)
                reads += steps * (lhs * each[2] + rhs * each[3] + partial * (each[4] - m * n))
                writes += steps * partial * each[4]
    carried = (tiles.num_k - 1) * float(problem.m * problem.n) * partial
    batch = problem.batch
    return UnitCost(
        batch * busy,
        batch * latency,
        least,
        last_busy,
        last_latency,
        batch * (reads + carried),
        batch * writes,
    )


_StepCosts: TypeAlias = tuple[Floats, Floats, Ints, Ints, Ints]


def _step_costs(
    machine: Machine, unit: Unit, number: str, shape: tuple[Ints, Ints, Ints]
) -> _StepCosts:
    """Return (occupancy, latency, lhs words, rhs words, result words) of one step of each shape."""
    m, n, k = shape
    if unit == "vector" and machine.vector is not None:
        return _vector_costs(machine.vector, m, n, k)
    array = _array(machine)
    if unit == "array-swapped":
        busy, latency, second, first, out = _array_costs(array, number, n, m, k)
        return busy, latency, first, second, out
    return _array_costs(array, number, m, n, k)


def _array(machine: Machine) -> BoundSystolicArray:
    array = machine.array
    assert array is not None
    return array


def _array_costs(array: BoundSystolicArray, number: str, m: Ints, n: Ints, k: Ints) -> _StepCosts:
    period = float(array.clock.period_ps)
    busy = period * array.gemm_cycles_steady_batch(m, n, k, number)
    latency = period * array.gemm_cycles_batch(m, n, k, number)
    rate = array.macs_per_cycle(number)
    return busy, latency, *buffer_words_batch(array.law, m, n, k, macs_per_cycle=rate)


def _vector_costs(vector: BoundVectorUnit, m: Ints, n: Ints, k: Ints) -> _StepCosts:
    period = vector.clock.period_ps
    results = m * n
    issue = -(-results * k // vector.unit.lanes) * vector.cycles({"mac": 1})
    if "add" in vector.actions():
        share = np.minimum(vector.unit.lanes // results, k)
        levels = np.ceil(np.log2(np.maximum(share, 1))).astype(np.int64)
        issue = issue + np.where(share > 1, (1 + levels) * vector.cycles({"add": 1}), 0)
    busy = (period * issue).astype(np.float64)
    pipeline = float(period * vector.unit.pipeline_cycles)
    return busy, busy + pipeline, m * k, results * k, results


def step(
    problem: GemmProblem, machine: Machine, unit: Unit, number: str, shape: tuple[int, int, int]
) -> Step:
    """Return what one step does on a tile of ``(m, n, k)`` elements.

    Notes
    -----
    Buffer reads and writes are the words that the unit's law moves, partial sums in the
    accumulator's format; they occupy the ports beside the computation. The vector unit reads the
    rhs once for each lhs row. Lanes that share a result add their partial sums in a tree (a
    reduction of the unit), where it supports ``add``.
    """
    m, n, k = shape
    if unit == "vector" and machine.vector is not None:
        work = _vector_work(machine.vector, number, m, n, k)
        lhs, rhs, out = m * k, m * n * k, m * n
    else:
        array = _array(machine)
        first, second = (n, m) if unit == "array-swapped" else (m, n)
        work = service_work(array, "mac", {"m": first, "n": second, "k": k}, number)
        lhs, rhs, out = array.buffer_words(first, second, k, number)
        if unit == "array-swapped":
            lhs, rhs = rhs, lhs
    partial = problem.accumulator
    operands = [
        (problem.lhs.format.bytes(lhs), problem.lhs.format.name),
        (problem.rhs.format.bytes(rhs), problem.rhs.format.name),
        (partial.bytes(out - m * n), partial.name),
    ]
    return Step(
        chain=(("mac", work, {}),),
        reads=port_work(machine, "read", operands),
        writes=port_work(machine, "write", [(partial.bytes(out), partial.name)]),
        carry=port_work(machine, "read", [(partial.bytes(m * n), partial.name)]),
    )


def _vector_work(vector: BoundVectorUnit, number: str, m: int, n: int, k: int) -> Work:
    works = [service_work(vector, "elementwise", {"mac": m * n * k}, number)]
    share = min(vector.unit.lanes // (m * n), k)
    if share > 1 and "add" in vector.actions():
        tree = {"add": share * m * n, "results": m * n}
        works.append(service_work(vector, "reduce", tree, number))
    return in_turn(works, "compute")
