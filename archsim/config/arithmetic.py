"""Arithmetic in documents: ``"${constants.channels * 12.8} GB/s"``.

Between ``${`` and ``}`` stands an expression of :mod:`archsim.expression` over the numbers of the
same document, addressed from its top (``constants.channels``; the root word may be written too). A
quantity counts in its base unit, so ``"${clocks.core / 2} Hz"`` halves a clock. A text that is one
expression and nothing else becomes a number, a whole one if its value is whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from archsim.config.paths import item_segments, join_path
from archsim.config.provenance import is_leaf_map, numeric_value
from archsim.config.tree import MAX_DEPTH, Node, Scalar
from archsim.errors import ConfigError, nearest
from archsim.expression import Expression

OPEN = "${"
MAX_CHAIN = 50
"""Longest chain of expressions that refer to expressions."""
MAX_TEXT_CHARACTERS = 1024
MAX_EXPRESSIONS = 2000
"""Limits of a text that holds expressions, and of expressions in a document."""


def evaluate(root: Node, kind: str) -> Node:
    """Return the tree with every ``${…}`` replaced by its value.

    Raises
    ------
    ConfigError
        Not an expression, a name that is no number of the document, or a cycle.
    """
    return _Evaluator(root, kind).resolved(root, kind)


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the path segment and node of each item of a map or list."""
    if isinstance(node.value, dict):
        yield from node.value.items()
    elif isinstance(node.value, list):
        names = item_segments([_plain_name(item) for item in node.value])
        yield from zip(names, node.value, strict=True)


def _plain_name(node: Node) -> object:
    if not isinstance(node.value, dict) or "name" not in node.value:
        return None
    return {"name": node.value["name"].value}


class _Evaluator:
    def __init__(self, root: Node, kind: str) -> None:
        self._kind = kind
        self._leaves: dict[str, Node] = {}
        self._values: dict[str, Scalar] = {}
        self._pending: list[str] = []
        self._num_expressions = 0
        self._collect(root, kind)

    def _collect(self, node: Node, path: str) -> None:
        for segment, child in children(node):
            child_path = join_path(path, segment)
            if isinstance(child.value, dict) and is_leaf_map(child.value):
                # Kept as a map where sources are ordinary data; its number goes by its own path.
                self._leaves[child_path] = child.value["value"]
            if isinstance(child.value, dict | list):
                self._collect(child, child_path)
            else:
                self._leaves[child_path] = child

    def resolved(self, node: Node, path: str) -> Node:
        """Return the node at a path with everything in and below it evaluated."""
        if isinstance(node.value, dict):
            return node.replaced(
                {key: self.resolved(item, join_path(path, key)) for key, item in node.value.items()}
            )
        if isinstance(node.value, list):
            return node.replaced(
                [self.resolved(item, join_path(path, key)) for key, item in children(node)]
            )
        return node.replaced(self._value(path, node))

    def _value(self, path: str, node: Node) -> Scalar:
        text = node.value
        if not isinstance(text, str) or OPEN not in text:
            return text if not isinstance(text, dict | list) else None
        if path in self._values:
            return self._values[path]
        if path in self._pending:
            cycle = [*self._pending[self._pending.index(path) :], path]
            raise ConfigError(
                "expressions refer to each other in a cycle",
                path=path,
                location=node.location,
                given=" → ".join(cycle),
            )
        if len(self._pending) >= MAX_CHAIN:
            raise ConfigError(
                "a chain of expressions is too long",
                path=path,
                location=node.location,
                allowed=f"at most {MAX_CHAIN}",
            )
        self._pending.append(path)
        value = self._substituted(path, node, text)
        self._pending.pop()
        self._values[path] = value
        return value

    def _substituted(self, path: str, node: Node, text: str) -> Scalar:
        """Return a text with its expressions replaced by their values."""
        if len(text) > MAX_TEXT_CHARACTERS:
            raise ConfigError(
                "a text with expressions is too long",
                path=path,
                location=node.location,
                allowed=f"at most {MAX_TEXT_CHARACTERS} characters",
            )
        pieces: list[str] = []
        position = 0
        while (start := text.find(OPEN, position)) >= 0:
            end = _closing(text, start + len(OPEN))
            if end < 0:
                raise ConfigError(
                    "'}' is missing after '${'", path=path, location=node.location, given=text
                )
            number = self._number(path, node, text[start + len(OPEN) : end])
            if start == 0 and end == len(text) - 1:
                return number
            pieces += [text[position:start], str(number)]
            position = end + 1
        return "".join([*pieces, text[position:]])

    def _number(self, path: str, node: Node, text: str) -> int | float:
        self._num_expressions += 1
        if self._num_expressions > MAX_EXPRESSIONS:
            raise ConfigError(
                "too many expressions",
                path=path,
                location=node.location,
                allowed=f"at most {MAX_EXPRESSIONS} in a document",
            )
        try:
            value = Expression(text).evaluate(self._lookup)
        except ConfigError as error:
            raise error.at(path=path, location=node.location) from None
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value

    def _lookup(self, name: str) -> float:
        path = name if name.split(".")[0] == self._kind else f"{self._kind}.{name}"
        node = self._leaves.get(path)
        if node is None:
            known = [leaf.removeprefix(f"{self._kind}.") for leaf in self._leaves]
            raise ConfigError(
                "unknown name in an expression",
                given=name,
                allowed="the path of a number in the same document",
                hint=nearest(name, known),
            )
        number = numeric_value(self._value(path, node))
        if number is None:
            raise ConfigError(
                f"'{name}' in an expression is not a number",
                allowed="the path of a number in the same document",
            )
        return number[0]


def _closing(text: str, start: int) -> int:
    """Return the index of the brace that closes an expression, or -1."""
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
        if depth > MAX_DEPTH:
            return -1
    return -1
