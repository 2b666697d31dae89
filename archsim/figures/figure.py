"""What a figure is: data first, as tables that anyone can check, then a drawing of those tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Cell: TypeAlias = str | int | float | None

FORMATS: Final = ("pdf", "png", "svg")
"""Kinds of picture, by the ending of the file's name."""


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What the user asked for.

    Attributes
    ----------
    data
        File or folder with published or measured points, drawn beside ours; None draws ours alone
        and those that the figure itself quotes.
    seed
        Seed of everything random.
    """

    data: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; a column's unit is the suffix of its name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} of {len(self.columns)} cells")

    def column(self, name: str) -> tuple[Cell, ...]:
        """Return the cells of one column."""
        index = self.columns.index(name)
        return tuple(row[index] for row in self.rows)

    def where(self, **cells: Cell) -> Table:
        """Return the rows in which each named column has the given cell."""
        wanted = {self.columns.index(name): cell for name, cell in cells.items()}
        kept = (r for r in self.rows if all(r[i] == cell for i, cell in wanted.items()))
        return Table(self.columns, tuple(kept))


@dataclass(frozen=True, slots=True)
class FigureData:
    """Everything that is drawn.

    Attributes
    ----------
    tables
        By name; each is written as CSV beside the picture.
    notes
        What a reader must know: sources of published points, what was left out.
    size_inches
        Width and height of the picture.
    """

    tables: Mapping[str, Table]
    notes: Sequence[str] = field(default_factory=tuple)
    size_inches: tuple[float, float] = (6.4, 4.0)


@runtime_checkable
class Figure(Protocol):
    """A figure, found by its registry name."""

    name: str
    """Registry name."""
    title: str
    """What it shows, in one line."""

    def data(self, request: FigureRequest) -> FigureData:
        """Compute what is drawn, without any drawing library.

        Raises
        ------
        ConfigError
            The data cannot be read; the message names file and line.
        NotRunError
            Data are needed and none were given; the message says which.
        """

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw the data into an empty canvas."""


def load_figure(name: str) -> Figure:
    """Return a figure by its registry name.

    Raises
    ------
    ConfigError
        There is no such figure, or the plug-in is none.
    """
    from archsim.registry import figures

    figure = figures.get(name)
    if not isinstance(figure, Figure):
        raise ConfigError("the plug-in is not a figure", given=name)
    return figure
