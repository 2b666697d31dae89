"""A cascade: ordered einsums over shared ranks and tensors, with exact closed-form counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from archsim.errors import WorkloadError, nearest
from workloads import serialization
from workloads.einsum import Einsum, Rank, Tensor
from workloads.footprint import Footprint, find_footprint
from workloads.traffic import compulsory_traffic
from workloads.validity import check_cascade

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_Named = TypeVar("_Named", Rank, Tensor, Einsum)


@dataclass(frozen=True)
class Cascade:
    """Einsums in an order that respects their dependences (no loop order is implied).

    Attributes
    ----------
    name
        For people; not part of the content hash.
    ranks, tensors, einsums
        The parts; einsums come in the order init, body, tail.

    Raises
    ------
    WorkloadError
        An undeclared name, an index outside its tensor, a value read before it is made, a missing
        initialisation, two writers of one element, split extents that do not cover their parent.
    """

    name: str
    ranks: tuple[Rank, ...]
    tensors: tuple[Tensor, ...]
    einsums: tuple[Einsum, ...]

    def __post_init__(self) -> None:
        check_cascade(self)

    @cached_property
    def _ranks(self) -> dict[str, Rank]:
        return self._by_name("rank", self.ranks)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return self._by_name("tensor", self.tensors)

    @cached_property
    def _einsums(self) -> dict[str, Einsum]:
        return self._by_name("einsum", self.einsums)

    @cached_property
    def _versioned(self) -> frozenset[str]:
        iterative = {rank.name for rank in self.ranks if rank.iterative}
        return frozenset(
            einsum.output.tensor
            for einsum in self.einsums
            for name, index in zip(
                self.tensor(einsum.output.tensor).ranks, einsum.output.indices, strict=False
            )
            if name in iterative and index.kind == "shift"
        )

    def _by_name(self, what: str, items: Iterable[_Named]) -> dict[str, _Named]:
        found: dict[str, _Named] = {}
        for item in items:
            if item.name in found:
                raise WorkloadError(
                    f"cascade {self.name}: two {what}s of one name", given=item.name
                )
            found[item.name] = item
        return found

    def _get(self, what: str, items: Mapping[str, _Named], name: str) -> _Named:
        if name not in items:
            raise WorkloadError(
                f"cascade {self.name}: unknown {what}",
                given=name,
                allowed=items,
                hint=nearest(name, items),
            )
        return items[name]

    def rank(self, name: str) -> Rank:
        """Return a rank by name; WorkloadError if there is none."""
        return self._get("rank", self._ranks, name)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by name; WorkloadError if there is none."""
        return self._get("tensor", self._tensors, name)

    def einsum(self, name: str) -> Einsum:
        """Return an einsum by name; WorkloadError if there is none."""
        return self._get("einsum", self._einsums, name)

    def is_versioned(self, tensor: str) -> bool:
        """Whether the tensor has versions along an iterative rank."""
        return tensor in self._versioned

    @property
    def iterative_rank(self) -> Rank | None:
        """The rank whose coordinates are the iterations of the body, or None."""
        return next((rank for rank in self.ranks if rank.iterative), None)

    def made(self) -> tuple[str, ...]:
        """Return the names of the tensors that its einsums write, in order of first writing."""
        return tuple(dict.fromkeys(einsum.output.tensor for einsum in self.einsums))

    def role_tensors(self, *roles: str) -> tuple[Tensor, ...]:
        """Return the tensors that have one of the roles."""
        return tuple(tensor for tensor in self.tensors if tensor.role in roles)

    def subset(self, names: Collection[str], name: str) -> Cascade:
        """Return the cascade of some einsums, in the order of this one.

        Intermediates made elsewhere become inputs; what is made here and read elsewhere becomes an
        output. Weights, constants and caches keep their roles.

        Parameters
        ----------
        names
            Einsums to keep.
        name
            Name of the new cascade.

        Raises
        ------
        WorkloadError
            Unknown einsum.
        """
        wanted = {self.einsum(item).name for item in names}
        inside = [einsum for einsum in self.einsums if einsum.name in wanted]
        outside = [einsum for einsum in self.einsums if einsum.name not in wanted]
        made = {einsum.output.tensor for einsum in inside}
        used = made | {read for einsum in inside for read in einsum.reads()}
        wanted_outside = {read for einsum in outside for read in einsum.reads()}
        tensors = []
        for tensor in self.tensors:
            if tensor.name not in used:
                continue
            role = tensor.role
            if role in ("input", "intermediate", "output"):
                if tensor.name not in made:
                    role = "input"
                elif role == "output" or tensor.name in wanted_outside:
                    role = "output"
            tensors.append(replace(tensor, role=role))
        variables = {variable for einsum in inside for variable, _ in einsum.space}
        kept = {rank for tensor in tensors for rank in tensor.ranks}
        kept |= {rank.name for rank in self.ranks if rank.variable in variables}
        parents = {rank.parent for rank in self.ranks if rank.name in kept and rank.parent}
        ranks = tuple(rank for rank in self.ranks if rank.name in kept | parents)
        if any(rank.iterative for rank in ranks):
            return Cascade(name, ranks, tuple(tensors), tuple(inside))
        # Without an iterative rank a part of what was checked keeps every rule.
        part = object.__new__(Cascade)
        part.__dict__.update(name=name, ranks=ranks, tensors=tuple(tensors), einsums=tuple(inside))
        return part

    def macs(self) -> int:
        """Return the useful multiply-accumulates of all matrix products."""
        return sum(einsum.macs() for einsum in self.einsums)

    def dense_macs(self) -> int:
        """Return the multiply-accumulates with masked points included."""
        return sum(einsum.dense_macs() for einsum in self.einsums)

    def op_counts(self) -> dict[str, int]:
        """Return ``{action: count}`` over all einsums, matrix products as ``mac``."""
        totals: dict[str, int] = {}
        for einsum in self.einsums:
            for action, count in einsum.op_counts().items():
                totals[action] = totals.get(action, 0) + count
        return {action: totals[action] for action in sorted(totals)}

    def role_bytes(self, *roles: str) -> int:
        """Return the bytes of all tensors that have one of the roles."""
        return sum(tensor.num_bytes(self) for tensor in self.role_tensors(*roles))

    def compulsory_traffic(self) -> dict[tuple[str, str], int]:
        """Return ``{(role, "read" or "write"): bytes}`` that any schedule must move.

        Inputs, weights and constants are read once, outputs written once. Of a cache, rows that
        were there before are read and new rows are written. Of a table from which rows are
        gathered, as many rows are read as there are gathers, at most all.
        """
        return compulsory_traffic(self)

    def compulsory_bytes(self) -> dict[str, int]:
        """Return ``{role: bytes}``, reads and writes of :meth:`compulsory_traffic` together."""
        totals: dict[str, int] = {}
        for (role, _), num_bytes in compulsory_traffic(self).items():
            totals[role] = totals.get(role, 0) + num_bytes
        return totals

    def footprint(self, *, fused: Collection[str] = ()) -> Footprint:
        """Return the live activations over the einsum order and their peak.

        Parameters
        ----------
        fused
            Tensors that are never held whole (made and used tile by tile); they count nothing.
        """
        return find_footprint(self, fused)

    def footprint_bytes(self, *, fused: Collection[str] = ()) -> int:
        """Return the peak of :meth:`footprint`, in bytes."""
        return self.footprint(fused=fused).peak_bytes

    def execute(self, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
        """Compute every tensor in numpy with 64-bit floats, whatever the formats say.

        Parameters
        ----------
        inputs
            Array per tensor that is not made here; of a cache, the whole cache with its old rows.

        Returns
        -------
        dict
            Array per tensor that is made here. Versions of an iterative tensor are all kept.

        Raises
        ------
        WorkloadError
            Missing input or wrong shape.
        """
        from workloads.evaluation import evaluate

        return evaluate(self, inputs)

    def to_json(self) -> dict[str, serialization.Json]:
        """Return JSON-able data; :meth:`from_json` reads it back to an equal cascade."""
        return serialization.cascade_to_json(self)

    @classmethod
    def from_json(cls, data: Mapping[str, serialization.Json]) -> Cascade:
        """Return the cascade of :meth:`to_json` data; WorkloadError if it is malformed."""
        name, ranks, tensors, einsums = serialization.parts_from_json(data)
        return cls(name, ranks, tensors, einsums)

    def signature(self) -> str:
        """Return 16 hexadecimal digits that identify the content (not the name)."""
        return self._signature

    @cached_property
    def _signature(self) -> str:
        return serialization.content_signature(self)

    def __str__(self) -> str:
        lines = [f"{self.name}:"]
        for einsum in self.einsums:
            reduced = ", ".join(f"{operation} over {v}" for v, operation in einsum.reduce)
            lines.append(
                f"  {einsum.name}: {einsum.statement}" + (f"  ({reduced})" if reduced else "")
            )
        return "\n".join(lines)
