"""Execute cascades with numpy: every tensor of a small cascade as an array."""

from __future__ import annotations

from collections.abc import Mapping
from math import erf
from string import ascii_letters
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsim.errors import WorkloadError
from workloads.operation import OPERATIONS, Apply, Constant, Expression, Operand
from workloads.traffic import read_before_written

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from workloads.access import Access, IndexExpr
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum

Array: TypeAlias = "NDArray[np.float64]"
Indices: TypeAlias = "NDArray[np.intp]"

_ERF = np.frompyfunc(erf, 1, 1)

_UNARY: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda value: 1.0 / np.sqrt(value),
    "tanh": np.tanh,
    "erf": lambda value: np.asarray(_ERF(value), dtype=np.float64),
    "log": np.log,
    "sigmoid": lambda value: 1.0 / (1.0 + np.exp(-value)),
    "abs": np.abs,
    "neg": np.negative,
    "copy": lambda value: value,
}
_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "mul": np.multiply,
    "add": np.add,
    "sub": np.subtract,
    "max": np.maximum,
    "min": np.minimum,
    "div": np.divide,
    "sub_exp": lambda left, right: np.exp(left - right),
    "at_most": lambda left, right: np.asarray(left <= right, dtype=np.float64),
}
_REDUCE: dict[str, np.ufunc] = {
    "mul": np.multiply,
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
}


