"""Cascades as YAML files: ranks, tensors, einsums, and optionally a binding to units.

::

    name: row-softmax
    ranks: {P: 16, M: 4096}
    tensors:
      X: M P                      # ranks; never written, so an input
    einsums:
      - GM[p] = X[m,p] (max over m)
      - SN[m,p] = sub_exp(X[m,p], GM[p])
      - SD[p] = SN[m,p]
      - Y[m,p] = SN[m,p] / SD[p]

Tensors that an einsum writes need no entry; einsums may come in any order. Every mistake is an
error that names the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.config.document import load_document
from archsim.config.paths import join_path
from archsim.errors import ConfigError, nearest
from workloads.cascade_file_reader import CascadeReader
from workloads.cascade_file_schema import KIND

if TYPE_CHECKING:
    from archsim.config.document import Document
    from workloads.cascade import Cascade

FOLDER = Path(__file__).parent / "cascades"
"""Folder of the cascades that have a name."""


@dataclass(frozen=True)
class LoadedCascade:
    """A cascade with what else its file says.

    Attributes
    ----------
    cascade
        The cascade.
    binding
        Unit by einsum.
    document
        The file, for the places of later errors.
    """

    cascade: Cascade
    binding: Mapping[str, str] = field(default_factory=dict)
    document: Document | None = None

    def check_binding(self, units: Sequence[str], machine: str) -> None:
        """Raise ConfigError unless every einsum is bound to a unit that the machine has."""
        for name, unit in self.binding.items():
            if unit not in units:
                path = join_path(f"{KIND}.binding", name)
                raise ConfigError(
                    f"machine {machine} has no such unit",
                    path=path,
                    location=self.document.location(path) if self.document else None,
                    given=unit,
                    allowed=list(units),
                    hint=nearest(unit, units),
                )


@lru_cache(maxsize=1)
def cascade_names() -> tuple[str, ...]:
    """Return the names of the packaged cascades."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_cascade(source: str | Path) -> LoadedCascade:
    """Load a cascade.

    Parameters
    ----------
    source
        Name of a packaged cascade, path of a file, or YAML text.

    Raises
    ------
    ConfigError
        There is none of that name, or the file is wrong; the message names the line.
    """
    if isinstance(source, str) and "\n" not in source and not _is_path(source):
        if source not in cascade_names():
            raise ConfigError(
                "there is no such cascade",
                given=source,
                allowed="a file, or one that `archsim cascade list` prints",
                hint=nearest(source, cascade_names()),
            )
        source = FOLDER / f"{source}.yaml"
    document = load_document(source, kind=KIND, sources=False)
    cascade, binding = CascadeReader(document).read()
    return LoadedCascade(cascade, binding, document)


def _is_path(source: str) -> bool:
    return "/" in source or source.endswith((".yaml", ".yml"))
