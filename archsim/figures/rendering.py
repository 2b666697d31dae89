"""From a figure's data to files: a picture and its tables, the same bytes every time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from archsim.figures.figure import Figure, FigureData, Table

STYLE: Final[dict[str, object]] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    # Identifiers in an SVG are random unless a salt is given; text stays text.
    "svg.hashsalt": "archsim",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
"""One look for all figures, legible at the width of a paper's column."""

WITHOUT_DATE: Final[dict[str, dict[str, None]]] = {
    "pdf": {"CreationDate": None},
    "png": {},
    "svg": {"Date": None},
}


def render(figure: Figure, data: FigureData, kind: str) -> bytes:
    """Return the picture of a figure's data.

    Parameters
    ----------
    figure, data
        Figure, and what its ``data`` returned.
    kind
        One of ``figure.FORMATS``.
    """
    with style.context(STYLE):
        canvas = Canvas(figsize=data.size_inches)
        FigureCanvasAgg(canvas)
        figure.draw(data, canvas)
        whole = io.BytesIO()
        canvas.savefig(whole, format=kind, metadata=WITHOUT_DATE[kind])
    return whole.getvalue()


def csv_text(table: Table) -> str:
    """Return a table as CSV; numbers in the shortest form that reads back as the same number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in table.rows)
    return text.getvalue()
