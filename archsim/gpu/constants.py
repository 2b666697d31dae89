"""Fitted constants: one record for each architecture, library, version and number format.

Records are data (``constants/*.yaml``), written by ``archsim calibrate gpu``. A device and library
with a record of their own get exactly that; others get the nearest one, and a word on which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Final, cast

from archsim.config.document import load_document
from archsim.errors import ConfigError
from archsim.gpu.family import Constants

FOLDER: Final = Path(__file__).parent / "constants"
"""Folder of the records that ship."""

BANDS: Final = "error-bands.yaml"
"""File of such a folder that holds no records: see :mod:`archsim.gpu.error_bands`."""

RELATIVES: Final = {
    "pascal": ("volta", "turing", "ampere"),
    "volta": ("turing", "ampere", "pascal"),
    "turing": ("volta", "ampere-rtx", "ampere", "ada", "pascal"),
    "ampere": ("ampere-rtx", "ada", "hopper", "volta", "turing"),
    "ampere-rtx": ("ampere", "ada", "blackwell-rtx", "turing"),
    "ada": ("blackwell-rtx", "ampere-rtx", "ampere", "turing"),
    "hopper": ("blackwell", "ampere", "ada"),
    "blackwell": ("hopper", "ampere", "blackwell-rtx"),
    "blackwell-rtx": ("ada", "ampere-rtx", "ampere"),
    "cdna1": ("cdna2", "cdna3", "ampere", "volta"),
    "cdna2": ("cdna1", "cdna3", "ampere", "hopper"),
    "cdna3": ("cdna2", "cdna1", "hopper", "ampere"),
    "tpu-v6": ("hopper", "ampere"),
}
"""Families by nearness: the same kind of matrix instruction and memory first."""

FORMAT_FALLBACK: Final = {
    "nvfp4": ("fp8", "16bit"),
    "fp8_block": ("fp8", "16bit"),
    "fp8": ("int8", "16bit"),
    "int8": ("16bit", "fp8"),
    "tf32": ("16bit", "fp32"),
    "fp32": ("16bit",),
    "16bit": ("fp32",),
}
"""Formats whose constants stand in for those of another."""

ANY: Final = "any"
"""Architecture, format or variant of a record that is common to all of them."""

WARP_LEVEL: Final = "warp-level"
"""Architecture of a record that parts share whose matrix instructions are those of one warp."""

WARP_GROUPS: Final = frozenset({"hopper", "blackwell"})
"""Architectures whose matrix instructions are those of several warps (PTX ISA 8.5 and 8.7)."""

KERNEL: Final = "kernel"
HOST: Final = "host"

FAR: Final = 20
"""Rank of what is in no list of relatives."""


@dataclass(frozen=True, slots=True)
class Record:
    """Constants fitted to one set of measurements.

    Attributes
    ----------
    family, architecture, library, version, format, variant
        What they are for; `variant` tells kernels of a family apart (softmax from rmsnorm).
    gpus
        Ids of the devices whose rows were fitted.
    rows
        Number of rows fitted.
    values
        The constants.
    timing
        Whether the time is that of kernels (:data:`KERNEL`) or of a host that waits for them
        (:data:`HOST`), some tens of µs more.
    """

    family: str
    architecture: str
    library: str
    version: str
    format: str
    variant: str
    gpus: tuple[str, ...]
    rows: int
    values: Mapping[str, float]
    timing: str = KERNEL

    @property
    def is_common(self) -> bool:
        """Whether it was fitted to parts of all architectures together."""
        return self.architecture in (ANY, WARP_LEVEL)

    @property
    def label(self) -> str:
        """What identifies it in messages."""
        if self.is_common:
            names = [name for name in (self.format, self.variant) if name not in (ANY, "")]
            kind = " with warp-level instructions" if self.architecture == WARP_LEVEL else ""
            return ", ".join([f"{len(self.gpus)} measured parts{kind} together", *names])
        parts = [self.architecture, f"{self.library} {self.version}".strip(), self.format]
        return ", ".join([*parts, self.variant] if self.variant else parts)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Constants for one device, library and format.

    Attributes
    ----------
    values
        The constants.
    origin
        ``fitted``, ``nearest`` or ``default``.
    said
        Which record, in words.
    """

    values: Mapping[str, float]
    origin: str
    said: str


