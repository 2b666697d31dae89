"""The shipped source files, parsed once."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("archsim", "mappers", "workloads", "hw_configs")


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, path and text."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def num_lines(self) -> int:
        return self.text.count("\n")

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def imports(self) -> list[tuple[str, str]]:
        """Return (dotted name, when) of each import, ``package.name`` for each imported name.

        `when` is ``load`` at the time the module is loaded, ``call`` inside a function and
        ``types`` for type checking alone.
        """
        found: list[tuple[str, str]] = []
        _collect(self.tree, "load", found)
        return found


def _collect(parent: ast.AST, when: str, found: list[tuple[str, str]]) -> None:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.Import):
            found.extend((alias.name, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" if node.module else "" for alias in node.names]
            found.extend((name if node.level == 0 else "relative", when) for name in names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _collect(node, "call", found)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            _collect(node, "types", found)
        else:
            _collect(node, when, found)


@lru_cache(maxsize=1)
def modules() -> dict[str, Module]:
    """Return all shipped modules by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, path.read_text(encoding="utf-8"))
    return found


def module_of(name: str) -> str | None:
    """Return the shipped module that a dotted import names or stands in, or None."""
    known = modules()
    while name:
        if name in known:
            return name
        name = name.rpartition(".")[0]
    return None
