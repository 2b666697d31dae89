"""The contract between mappers and the rest: context in, mapping or typed infeasibility out.

A mapper turns one fragment (a :class:`workloads.Cascade`) into an engine program for one machine.
It never imports the engine: the context it is handed can evaluate a program, remember a result and
say where each tensor lives and how much room each memory level has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.program import Program
    from workloads import Cascade

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value that JSON can carry."""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """A design point that cannot run, as a result rather than an exception.

    Attributes
    ----------
    resource
        What ran out: a memory level, an array, a link.
    need, have
        The amount wanted and the amount there is, in `unit`.
    unit
        Unit of both, usually ``"B"``.
    detail
        One sentence that names the tensor or tile that caused it.
    """

    resource: str
    need: int
    have: int
    unit: str
    detail: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the ``infeasible`` object of a result."""
        return {
            "resource": self.resource,
            "need": self.need,
            "have": self.have,
            "unit": self.unit,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tensors of a fragment live, and the room left for its tiles.

    Attributes
    ----------
    homes
        Memory level in which each tensor stands before the fragment runs (operands) or must stand
        after it (outputs). A tensor that is not named lives in the outermost level.
    available_bytes
        Bytes of each level that the fragment may use for tiles; None means unbounded.
    """

    homes: MappingABC[str, str]
    available_bytes: MappingABC[str, int | None]

    def to_json(self) -> dict[str, Json]:
        """Return a canonical JSON form (part of the mapping cache's key)."""
        return {
            "homes": {name: self.homes[name] for name in sorted(self.homes)},
            "available_bytes": {
                name: self.available_bytes[name] for name in sorted(self.available_bytes)
            },
        }


class MappingCache(Protocol):
    """Content-addressed store of what searches found (JSON values)."""

    def get(self, key: str) -> Json:
        """Return the stored value, or None."""

    def put(self, key: str, value: Json) -> None:
        """Store `value` under `key`; an existing entry is replaced."""


@dataclass(slots=True)
class MemoryCache:
    """A mapping cache that lives as long as the process."""

    entries: dict[str, Json] = field(default_factory=dict)

    def get(self, key: str) -> Json:
        """Return the stored value, or None."""
        return self.entries.get(key)

    def put(self, key: str, value: Json) -> None:
        """Store `value` under `key`."""
        self.entries[key] = value


@dataclass(frozen=True, slots=True)
class MapContext:
    """What a mapper may use besides its arguments.

    Attributes
    ----------
    evaluate
        Exact makespan in picoseconds of a program.
    placement
        Homes of the fragment's tensors and the room per level.
    cache
        Store for search results, keyed by content.
    seed
        Seed for mappers that sample.
    budget
        Upper limit on engine evaluations of one search, or None. A search that hits it is no
        longer guaranteed to be monotone in the machine's resources.
    """

    evaluate: Callable[[Program], int]
    placement: Placement
    cache: MappingCache
    seed: int = 0
    budget: int | None = None


@runtime_checkable
class FragmentMapping(Protocol):
    """One fragment mapped onto one machine."""

    @property
    def mapper(self) -> str:
        """Id of the mapper that made it."""

    @property
    def footprints(self) -> MappingABC[str, int]:
        """Peak bytes that the fragment's tiles use of each level."""

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the innermost level."""

    def program(self) -> Program:
        """Return the engine program of the fragment, complete in itself."""

    def to_json(self) -> dict[str, Json]:
        """Return the choices that define the mapping (tiles, order, unit)."""


@runtime_checkable
class ClosedFormMapping(FragmentMapping, Protocol):
    """A mapping that also has a closed form, for the rung ``analytic``."""

    def analytic(self) -> Program:
        """Return the closed form as a program of few operations, with all counts."""


@runtime_checkable
class NotedMapping(FragmentMapping, Protocol):
    """A mapping that has something to say in the report, such as what fusing saved."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences for the report."""


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """One operator of a mapping that is made of whole operators, such as the kernels of a GPU.

    Attributes
    ----------
    name, kind
        Name in reports, and what kind of operator it is.
    time_ps, limit
        Time of one call, and what sets it.
    launches
        Kernels that are launched for it.
    macs, peak_macs_per_s
        Useful MACs, and the peak rate of the units that make them (0: it makes none).
    dram_bytes, peak_bytes_per_s
        Bytes from and to device memory, and its peak bandwidth.
    energy_pj
        Energy of the whole device meanwhile; 0 where it is not known apart.
    band
        Factors on the time between which eight of ten measured times of such operators lay.
    band_basis
        What the band rests on; empty where nothing is known about errors.
    """

    name: str
    kind: str
    time_ps: int
    limit: str
    launches: int = 1
    macs: int = 0
    peak_macs_per_s: float = 0.0
    dram_bytes: int = 0
    peak_bytes_per_s: float = 0.0
    energy_pj: float = 0.0
    band: tuple[float, float] = (1.0, 1.0)
    band_basis: str = ""


@runtime_checkable
class OperatorMapping(FragmentMapping, Protocol):
    """A mapping that is made of whole operators, which reports list."""

    @property
    def operators(self) -> Sequence[OperatorUse]:
        """Return the operators in order."""


@runtime_checkable
class BlockMapper(Protocol):
    """A mapper that takes several einsums as one fragment."""

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return runs of neighbouring einsums, by name, each to be one fragment."""


@runtime_checkable
class Mapper(Protocol):
    """A mapping strategy, found by its registry name.

    A mapper of the class ``gemm`` may have ``siblings = True``: neighbouring matrix products, such
    as those of queries, keys and values, then come to it as one fragment.
    """

    id: str
    """Registry name."""
    classes: frozenset[str]
    """Mapper classes it serves: ``gemm``, ``attention``, ``vector``, ``moe``."""
    options: frozenset[str]
    """Names of the run's options that it takes, such as ``slack``."""

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else the reason why not."""

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: MappingABC[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map the fragment, or say which constraint failed and by how much."""
