"""A resolved machine or model with the source of each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.config.paths import item_segments, join_path
from archsim.config.provenance import numbers
from archsim.report.layout import Section, table

if TYPE_CHECKING:
    from rich.table import Table

    from archsim.config.document import Document


def numbers_of(document: Document) -> list[str]:
    """Return the dotted paths of all numbers of a document."""
    return list(numbers(document.data, document.kind))


def render_document(document: Document) -> RenderableType:
    """Return every value of a document, each number with the mark of its source, and the sources.

    Marks count in the order of first use; estimates show their range.
    """
    marks: dict[str, int] = {}
    blocks: list[RenderableType] = []
    top = table("", "", "", "")
    for key, value in document.data.items():
        if key == "source":
            continue
        path = join_path(document.kind, key)
        if isinstance(value, dict) and value:
            if all(isinstance(item, dict) for item in value.values()):
                for name, item in value.items():
                    blocks.append(
                        _block(document, join_path(path, name), f"{key}.{name}", item, marks)
                    )
            else:
                blocks.append(_block(document, path, key, value, marks))
        else:
            _add(top, document, path, key, value, marks)
    title = str(document.data.get("name", document.kind))
    parts: list[RenderableType] = [Text(title, style="bold cyan"), top, Text(), *blocks]
    if marks:
        sources = table(">", "")
        sources.show_header = False
        for source, mark in marks.items():
            sources.add_row(f"[{mark}]", Text(source))
        parts.append(Section("Sources", sources))
    missing = document.unsourced()
    if missing:
        parts.append(Text(f"{len(missing)} numbers have no source", style="yellow"))
    parts.append(Text(f"content {document.content_hash}", style="dim"))
    return Group(*parts)


def _block(
    document: Document, path: str, title: str, value: object, marks: dict[str, int]
) -> Section:
    grid = table("", "", "", "")
    grid.show_header = False
    entries = value if isinstance(value, dict) else {}
    for key, item in entries.items():
        _add(grid, document, join_path(path, key), key, item, marks)
    return Section(title, grid)


def _add(
    grid: Table, document: Document, path: str, label: str, value: object, marks: dict[str, int]
) -> None:
    """Add one value; a map or a list of maps adds a row for each of its leaves."""
    grid.show_header = False
    if isinstance(value, dict):
        for key, item in value.items():
            _add(grid, document, join_path(path, key), f"{label}.{key}", item, marks)
        return
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for segment, item in zip(item_segments(value), value, strict=True):
            _add(grid, document, join_path(path, segment), f"{label}.{segment}", item, marks)
        return
    shown = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
    source = document.sources.get(path)
    mark = "" if source is None else f"[{marks.setdefault(source, len(marks) + 1)}]"
    ends = document.estimates.get(path)
    span = "" if ends is None else f"estimate {ends[0]} … {ends[1]}"
    grid.add_row(f"  {label}", Text(shown), Text(mark, style="dim"), Text(span, style="yellow"))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
