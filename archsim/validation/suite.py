"""What a validation suite is and what it hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from archsim.errors import ConfigError, NotRunError

if TYPE_CHECKING:
    from archsim.mapping import Json

Statistic: TypeAlias = Literal[
    "mape_percent", "median_ape_percent", "p90_ape_percent", "max_ape_percent", "bias_percent"
]
"""Statistics of the relative error; APE is the absolute percentage error of one item."""


@dataclass(frozen=True, slots=True)
class Item:
    """One scored number.

    Attributes
    ----------
    case
        Which row or claim it belongs to.
    metric, unit
        What is compared.
    predicted, reference
        Our number and the measured or published one, both in `unit`.
    by
        What the case can be grouped by: dataflow, device, …
    """

    case: str
    metric: str
    unit: str
    predicted: float
    reference: float
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def error_percent(self) -> float | None:
        """Signed relative error in percent; None where the reference is zero."""
        if self.reference == 0:
            return None
        return 100.0 * (self.predicted - self.reference) / self.reference

    @property
    def absolute_error(self) -> float:
        """Signed error in `unit`."""
        return self.predicted - self.reference


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit that a suite promises to keep.

    Attributes
    ----------
    metric
        Metric it is about.
    limit
        Largest absolute value allowed, percent. Items whose reference is zero are held to an
        absolute error of at most `zero_limit` in the metric's unit.
    statistic
        What is limited.
    by
        Group it is about; empty means all items of the metric.
    zero_limit
        Largest absolute error where the reference is zero.
    """

    metric: str
    limit: float
    statistic: Statistic = "max_ape_percent"
    by: Mapping[str, str] = field(default_factory=dict)
    zero_limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A bar that the suite judged itself, such as the verdict on a claim."""

    metric: str
    limit: Json
    value: float | None
    passed: bool
    by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a suite found, before statistics.

    Attributes
    ----------
    cases
        Rows or claims that were read.
    items
        Scored numbers.
    skipped
        Cases or numbers that could not be scored, counted by reason.
    bars, judgements
        Limits to check, and limits checked already.
    groupings
        Keys of `Item.by` to group by; each entry gives one table of groups.
    baselines
        Items of simpler models on the same cases, by name.
    details
        Records of the suite's own, for its report.
    """

    cases: int
    items: Sequence[Item]
    skipped: Mapping[str, int] = field(default_factory=dict)
    bars: Sequence[Bar] = ()
    judgements: Sequence[Judgement] = ()
    groupings: Sequence[tuple[str, ...]] = ()
    baselines: Mapping[str, Sequence[Item]] = field(default_factory=dict)
    details: Sequence[Mapping[str, Json]] = ()
    notes: Sequence[str] = ()


@runtime_checkable
class Suite(Protocol):
    """A validation suite, found by its registry name."""

    name: str
    """Registry name."""
    title: str
    """What is compared with what, in one line."""

    def run(self, data: Path | None) -> Outcome:
        """Score the packaged cases, or those of a file or folder in the suite's columns.

        Raises
        ------
        ConfigError
            The data cannot be read; the message names file and line.
        NotRunError
            There are no packaged cases and no data were given; the message says which are wanted.
        """


PACKAGED = Path(__file__).parent
"""Folder of the packaged cases."""


def data_files(
    data: Path | None, *, suite: str, packaged: Sequence[Path], pattern: str, wanted: str
) -> list[Path]:
    """Return the files to score: the given file, those of the given folder, or the packaged ones.

    Parameters
    ----------
    data
        File or folder given by the user, or None.
    suite
        Name of the suite, for messages.
    packaged
        Files that ship with the package.
    pattern
        Glob for the suite's files in a folder.
    wanted
        What the suite needs, for the message when there is nothing.
    """
    if data is None:
        found = [path for path in packaged if path.is_file()]
        if not found:
            raise NotRunError(f"suite '{suite}' has no packaged cases; it wants --data {wanted}")
        return found
    if data.is_dir():
        found = sorted(data.glob(pattern))
        if not found:
            raise NotRunError(f"no {pattern} in {data}; suite '{suite}' wants {wanted}")
        return found
    if not data.exists():
        raise ConfigError("there is no such file", given=str(data), allowed=wanted)
    return [data]
