"""The design space: nine choices, enumerated or drawn, always as arrays of many designs.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section IV (read): 25 cluster grids, 49 grids of active tiles, eight
multiples of tiles, five grids of processing elements, four widths for each of three buses; exactly
3,136,000 designs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from archsim.errors import ConfigError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Designs:
    """Many designs, one array for each choice, all of one length.

    Attributes
    ----------
    clusters_v, clusters_h
        Grid of clusters on the chip.
    tiles_v, tiles_h
        Grid of active tiles in a cluster.
    tile_sets
        Tiles of a cluster over its active ones; with two or more, some prefetch.
    elements
        Processing elements along each side of a tile.
    chip_bus_bits, cluster_bus_bits, tile_bus_bits
        Widths of the buses between clusters, between tiles, and within a tile.
    """

    clusters_v: Ints
    clusters_h: Ints
    tiles_v: Ints
    tiles_h: Ints
    tile_sets: Ints
    elements: Ints
    chip_bus_bits: Ints
    cluster_bus_bits: Ints
    tile_bus_bits: Ints

    def __len__(self) -> int:
        return len(self.clusters_v)

    @property
    def clusters(self) -> Ints:
        """Clusters of the chip."""
        return self.clusters_v * self.clusters_h

    @property
    def active_tiles(self) -> Ints:
        """Tiles of a cluster that compute at a time."""
        return self.tiles_v * self.tiles_h

    @property
    def tiles(self) -> Ints:
        """Tiles of a cluster."""
        return self.active_tiles * self.tile_sets

    @property
    def macros(self) -> Ints:
        """Processing elements of the chip, one macro each."""
        return self.clusters * self.tiles * self.elements**2

    def at(self, index: Ints | slice) -> Designs:
        """Return some of the designs."""
        return Designs(*(getattr(self, name)[index] for name in GENES))

    def row(self, index: int) -> dict[str, int]:
        """Return one design by the names of its choices."""
        return {name: int(getattr(self, name)[index]) for name in GENES}


GENES: Final = tuple(field.name for field in fields(Designs))
"""Names of the choices, in order."""


@dataclass(frozen=True, slots=True)
class Space:
    """The values that each choice may take, in the order of `GENES`."""

    name: str
    values: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Number of designs."""
        return int(np.prod([len(each) for each in self.values], dtype=np.int64))

    def designs(self, indices: Ints) -> Designs:
        """Return the designs of some numbers, 0 to size - 1; the last choice varies fastest."""
        rest = np.asarray(indices, dtype=np.int64)
        columns = []
        for choices in reversed(self.values):
            columns.append(np.asarray(choices, dtype=np.int64)[rest % len(choices)])
            rest = rest // len(choices)
        return Designs(*reversed(columns))

    def chunks(self, length: int = 65536) -> Iterator[tuple[int, Designs]]:
        """Yield all designs in order, at most `length` at a time, with the first one's number."""
        for start in range(0, self.size, length):
            yield start, self.designs(np.arange(start, min(start + length, self.size)))

    def from_positions(self, positions: npt.NDArray[np.int64]) -> Designs:
        """Return designs from positions in each choice's values, shape (designs, choices)."""
        columns = (
            np.asarray(choices, dtype=np.int64)[positions[:, gene]]
            for gene, choices in enumerate(self.values)
        )
        return Designs(*columns)


_GRID = tuple(range(1, 6))
_TILES = tuple(range(2, 9))
_BUS = (512, 1024, 2048, 4096)

PUBLISHED: Final = Space(
    "edgecim", (_GRID, _GRID, _TILES, _TILES, tuple(range(1, 9)), tuple(range(2, 7)), *[_BUS] * 3)
)
"""The published space."""


def one_design(**choices: int) -> Designs:
    """Return a single design.

    Raises
    ------
    ConfigError
        A choice is missing, unknown, or not positive.
    """
    if set(choices) != set(GENES):
        wrong = sorted(set(choices) ^ set(GENES))
        raise ConfigError("a design has other choices", given=wrong, allowed=GENES)
    for name, value in choices.items():
        if value < 1:
            raise ConfigError("must be at least 1", path=name, given=value)
    return Designs(*(np.asarray([choices[name]], dtype=np.int64) for name in GENES))
