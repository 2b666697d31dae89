"""Order of the einsums of a cascade file: sections, dependences, cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workloads.access import Access


@dataclass(frozen=True, slots=True)
class Line:
    """An einsum before it is put in order.

    Attributes
    ----------
    position
        Place in the file.
    output, operands
        What it writes and reads, gathered coordinates included.
    """

    position: int
    output: Access
    operands: tuple[Access, ...]

    def uses(self, variable: str) -> bool:
        """Whether a rank variable occurs."""
        return any(variable in item.variables() for item in (self.output, *self.operands))


def versioned_tensors(lines: Sequence[Line], variable: str | None) -> dict[str, int]:
    """Return tensors written at ``variable + 1``, with the position of that index."""
    found: dict[str, int] = {}
    for line in lines:
        for position, index in enumerate(line.output.indices):
            if index.kind == "shift" and index.terms[0][0] == variable:
                found[line.output.tensor] = position
    return found


def section_of(line: Line, lines: Sequence[Line], variable: str | None) -> str:
    """Return the section of an einsum: body if it uses the iterative rank, else before or after.

    Whatever reads something that the body makes comes after it.
    """
    if variable is None or line.uses(variable):
        return "body"
    body = {item.output.tensor for item in lines if item.uses(variable)}
    after: set[str] = set()
    for _ in lines:
        for item in lines:
            if not item.uses(variable) and {a.tensor for a in item.operands} & (body | after):
                after.add(item.output.tensor)
    if line.output.tensor in body:
        return "init"
    return "tail" if line.output.tensor in after else "init"


def waits_for(line: Line, other: Line, versions: Mapping[str, int]) -> bool:
    """Whether an einsum needs what another one of the same section makes."""
    for access in line.operands:
        if access.tensor != other.output.tensor:
            continue
        position = versions.get(access.tensor)
        if position is None:
            return True
        index = access.indices[position]
        if index.kind == "shift" or not index.terms:
            return True
    return False


def in_order(
    lines: Sequence[Line], versions: Mapping[str, int]
) -> tuple[list[Line], tuple[Line, ...]]:
    """Return einsums so that each comes after what it needs, otherwise as in the file.

    Returns
    -------
    (list, tuple)
        The order, and the einsums of a cycle if there is one.
    """
    left = list(lines)
    done: list[Line] = []
    while left:
        ready = next(
            (
                line
                for line in left
                if not any(waits_for(line, other, versions) for other in left if other is not line)
                and not waits_for(line, line, versions)
            ),
            None,
        )
        if ready is None:
            return done, _cycle(left, versions)
        left.remove(ready)
        done.append(ready)
    return done, ()


def _cycle(left: Sequence[Line], versions: Mapping[str, int]) -> tuple[Line, ...]:
    """Return einsums that need each other, in the order in which they do."""
    path = [left[0]]
    while True:
        needed = next(other for other in left if waits_for(path[-1], other, versions))
        if needed in path:
            return tuple(path[path.index(needed) :])
        path.append(needed)
