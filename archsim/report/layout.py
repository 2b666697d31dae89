"""Building blocks of the reports: sections, bars and plain numbers, at any width."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from archsim.units import Dimension, human_quantity

PAIRED_WIDTH = 132
"""Terminal width in columns from which sections stand two abreast."""

_ASCII = str.maketrans(
    {"·": "-", "–": "-", "×": "x", "…": "...", "≥": ">=", "≤": "<=", "±": "+-", "µ": "u"}
)

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar of a fraction, as wide as its cell.

    Attributes
    ----------
    fraction
        Filled part, clipped to 0..1.
    style
        Style of the filled part.
    max_width
        Widest bar in characters.
    """

    fraction: float
    style: str = "cyan"
    max_width: int = 24

    def text(self, width: int, *, ascii_only: bool) -> str:
        """Return the bar as characters, `width` of them."""
        fraction = min(1.0, max(0.0, self.fraction))
        if ascii_only:
            return ("#" * round(fraction * width)).ljust(width)
        eighths = round(fraction * width * 8)
        if fraction > 0.0:
            eighths = max(1, eighths)
        whole, part = divmod(eighths, 8)
        return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self.max_width, options.max_width)
        yield Segment(self.text(width, ascii_only=options.ascii_only), Style.parse(self.style))
        yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(8, options.max_width), min(self.max_width, options.max_width))


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a report."""

    title: str
    body: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title, style="bold")
        yield self.body
        yield Text()


@dataclass(frozen=True, slots=True)
class Sections:
    """Sections one below the other, or in two columns where the terminal is wide enough."""

    sections: Sequence[Section]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < PAIRED_WIDTH:
            yield from self.sections
            return
        grid = Table.grid(padding=(0, 4), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        for index in range(0, len(self.sections), 2):
            pair = self.sections[index : index + 2]
            grid.add_row(*pair, *([""] * (2 - len(pair))))
        yield grid


def facts(pairs: Sequence[tuple[str, str]]) -> Table:
    """Return name-value pairs in two columns of pairs, read downwards."""
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="left")
    half = (len(pairs) + 1) // 2
    for left, right in zip(pairs[:half], [*pairs[half:], ("", "")], strict=False):
        table.add_row(left[0], left[1], right[0], right[1])
    return table


def table(*columns: str) -> Table:
    """Return an empty light table: a leading ``>`` on a column's name aligns it to the right.

    Right-aligned cells keep to one line; one that is cut shows it.
    """
    result = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in columns:
        right = name.startswith(">")
        result.add_column(
            name.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="ellipsis" if right else "fold",
        )
    return result


def bullets(lines: Sequence[str], style: str = "") -> Table:
    """Return wrapped sentences, each with a bullet."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column()
    for line in lines:
        grid.add_row("-", Text(line, style=style))
    return grid


def percent(fraction: float) -> str:
    """Return a fraction as a percentage with one decimal; a tiny one does not read as zero."""
    if 0.0 < fraction < 0.0005:
        return "<0.1 %"
    return f"{100 * fraction:.1f} %"


def number(value: object) -> str:
    """Return a number for a table: whole ones in full, others with five significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value)}"
    return f"{value:.5g}"


def quantity(value: float | None, dimension: Dimension) -> str:
    """Return a value in base units for a reader, or a dash where there is none."""
    return "–" if value is None else human_quantity(value, dimension)


def count(value: float | None, suffix: str = "") -> str:
    """Return a large count in scientific steps of a thousand: ``8.03 G``."""
    if value is None:
        return "–"
    for scale, letter in (
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ):
        if abs(value) >= scale:
            return f"{value / scale:.4g} {letter}{suffix}"
    return f"{value:.4g} {suffix}".rstrip()


@dataclass(frozen=True, slots=True)
class _Ascii:
    """A renderable with the symbols that ASCII lacks written out."""

    body: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.body, options):
            yield Segment(segment.text.translate(_ASCII), segment.style, segment.control)


def to_text(
    renderable: RenderableType, *, width: int = 80, color: bool = False, encoding: str = "utf-8"
) -> str:
    """Return what a terminal would show.

    Parameters
    ----------
    renderable
        What to show.
    width
        Columns of the terminal.
    color
        Whether to write escape codes.
    encoding
        Encoding of the terminal; another than UTF-8 gets plain ASCII.
    """
    stream = io.TextIOWrapper(
        io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="", write_through=True
    )
    console = Console(
        file=stream,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    plain = console.options.ascii_only
    console.print(_Ascii(renderable) if plain else renderable)
    stream.seek(0)
    return "".join(line.rstrip() + "\n" for line in stream.read().splitlines())
