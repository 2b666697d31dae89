"""The design space: nine choices, enumerated or drawn, always as arrays of many designs.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section IV (read): 25 cluster grids, 49 grids of active tiles, eight
multiples of tiles, five grids of processing elements, four widths for each of three buses; exactly
3,136,000 designs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from archsim.errors import ConfigError, nearest

Ints = npt.NDArray[np.int64]

GENES: Final = (
    "clusters_v",
    "clusters_h",
    "tiles_v",
    "tiles_h",
    "tile_sets",
    "elements",
    "chip_bus_bits",
    "cluster_bus_bits",
    "tile_bus_bits",
)
"""Names of the published choices, in order."""

EXTRA: Final = (
    "macro_rows",
    "macro_columns",
    "rows_written",
    "weight_sets",
    "bits_per_cycle",
    "channels",
    "bits",
)
"""Further choices of the extended space; without them the machine's file (or the job) decides."""


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
    extra
        Choices beyond the published ones, by the names of `EXTRA`: rows and columns of a macro,
        rows written in a cycle, sets of weights in a macro (two: ping-pong), input bits of a cycle,
        DRAM channels, and bits of weights and cache.
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
    extra: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clusters_v)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the choices made."""
        return (*GENES, *self.extra)

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

    def column(self, name: str) -> Ints:
        """Return the values of one choice."""
        found: Ints = self.extra[name] if name in self.extra else getattr(self, name)
        return found

    def at(self, index: Ints | slice) -> Designs:
        """Return some of the designs."""
        return make_designs({name: self.column(name)[index] for name in self.names})

    def row(self, index: int) -> dict[str, int]:
        """Return one design by the names of its choices."""
        return {name: int(self.column(name)[index]) for name in self.names}


def make_designs(columns: Mapping[str, Ints]) -> Designs:
    """Return designs of arrays by the names of their choices.

    Raises
    ------
    ConfigError
        A published choice is missing, or a name is none.
    """
    missing = [name for name in GENES if name not in columns]
    unknown = [name for name in columns if name not in (*GENES, *EXTRA)]
    if missing or unknown:
        raise ConfigError(
            "a design has other choices",
            given=", ".join(unknown or missing),
            allowed=(*GENES, *EXTRA),
            hint=nearest(unknown[0], (*GENES, *EXTRA)) if unknown else None,
        )
    extra = {name: columns[name] for name in columns if name in EXTRA}
    return Designs(
        clusters_v=columns["clusters_v"],
        clusters_h=columns["clusters_h"],
        tiles_v=columns["tiles_v"],
        tiles_h=columns["tiles_h"],
        tile_sets=columns["tile_sets"],
        elements=columns["elements"],
        chip_bus_bits=columns["chip_bus_bits"],
        cluster_bus_bits=columns["cluster_bus_bits"],
        tile_bus_bits=columns["tile_bus_bits"],
        extra=extra,
    )


@dataclass(frozen=True, slots=True)
class Space:
    """The values that each choice may take, in the order of `names`."""

    name: str
    values: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = GENES

    @property
    def size(self) -> int:
        """Number of designs."""
        return int(np.prod([len(each) for each in self.values], dtype=np.int64))

    def designs(self, indices: Ints) -> Designs:
        """Return the designs of some numbers, 0 to size - 1; the last choice varies fastest."""
        rest = np.asarray(indices, dtype=np.int64)
        columns = {}
        for name, choices in zip(reversed(self.names), reversed(self.values), strict=True):
            columns[name] = np.asarray(choices, dtype=np.int64)[rest % len(choices)]
            rest = rest // len(choices)
        return make_designs({name: columns[name] for name in self.names})

    def chunks(self, length: int = 65536) -> Iterator[tuple[int, Designs]]:
        """Yield all designs in order, at most `length` at a time, with the first one's number."""
        for start in range(0, self.size, length):
            yield start, self.designs(np.arange(start, min(start + length, self.size)))

    def from_positions(self, positions: npt.NDArray[np.int64]) -> Designs:
        """Return designs from positions in each choice's values, shape (designs, choices)."""
        return make_designs(
            {
                name: np.asarray(choices, dtype=np.int64)[positions[:, gene]]
                for gene, (name, choices) in enumerate(zip(self.names, self.values, strict=True))
            }
        )


_GRID = tuple(range(1, 6))
_TILES = tuple(range(2, 9))
_BUS = (512, 1024, 2048, 4096)

PUBLISHED: Final = Space(
    "edgecim", (_GRID, _GRID, _TILES, _TILES, tuple(range(1, 9)), tuple(range(2, 7)), *[_BUS] * 3)
)
"""The published space."""

EXTENDED: Final = Space(
    "extended",
    (
        *PUBLISHED.values,
        (8, 16, 32, 64, 128),
        (8, 16, 32, 64),
        (1, 2, 4, 8),
        (1, 2),
        (1, 2, 4),
        (4, 8, 16, 32),
        (4, 8),
    ),
    (*GENES, *EXTRA),
)
"""Ours: the published choices times macro rows and columns, rows written a cycle, ping-pong, input
bits a cycle, channels and operand bits."""

SPACES: Final = {space.name: space for space in (PUBLISHED, EXTENDED)}
"""The spaces by name."""


def one_design(**choices: int) -> Designs:
    """Return a single design.

    Raises
    ------
    ConfigError
        A choice is missing, unknown, or not positive.
    """
    for name, value in choices.items():
        if value < 1:
            raise ConfigError("must be at least 1", path=name, given=value)
    return make_designs(
        {name: np.asarray([value], dtype=np.int64) for name, value in choices.items()}
    )