def evaluate(cascade: Cascade, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Return an array per tensor that the cascade makes; see :meth:`Cascade.execute`."""
    arrays = _allocate(cascade, inputs)
    iterative = cascade.iterative_rank
    for section in ("init", "body", "tail"):
        einsums = [einsum for einsum in cascade.einsums if einsum.section == section]
        if section == "body" and iterative is not None:
            for iteration in range(iterative.extent):
                for einsum in einsums:
                    _Step(einsum, arrays, {iterative.variable: iteration}).run()
        else:
            for einsum in einsums:
                _Step(einsum, arrays, {}).run()
    return {name: arrays[name] for name in cascade.made()}


def _allocate(cascade: Cascade, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    made = set(cascade.made())
    arrays: dict[str, Array] = {}
    for tensor in cascade.tensors:
        shape = tensor.shape(cascade)
        needed = tensor.role != "intermediate" and read_before_written(cascade, tensor.name) > 0
        if tensor.name in inputs and (tensor.name not in made or tensor.role == "kv"):
            array = np.array(inputs[tensor.name], dtype=np.float64)
            if array.shape != shape:
                raise WorkloadError(
                    f"cascade {cascade.name}: input {tensor.name} has the wrong shape",
                    given=str(array.shape),
                    allowed=str(shape),
                )
            arrays[tensor.name] = array
        elif tensor.name not in made or (tensor.role == "kv" and needed):
            raise WorkloadError(
                f"cascade {cascade.name}: input {tensor.name} is missing", allowed=str(shape)
            )
        else:
            arrays[tensor.name] = np.zeros(shape)
    return arrays


class _Step:
    """One einsum, with some variables held at one coordinate."""

    def __init__(self, einsum: Einsum, arrays: dict[str, Array], fixed: Mapping[str, int]) -> None:
        self.einsum = einsum
        self.arrays = arrays
        self.extents = {
            variable: 1 if variable in fixed else extent for variable, extent in einsum.space
        }
        variables = list(self.extents)
        self.coordinates: dict[str, Indices] = {}
        for axis, variable in enumerate(variables):
            shape = [1] * len(variables)
            shape[axis] = self.extents[variable]
            start = fixed.get(variable, 0)
            values = np.arange(start, start + self.extents[variable], dtype=np.intp)
            self.coordinates[variable] = values.reshape(shape)
        self.num_kept = len(variables) - len(einsum.reduce)

    def run(self) -> None:
        einsum = self.einsum
        mask = self._mask()
        if mask is None:
            value = self._contract()
            if value is None:
                value = self._reduce(self._map(), None)
        else:
            # Points that the mask removes may overflow; their values are never used.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                value = self._reduce(self._map(), mask)
        kept = tuple(self.extents.values())[: self.num_kept]
        target = tuple(self._kept_index(index) for index in einsum.output.indices)
        value = np.broadcast_to(value, kept)
        if mask is not None and not einsum.reduce:
            value = np.where(mask, value, self.arrays[einsum.output.tensor][target])
        self.arrays[einsum.output.tensor][target] = value

    def _index(self, index: IndexExpr) -> Indices:
        if index.gather is not None:
            return self._read(index.gather).astype(np.intp)
        total = np.full((1,) * len(self.extents), index.offset, dtype=np.intp)
        for variable, coefficient in index.terms:
            total = total + coefficient * self.coordinates[variable]
        return total

    def _kept_index(self, index: IndexExpr) -> Indices:
        """Return an output coordinate over the variables that are not reduced."""
        coordinate = self._index(index)
        return coordinate.reshape(coordinate.shape[: self.num_kept])

    def _read(self, access: Access) -> Array:
        array = self.arrays[access.tensor]
        indices = []
        for index, extent in zip(access.indices, array.shape, strict=True):
            coordinate = self._index(index)
            # A filter may remove the points beyond a padded split.
            indices.append(
                coordinate if index.bound is None else np.minimum(coordinate, extent - 1)
            )
        if not indices:
            return array.reshape((1,) * len(self.extents))
        values: Array = array[tuple(indices)]
        return values

    def _mask(self) -> NDArray[np.bool_] | None:
        mask: NDArray[np.bool_] | None = None
        for access in self.einsum.operands:
            for index in access.indices:
                if index.bound is not None:
                    coordinate, bound = self._index(index), self._index(index.bound)
                    mask = coordinate <= bound
                    if index.window:
                        mask = mask & (coordinate > bound - index.window)
        return mask

    def _map(self) -> Array:
        operands = [self._read(access) for access in self.einsum.operands]
        return _apply(self.einsum.map, operands)

    def _reduce(self, value: Array, mask: NDArray[np.bool_] | None) -> Array:
        if not self.einsum.reduce:
            return value
        operation = self.einsum.reduce[0][1]
        if operation == "argtop":
            return self._places(value)
        full = np.broadcast_to(value, tuple(self.extents.values()))
        identity = OPERATIONS[operation].identity
        if mask is not None and identity is not None:
            full = np.where(mask, full, identity)
        axes = tuple(range(self.num_kept, len(self.extents)))
        reduced: Array = _REDUCE[operation].reduce(full, axis=axes)
        return reduced

    def _places(self, value: Array) -> Array:
        """Return the coordinates of the largest values; ties go to the first."""
        places = self.num_kept - 1
        shape = list(self.extents.values())
        number, shape[places] = shape[places], 1
        ranked = np.broadcast_to(value, shape).squeeze(axis=places)
        order = np.argsort(-ranked, axis=-1, kind="stable")[..., :number]
        return order.astype(np.float64)

    def _contract(self) -> Array | None:
        """Return the value by ``np.einsum`` if the einsum is a plain matrix product."""
        if self.einsum.matmul() is None:
            return None
        letters = dict(zip(self.extents, ascii_letters, strict=False))
        subscripts, operands = [], []
        for access in self.einsum.operands:
            if any(index.kind != "var" for index in access.indices):
                return None
            array = self._read(access)
            shared = set(access.variables())
            axes = tuple(axis for axis, name in enumerate(self.extents) if name not in shared)
            operands.append(array.squeeze(axis=axes))
            subscripts.append("".join(letters[name] for name in self.extents if name in shared))
        kept = "".join(letters[name] for name in list(self.extents)[: self.num_kept])
        value: Array = np.einsum(f"{subscripts[0]},{subscripts[1]}->{kept}", *operands)
        return value


def _apply(expression: Expression, operands: list[Array]) -> Array:
    if isinstance(expression, Operand):
        return operands[expression.index]
    if isinstance(expression, Constant):
        return np.asarray(expression.value, dtype=np.float64)
    assert isinstance(expression, Apply)
    arguments = [_apply(argument, operands) for argument in expression.arguments]
    if len(arguments) == 1:
        return _UNARY[expression.operation](arguments[0])
    return _BINARY[expression.operation](arguments[0], arguments[1])