@dataclass(frozen=True)
class Request:
    """What constants are wanted for.

    Attributes
    ----------
    family, architecture, library, version, format, variant
        As in :class:`Record`.
    prefers_library
        Whether another architecture with the same library is nearer than the same architecture with
        another library; true for attention, where libraries differ more than parts do.
    prefers_format
        Whether the format counts before the variant.
    timing
        Whose time is wanted, as in :class:`Record`; counts for the constants of the library.
    device
        Id of the device; a record counts as fitted to it only if its rows were among those.
    without
        Devices whose records must not be used.
    """

    family: str
    architecture: str
    library: str = ""
    version: str = ""
    format: str = "16bit"
    variant: str = ""
    prefers_library: bool = False
    prefers_format: bool = False
    timing: str = KERNEL
    device: str = ""
    without: frozenset[str] = frozenset()

    def distance(self, record: Record) -> tuple[int, ...]:
        """Return how far a record is; smaller is nearer, compared from the front.

        Format and variant count first. Then come records of the same architecture and library, then
        those that measured parts share (with the same kind of matrix instruction, then all), then
        all others.
        """
        formats = (self.format, *FORMAT_FALLBACK.get(self.format, ()))
        form = formats.index(record.format) if record.format in formats else FAR
        form = 0 if record.format == ANY else form
        variant = 0 if record.variant == ANY else _apart(self.variant, record.variant)
        kernel = (form, variant) if self.prefers_format else (variant, form)
        relatives = (self.architecture, *RELATIVES.get(self.architecture, ()))
        part = relatives.index(record.architecture) if record.architecture in relatives else FAR
        library = 0 if record.library == self.library else 1
        version = 0 if library == 0 and record.version == self.version else 1
        timing = 0 if record.timing == self.timing else 1
        own = part == 0 and (library == 0 or not self.library)
        kind = 0 if own else self._shared(record)
        if self.prefers_library:
            return *kernel, kind, library, timing, version, part, -record.rows
        return *kernel, kind, part, library, timing, version, -record.rows

    def _shared(self, record: Record) -> int:
        """Return the rank of a record of other parts: common to our kind, to all, or to none."""
        if record.architecture == WARP_LEVEL:
            return FAR if self.architecture in WARP_GROUPS else 1
        return 2 if record.is_common else 3

    def is_met_by(self, record: Record) -> bool:
        """Whether a record was fitted for exactly this."""
        return not any(self.distance(record)[:-1])


def choose(
    request: Request,
    records: tuple[Record, ...],
    defaults: Mapping[str, float],
    of_library: frozenset[str] = frozenset(),
    of_format: Mapping[str, float] | None = None,
) -> Chosen:
    """Return the nearest constants for a request.

    Parameters
    ----------
    request
        What they are for.
    records
        All records of any family.
    defaults
        Values where no record stands near enough, and of constants that a record lacks.
    of_library
        Names of the constants that come from the nearest record with the same kind of timing where
        the nearest record has another: a host that waits is in one and not in the other.
    of_format
        Constants that the format sets, whatever a record of another format has (energies).
    """
    open_to = [
        record
        for record in records
        if record.family == request.family and not request.without & set(record.gpus)
    ]
    if not open_to:
        return Chosen(Constants(defaults), "default", "no fitted record: starting values")
    part = min(open_to, key=lambda record: (*request.distance(record), record.label))
    values = {name: part.values.get(name, default) for name, default in defaults.items()}
    if part.format not in (request.format, ANY):
        values |= of_format or {}
    if request.is_met_by(part):
        if not request.device or request.device in part.gpus:
            return Chosen(Constants(values), "fitted", part.label)
        said = f"constants of {part.label} ({', '.join(part.gpus)})"
        return Chosen(Constants(values), "nearest", said)
    by_library = replace(request, prefers_library=True)
    alike = [record for record in open_to if record.timing == request.timing]
    if request.timing == HOST:
        # How long a host waits differs from operator to operator.
        alike = [record for record in alike if record.variant in (request.variant, ANY)]
    if request.timing == part.timing or request.library == part.library or not alike:
        return Chosen(Constants(values), "nearest", f"constants of {part.label}")
    launched = min(alike, key=lambda record: (*by_library.distance(record), record.label))
    values |= {name: launched.values.get(name, values[name]) for name in of_library & set(values)}
    said = f"constants of {part.label}; launches of {launched.label}"
    return Chosen(Constants(values), "nearest", said)


def _apart(one: str, other: str) -> int:
    """Return how far two variants are: 0 if equal, less with the words that they begin with."""
    if one == other:
        return 0
    pairs = takewhile(
        lambda pair: pair[0] == pair[1], zip(one.split(), other.split(), strict=False)
    )
    return 3 - min(2, len(list(pairs)))


@cache
def shipped_records() -> tuple[Record, ...]:
    """Return the records that ship with the package."""
    return read_records(FOLDER)


def read_records(folder: Path) -> tuple[Record, ...]:
    """Read all records of a folder.

    Raises
    ------
    ConfigError
        A file is no list of records.
    """
    records: list[Record] = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name == BANDS:
            continue
        document = load_document(path, kind="constants", sources=False)
        items = document.data.get("records")
        if not isinstance(items, list | tuple):
            raise ConfigError("must be a list", path="constants.records", given=str(path))
        records.extend(_record(item) for item in items)
    return tuple(records)


def _record(item: object) -> Record:
    data = cast("Mapping[str, object]", item)
    values = cast("Mapping[str, float]", data["values"])
    return Record(
        family=str(data["family"]),
        architecture=str(data["architecture"]),
        library=str(data["library"]),
        version=str(data["version"]),
        format=str(data["format"]),
        variant=str(data["variant"]),
        gpus=tuple(str(name) for name in cast("tuple[object, ...]", data["gpus"])),
        rows=int(cast("int", data["rows"])),
        values={name: float(value) for name, value in values.items()},
        timing=str(data.get("timing", KERNEL)),
    )
