"""Assemble cascades from ranks, tensors and einsum statements."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.errors import WorkloadError
from archsim.numberformat import NumberFormat
from workloads.cascade import Cascade
from workloads.einsum import Einsum, Rank, Tensor
from workloads.sparsity import Sparsity


class CascadeBuilder:
    """Collects the parts of one cascade.

    Parameters
    ----------
    name : str
        Name of the cascade.

    Examples
    --------
    >>> from archsim.numberformat import parse_format
    >>> b = CascadeBuilder("product")
    >>> for name, extent in (("I", 4), ("J", 3), ("K", 2)):
    ...     b.rank(name, extent)
    >>> for name, ranks, role in (("A", "I K", "input"), ("B", "K J", "weight")):
    ...     b.tensor(name, ranks, role, parse_format("bf16"))
    >>> b.tensor("C", "I J", "output", parse_format("fp32"))
    >>> b.einsum("product", "C[i,j] = A[i,k] * B[k,j]", op_class="gemm", layer="ffn")
    >>> b.build().macs()
    24
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._ranks: dict[str, Rank] = {}
        self._tensors: dict[str, Tensor] = {}
        self._einsums: list[Einsum] = []

    def rank(
        self, name: str, extent: int, *, parent: str | None = None, iterative: bool = False
    ) -> None:
        """Declare a rank; declaring it again with the same fields does nothing.

        Raises
        ------
        WorkloadError
            The rank exists with other fields.
        """
        rank = Rank(name, extent, parent, iterative)
        if self._ranks.setdefault(name, rank) != rank:
            raise WorkloadError(f"cascade {self.name}: rank {name} is declared twice, differently")

    def extent(self, name: str) -> int:
        """Return the extent of a declared rank."""
        return self._ranks[name].extent

    def tensor(
        self,
        name: str,
        ranks: str,
        role: str,
        number_format: NumberFormat,
        sparsity: Sparsity | None = None,
    ) -> None:
        """Declare a tensor.

        Parameters
        ----------
        name
            Unique name.
        ranks
            Rank names, separated by blanks.
        role
            One of :data:`workloads.einsum.ROLES`.
        number_format
            Format in which it is stored.
        sparsity
            Annotation: which share of its values is there.

        Raises
        ------
        WorkloadError
            The tensor exists.
        """
        if name in self._tensors:
            raise WorkloadError(f"cascade {self.name}: tensor {name} is declared twice")
        self._tensors[name] = Tensor(name, tuple(ranks.split()), role, number_format, sparsity)

    def is_declared(self, tensor: str) -> bool:
        """Whether a tensor of that name exists."""
        return tensor in self._tensors

    def einsum(
        self,
        name: str,
        statement: str,
        *,
        op_class: str,
        layer: str,
        reduce: Mapping[str, str] | None = None,
        section: str = "body",
    ) -> None:
        """Append an einsum given by its text; see :meth:`Einsum.parse`."""
        extents = {rank.variable: rank.extent for rank in self._ranks.values()}
        self._einsums.append(
            Einsum.parse(
                name,
                statement,
                extents,
                reduce=reduce,
                section=section,
                op_class=op_class,
                layer=layer,
            )
        )

    def build(self) -> Cascade:
        """Return the cascade; WorkloadError if it breaks a rule."""
        return Cascade(
            self.name,
            tuple(self._ranks.values()),
            tuple(self._tensors.values()),
            tuple(self._einsums),
        )
