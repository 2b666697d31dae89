"""What the einsums of one attention tile take on the 2D array and on the 1D unit below it.

A tile is M0 keys on the rows by P0 query rows on the columns. Names are those of FuseMax's
cascade 5: QK scores, LM tile maximum, RM running maximum, SLN numerators, SLD their sum, SLNV
their product with V, PRM correction, SPD and SPNV corrected sum and numerator, RD and RNV running
ones, AV the result.

References
----------
FuseMax, MICRO 2024, cascade 5, section V and Table of operation costs (artifact src/models).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mappers.work import Work, in_turn, port_work, service_work

if TYPE_CHECKING:
    from archsim.components.base import Service
    from archsim.components.systolic_array import BoundSystolicArray
    from archsim.machine import Machine
    from mappers.attention_problem import AttentionProblem

ON_ARRAY = ("QK", "LM", "SLN", "SLD", "SLNV")
"""Einsums of a tile on the 2D array in FuseMax's binding."""

ON_VECTOR = ("RM", "PRM", "SPD", "RD", "SPNV", "RNV")
"""Einsums of a tile on the 1D unit."""


Softmax = Literal["array", "vector", "tiled"]
"""Where softmax runs: in the array, which holds the scores; in the 1D unit, beside an array that
holds them; in a vector unit, beside products of any size in the array's own dataflow."""


@dataclass(frozen=True, slots=True)
class TileShape:
    """Keys and query rows of a tile."""

    keys: int
    columns: int


def tile_shape(problem: AttentionProblem, array: BoundSystolicArray) -> TileShape:
    """Return the tile that fills the array, or all there is; as many tiles, but of equal size."""
    law = array.law
    rows = problem.heads * problem.queries
    return TileShape(even_share(problem.keys, law.rows), even_share(rows, law.columns * law.count))


