"""Routing traces in files: CSV, and Parquet where pyarrow is installed.

Columns ``token, layer, expert_0 … expert_{K-1}``, and optionally ``score_0 … score_{X-1}``; rows
are ordered by token, then by layer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsim.errors import ConfigError, Location, NotRunError
from workloads.traces.routing import RoutingTrace

if TYPE_CHECKING:
    from types import ModuleType


def write_routing(trace: RoutingTrace, path: str | Path) -> None:
    """Write a trace; the suffix ``.parquet`` chooses Parquet, any other CSV.

    Raises
    ------
    ConfigError
        The file cannot be written.
    NotRunError
        Parquet without pyarrow.
    """
    path = Path(path)
    columns = _columns(trace)
    tokens, layers, _ = trace.choices.shape
    grid = [(token, layer) for token in range(tokens) for layer in range(layers)]
    rows = [[token, layer, *_values(trace, token, layer)] for token, layer in grid]
    if path.suffix == ".parquet":
        parquet, arrow = _parquet(), import_module("pyarrow")
        values = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
        _written(path, lambda: parquet.write_table(arrow.table(values), path))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    _written(path, lambda: path.write_text(text.getvalue(), encoding="utf-8"))


def _written(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error


def _columns(trace: RoutingTrace) -> list[str]:
    names = ["token", "layer", *(f"expert_{place}" for place in range(trace.choices.shape[2]))]
    if trace.scores is not None:
        names += [f"score_{expert}" for expert in range(trace.scores.shape[2])]
    return names


def _values(trace: RoutingTrace, token: int, layer: int) -> list[float]:
    values: list[float] = [int(expert) for expert in trace.choices[token, layer]]
    if trace.scores is not None:
        values += [float(score) for score in trace.scores[token, layer]]
    return values


def read_routing(path: str | Path, *, experts: int | None = None) -> RoutingTrace:
    """Read a trace that :func:`write_routing` (or anyone, in its columns) has written.

    Parameters
    ----------
    path
        CSV, or Parquet by the suffix ``.parquet``.
    experts
        Number of experts; greater ids are refused.

    Raises
    ------
    ConfigError
        A row out of order, an id out of range, a value that is no number; with file and line.
    NotRunError
        Parquet without pyarrow.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        table = _read_table(path)
        names = list(table)
        lines: Iterable[Sequence[object]] = zip(*table.values(), strict=True)
        return _Rows(str(path), names, experts, first_line=1).read(lines)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text") from error
    reader = csv.reader(io.StringIO(text))
    names = next(reader, [])
    return _Rows(str(path), names, experts, first_line=2).read(reader)


def _read_table(path: Path) -> Mapping[str, Sequence[object]]:
    parquet = _parquet()
    try:
        # Errors of the format are ValueErrors of pyarrow's own.
        table: Mapping[str, Sequence[object]] = parquet.read_table(path).to_pydict()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read as Parquet: {reason}") from error
    return table


def _parquet() -> ModuleType:
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise NotRunError(
            "Parquet traces need the package pyarrow (pip install 'archsim[parquet]'); CSV needs "
            "nothing"
        ) from error


class _Rows:
    """Checks rows one by one, so that an error can say where it is."""

    def __init__(
        self, file: str, names: Sequence[str], experts: int | None, first_line: int
    ) -> None:
        self.file = file
        self.first_line = first_line
        self.experts = experts
        self.active = sum(name.startswith("expert_") for name in names)
        self.scored = sum(name.startswith("score_") for name in names)
        wanted = ["token", "layer", *(f"expert_{place}" for place in range(self.active))]
        wanted += [f"score_{expert}" for expert in range(self.scored)]
        if list(names) != wanted or not self.active:
            raise self.error(
                1, "the columns of a routing trace are token, layer, expert_0, …", list(names)
            )

    def error(self, line: int, message: str, given: object = None) -> ConfigError:
        text = None if given is None else str(given)
        return ConfigError(message, location=Location(self.file, line, None), given=text)

    def read(self, rows: Iterable[Sequence[object]]) -> RoutingTrace:
        """Return the trace."""
        places: list[tuple[int, int]] = []
        choices: list[list[int]] = []
        scores: list[list[float]] = []
        for line, row in enumerate(rows, start=self.first_line):
            if len(row) != 2 + self.active + self.scored:
                raise self.error(line, "a row has another number of columns than the header")
            numbers = self._whole(line, row[: 2 + self.active])
            place = (numbers[0], numbers[1])
            if places and place <= places[-1]:
                raise self.error(line, "row out of order: token, then layer, must grow", place)
            places.append(place)
            choices.append(self._chosen(line, numbers[2:]))
            scores.append(self._scores(line, row[2 + self.active :]))
        return self._trace(places, choices, scores)

    def _whole(self, line: int, values: Sequence[object]) -> list[int]:
        try:
            return [int(str(value)) for value in values]
        except ValueError as error:
            raise self.error(line, "must be whole numbers", ",".join(map(str, values))) from error

    def _chosen(self, line: int, chosen: list[int]) -> list[int]:
        limit = self.experts if self.experts is not None else self.scored or 2**31
        if min(chosen) < 0 or max(chosen) >= limit:
            raise self.error(line, f"expert ids are from 0 to {limit - 1}", chosen)
        if len(set(chosen)) < len(chosen):
            raise self.error(line, "a token chooses each expert once", chosen)
        return chosen

    def _scores(self, line: int, values: Sequence[object]) -> list[float]:
        try:
            return [float(str(value)) for value in values]
        except ValueError as error:
            raise self.error(line, "scores must be numbers") from error

    def _trace(
        self, places: list[tuple[int, int]], choices: list[list[int]], scores: list[list[float]]
    ) -> RoutingTrace:
        layers = len({layer for _, layer in places})
        tokens = len({token for token, _ in places})
        if not places or len(places) != layers * tokens:
            raise self.error(
                self.first_line + len(places), "every token needs a row for every layer"
            )
        shape = (tokens, layers)
        chosen = np.array(choices, dtype=np.int64).reshape(*shape, self.active)
        if not self.scored:
            return RoutingTrace(chosen)
        return RoutingTrace(chosen, np.array(scores).reshape(*shape, self.scored))
