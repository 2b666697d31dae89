"""The pipelined loop nest of one tiling of a matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mappers.gemm_bound import footprint, tilings
from mappers.gemm_problem import GemmChoice, GemmProblem, MatrixTensor
from mappers.gemm_units import step, units
from mappers.pipeline import Axis, Nest, Shape, Step, Stream
from mappers.work import Work, keep_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine


def gemm_nest(problem: GemmProblem, machine: Machine, choice: GemmChoice) -> Nest:
    """Return the nest that a choice stands for.

    Loops are batch, the two result dimensions in the order of the choice, and k.
    """
    number = dict(units(problem, machine))[choice.unit]
    by_name = {
        "m": Axis("m", problem.m, choice.tile_m),
        "n": Axis("n", problem.n, choice.tile_n),
    }
    axes = (
        Axis("batch", problem.batch, 1),
        by_name[choice.order[0]],
        by_name[choice.order[1]],
        Axis("k", problem.k, choice.tile_k, reduced=True),
    )
    loads = [
        _operand(problem, machine, tensor, axis, panel=choice.panel and axis == choice.order[0])
        for tensor, axis in ((problem.lhs, "m"), (problem.rhs, "n"))
        if tensor.home != machine.innermost
    ]

    def step_of(shape: Shape) -> Step:
        extents = (shape["m"], shape["n"], shape["k"])
        return step(problem, machine, choice.unit, number, extents)

    return Nest(
        name=f"gemm {problem.tags.get('einsum', '')}".strip(),
        axes=axes,
        loads=tuple(loads),
        stores=(_result(problem, machine),),
        step=step_of,
        tags=problem.tags,
        level=machine.innermost,
    )


def _operand(
    problem: GemmProblem, machine: Machine, tensor: MatrixTensor, axis: str, *, panel: bool
) -> Stream:
    """Return the loads of an operand: tiles of (axis, k), or of the axis with its whole k."""

    def work(shape: Shape) -> Work:
        num_bytes = tensor.format.bytes(shape[axis] * (problem.k if panel else shape["k"]))
        return transfer_work(machine, tensor.home, machine.innermost, num_bytes, tensor.format.name)

    axes = {"batch", axis} if panel else {"batch", axis, "k"}
    return Stream(tensor.name, frozenset(axes), work, problem.tags)


def _result(problem: GemmProblem, machine: Machine) -> Stream:
    """Return the stores of the result; in place if its home is the innermost level."""
    tensor = problem.out

    def work(shape: Shape) -> Work:
        num_bytes = tensor.format.bytes(shape["m"] * shape["n"])
        if tensor.home == machine.innermost:
            return keep_work(machine, num_bytes, tensor.format.name)
        return transfer_work(machine, machine.innermost, tensor.home, num_bytes, tensor.format.name)

    def room(shape: Shape) -> int:
        return problem.accumulator.bytes(shape["m"] * shape["n"])

    return Stream(tensor.name, frozenset({"batch", "m", "n"}), work, problem.tags, room)


def footprint_bytes(problem: GemmProblem, machine: Machine, choice: GemmChoice) -> int:
    """Return the bytes that the tiles of a choice take of the innermost level."""
    tiles = tilings(problem, (choice.tile_m,), (choice.tile_n,), (choice.tile_k,))
    used = footprint(problem, tiles, choice.order, choice.panel, machine.innermost)
    return int(np.max(used))