def even_share(total: int, most: int) -> int:
    """Return the size of the fewest equal parts of at most some size."""
    return -(-total // -(-total // most))


def array_work(array: BoundSystolicArray, service: Service, cause: str = "compute") -> Work:
    """Return the work of one service of the array."""
    return Work(
        ((array.name, service.occupancy_ps, service.occupancy_expr),),
        service.latency_ps,
        service.latency_expr,
        service.counts,
        cause,
    )


@dataclass(frozen=True, slots=True)
class TileBytes:
    """Bytes of the pieces of a tile in the innermost level."""

    query: int
    key: int
    value: int
    statistic: int
    numerator: int
    result: int
    score: int

    @staticmethod
    def of(problem: AttentionProblem, shape: TileShape) -> TileBytes:
        """Return the bytes of a problem's tile; values shared with the keys take none."""
        p0, m0 = shape.columns, shape.keys
        return TileBytes(
            query=problem.query.format.bytes(p0 * problem.depth),
            key=problem.key.format.bytes(m0 * problem.depth),
            value=problem.value.format.bytes(m0 * problem.width),
            statistic=problem.statistic.bytes(p0),
            numerator=problem.statistic.bytes(p0 * problem.width),
            result=problem.result.format.bytes(p0 * problem.width),
            score=problem.score.bytes(p0 * m0),
        )

    @property
    def row_block(self) -> int:
        """Bytes that a row block keeps: queries, running maximum, sum and numerator."""
        return self.query + 2 * self.statistic + self.numerator


class TileWorks:
    """Works of the einsums of one tile on a machine, with what they read and write on chip."""

    def __init__(
        self,
        problem: AttentionProblem,
        machine: Machine,
        shape: TileShape,
        softmax: Softmax = "array",
    ) -> None:
        assert machine.array is not None
        assert machine.vector is not None
        self.problem, self.machine, self.shape = problem, machine, shape
        self.array, self.vector = machine.array, machine.vector
        self.bytes = TileBytes.of(problem, shape)
        self.softmax = softmax

    def works(self) -> dict[str, Work]:
        """Return the work of every einsum on its unit, by its name in cascade 5."""
        return {**self._products(), **self._local(), **self._running()}

    def ports(self, names: Sequence[str], action: Literal["read", "write"]) -> Work | None:
        """Return what some einsums read or write in the innermost level, all of it together."""
        found = [self._port(name, action) for name in names]
        parts = [work for work in found if work is not None]
        return in_turn(parts, "buffer") if parts else None

    def _products(self) -> dict[str, Work]:
        problem, shape = self.problem, self.shape
        number = problem.number
        if self.softmax == "tiled":
            m, n = shape.columns, shape.keys
            extents = {
                "QK": {"m": m, "n": n, "k": problem.depth},
                "SLNV": {"m": m, "n": problem.width, "k": n},
            }
            return {
                name: service_work(self.array, "mac", extent, number)
                for name, extent in extents.items()
            }
        depths = {"QK": problem.depth, "SLNV": problem.width}
        return {
            name: array_work(
                self.array, self.array.held_product(shape.keys, shape.columns, depth, number)
            )
            for name, depth in depths.items()
        }

    def _local(self) -> dict[str, Work]:
        """Return LM, SLN and SLD: in the array, or element by element in the 1D unit."""
        shape, number = self.shape, self.problem.number
        each = {"add": 1, "exp": 1}
        for action, count in self.problem.shaping.items():
            each[action] = each.get(action, 0) + count
        if self.softmax == "array":
            array = self.array
            held = (shape.keys, shape.columns)
            return {
                "LM": array_work(array, array.held_reduction(*held, "max", number)),
                "SLN": array_work(array, array.held_operations(*held, each, number)),
                "SLD": array_work(array, array.held_reduction(*held, "add", number)),
            }
        elements = shape.keys * shape.columns
        if self.softmax == "tiled":
            return {
                "LM": self._reduce("max", elements),
                "SLN": self._vector({action: n * elements for action, n in each.items()}),
                "SLD": self._reduce("add", elements),
            }
        return {
            "LM": self._vector({"max": elements}),
            "SLN": self._vector({action: n * elements for action, n in each.items()}),
            "SLD": self._vector({"add": elements}),
        }

    def _running(self) -> dict[str, Work]:
        columns, width = self.shape.columns, self.problem.width
        wide = columns * width
        times = "mac" if "mac" in self.vector.actions() else "mul"
        return {
            "RM": self._vector({"max": columns}),
            "PRM": self._vector({"add": columns, "exp": columns}),
            "SPD": self._vector({times: columns}),
            "RD": self._vector({"add": columns}),
            "SPNV": self._vector({times: wide}),
            "RNV": self._vector({"add": wide}),
            "AV": self._vector({"div": wide}),
        }

    def _reduce(self, action: str, elements: int) -> Work:
        """Return the work of reducing the scores of each row in a vector unit."""
        shape = {action: elements, "results": self.shape.columns}
        return service_work(self.vector, "reduce", shape, self.problem.number)

    def _vector(self, operations: Mapping[str, int]) -> Work:
        return service_work(self.vector, "elementwise", operations, self.problem.number)

    def _port(self, name: str, action: Literal["read", "write"]) -> Work | None:
        """Return what an einsum reads or writes in the innermost level."""
        problem, size = self.problem, self.bytes
        statistic = problem.statistic.name
        key, value = problem.key.format.name, problem.value.format.name
        score = problem.score.name
        reads: dict[str, list[tuple[int, str]]] = {
            "QK": [(size.query, problem.query.format.name), (size.key, key)],
            "SLNV": [(size.value, value)],
            "RM": [(size.statistic, statistic)],
            "SPD": [(size.statistic, statistic)],
            "SPNV": [(size.numerator, statistic)],
            "AV": [(size.numerator, statistic), (size.statistic, statistic)],
        }
        writes: dict[str, list[tuple[int, str]]] = {
            "RM": [(size.statistic, statistic)],
            "RD": [(size.statistic, statistic)],
            "RNV": [(size.numerator, statistic)],
        }
        if self.softmax != "array":
            # Scores and numerators pass through the buffer on their way to the 1D unit and back.
            reads |= {name: [(size.score, score)] for name in ("LM", "SLN", "SLD")}
            reads["SLNV"] = [*reads["SLNV"], (size.score, score)]
            writes |= {name: [(size.score, score)] for name in ("QK", "SLN")}
        moved = reads if action == "read" else writes
        return port_work(self.machine, action, moved.get(name, ()))
