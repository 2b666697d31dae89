"""A suite's own records as a table that fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.report.layout import number, table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

    from archsim.mapping import Json


class Details:
    """Records with one column for each key of the first.

    Where the terminal is too narrow for all columns, texts share the first one, so that figures
    stay whole.

    Parameters
    ----------
    records : sequence of dict
        The records, not empty.
    """

    def __init__(self, records: Sequence[dict[str, Json]]) -> None:
        self._records = records

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table: all columns, or texts in one."""
        whole = self._table([[key] for key in self._records[0]])
        wide = console.measure(whole, options=options.update(max_width=10_000)).maximum
        if wide <= options.max_width:
            yield whole
            return
        texts = [key for key in self._records[0] if not self._is_figure(key)]
        figures = [[key] for key in self._records[0] if self._is_figure(key)]
        yield self._table([texts, *figures] if texts else figures)

    def _is_figure(self, key: str) -> bool:
        values = [record.get(key) for record in self._records]
        return all(value is None or _is_number(value) for value in values)

    def _table(self, groups: Sequence[Sequence[str]]) -> Table:
        heads = [", ".join(key.replace("_", " ") for key in group) for group in groups]
        grid = table(*heads)
        for record in self._records:
            grid.add_row(*(", ".join(_cell(record.get(key)) for key in keys) for keys in groups))
        for group, column in zip(groups, grid.columns, strict=True):
            if len(group) == 1 and self._is_figure(group[0]):
                column.justify = "right"
                cells = [_cell(record.get(group[0])) for record in self._records]
                words = [*str(column.header).split(), *cells]
                column.min_width = max(map(len, words))
        return grid


def _cell(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value if value else "–")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
