"""What a cascade file may say."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from archsim.config.schema import ConfigModel, Identifier, PositiveInt

KIND = "cascade"
"""Root of all paths in a cascade file."""


class RankEntry(ConfigModel):
    """A rank of a cascade file."""

    extent: PositiveInt
    """Coordinates."""
    split: str | None = None
    """Rank of which this one is a level."""
    iterative: bool = False
    """Whether the body runs once per coordinate."""


class TensorEntry(ConfigModel):
    """A tensor of a cascade file."""

    ranks: str | dict[str, PositiveInt] = ""
    """Rank names separated by blanks, or a map from rank to extent."""
    role: str | None = None
    """Role; input if it is never written, output if it is never read, else intermediate."""
    format: str | None = None
    """Number format."""


class EinsumEntry(ConfigModel):
    """An einsum of a cascade file."""

    einsum: str
    """Statement, with its reduction."""
    name: str | None = None
    """Name; that of the tensor it writes by default."""
    op_class: str | None = Field(default=None, alias="class")
    """Operation class."""
    layer: str = ""
    """Layer type."""


class CascadeFile(ConfigModel):
    """A cascade file."""

    name: Identifier
    """Name of the cascade."""
    source: str = ""
    """Where it is from."""
    format: str = "bf16"
    """Number format of tensors that name none."""
    ranks: dict[str, RankEntry] = Field(default_factory=dict)
    """Ranks by name; those that tensors give with their extents need no entry."""
    tensors: dict[str, TensorEntry] = Field(default_factory=dict)
    """Tensors by name."""
    einsums: tuple[EinsumEntry, ...]
    """Einsums."""
    binding: dict[str, str] = Field(default_factory=dict)
    """Unit of a machine for an einsum, by its name."""


def written_out(data: Mapping[str, object]) -> dict[str, object]:
    """Return the data of a file with its short forms written out."""
    long = dict(data)
    for key, inner in (("ranks", "extent"), ("tensors", "ranks")):
        entries = long.get(key)
        if isinstance(entries, dict):
            long[key] = {
                name: entry if isinstance(entry, dict) else {inner: entry}
                for name, entry in entries.items()
            }
    einsums = long.get("einsums")
    if isinstance(einsums, list):
        long["einsums"] = [
            {"einsum": entry} if isinstance(entry, str) else entry for entry in einsums
        ]
    return long
