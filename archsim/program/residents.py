"""Tags that say what an operation puts into a memory level and takes out of it again.

A *stream* is a row of tiles that enter a level one by one and leave in the same order: the tiles
of an operand, or of a result. The operations that open a tile carry the tag ``fills``, those that
give one up carry ``frees``. Neither changes what is timed; they let a timeline say how full a
level is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from archsim.errors import SimulationError

FILLS: Final = "fills"
FREES: Final = "frees"


class Fill(NamedTuple):
    """A tile enters ``level`` at the start of every ``every``-th instance, the first included.

    ``num_bytes`` is the room that it takes until it leaves.
    """

    level: str
    stream: str
    num_bytes: int
    every: int = 1


class Free(NamedTuple):
    """The oldest tile of a stream leaves ``level`` at the end of every ``every``-th instance."""

    level: str
    stream: str
    every: int = 1


def resident_tags(fills: Iterable[Fill] = (), frees: Iterable[Free] = ()) -> dict[str, str]:
    """Return the tags of an operation that opens and gives up tiles.

    Instances are counted over all operations that carry a tag for the same stream, so that tiles
    of several shapes can have operations of their own.
    """
    tags = {FILLS: ";".join(" ".join(map(str, item)) for item in fills)}
    tags[FREES] = ";".join(" ".join(map(str, item)) for item in frees)
    return {name: text for name, text in tags.items() if text}


def read_fills(tags: Mapping[str, str]) -> tuple[Fill, ...]:
    """Return what the tag ``fills`` says.

    Raises
    ------
    SimulationError
        It is not of the form that `resident_tags` writes.
    """
    return tuple(
        Fill(level, stream, *numbers)
        for level, stream, numbers in _items(tags.get(FILLS, ""), FILLS, 2)
    )


def read_frees(tags: Mapping[str, str]) -> tuple[Free, ...]:
    """Return what the tag ``frees`` says.

    Raises
    ------
    SimulationError
        It is not of the form that `resident_tags` writes.
    """
    return tuple(
        Free(level, stream, *numbers)
        for level, stream, numbers in _items(tags.get(FREES, ""), FREES, 1)
    )


def _items(text: str, tag: str, size: int) -> Iterable[tuple[str, str, list[int]]]:
    for item in filter(None, text.split(";")):
        level, _, rest = item.partition(" ")
        stream, *words = rest.rsplit(" ", size)
        if len(words) != size or not all(word.isdigit() for word in words):
            raise SimulationError(f"the tag {tag} cannot be read; given {item!r}")
        yield level, stream, [int(word) for word in words]
