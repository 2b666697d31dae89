"""Overrides: ``hardware.components.dram.bandwidth=800 GB/s`` laid over a document.

The value is YAML, so text, numbers, quantities, lists and ``${…}`` arithmetic work as in a file;
arithmetic of the document is done again after an override.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from archsim.config.arithmetic import children
from archsim.config.document import Document, build_document
from archsim.config.paths import ROOTS, join_path, split_path
from archsim.config.provenance import SOURCE, attribute, is_leaf_map
from archsim.config.tree import Node, read_tree
from archsim.errors import ConfigError, Location, nearest

MAX_OVERRIDE_CHARACTERS = 4096
OVERRIDE_SOURCE = "override"
"""Source of every number that an override sets."""


@dataclass(frozen=True, slots=True)
class Override:
    """One ``path=value``: the segments of the path, root first, and the value as a tree."""

    text: str
    segments: tuple[str, ...]
    node: Node

    @property
    def path(self) -> str:
        """Dotted path with its root."""
        path = ""
        for segment in self.segments:
            path = join_path(path, segment)
        return path

    @property
    def root(self) -> str:
        """First word of the path: ``hardware``, ``workload``, ``mapper`` or ``options``."""
        return self.segments[0]


def parse_override(text: str) -> Override:
    """Read ``path=value``.

    Raises
    ------
    ConfigError
        No ``=``, a path that does not start with one of the roots or names nothing below it, a
        value that is missing or not YAML.
    """
    location = Location("--set")
    shape = "PATH=VALUE, such as hardware.clocks.core=1 GHz"
    path_text, equals, value = text.partition("=")
    if not equals or len(text) > MAX_OVERRIDE_CHARACTERS:
        problem = "is too long" if equals else "is not PATH=VALUE"
        raise ConfigError(problem, location=location, given=text, allowed=shape)
    try:
        segments = split_path(path_text.strip())
        if segments[0] not in ROOTS:
            raise ConfigError(
                "unknown root of a path",
                given=segments[0],
                allowed=ROOTS,
                hint=nearest(segments[0], ROOTS),
            )
        if len(segments) == 1:
            raise ConfigError("a path must name something below its root", given=path_text)
    except ConfigError as error:
        raise error.at(location=location) from None
    node = _value(value.strip(), path_text.strip(), location)
    if node is None or node.value is None:
        raise ConfigError("the value is missing", location=location, given=text, allowed=shape)
    return Override(text, segments, node)


def _value(text: str, path: str, location: Location) -> Node | None:
    """Return the tree of a value; it and its errors stand at ``--set``, without line numbers."""
    try:
        node = read_tree(text, location.file, path)
    except ConfigError as error:
        raise ConfigError(
            error.message,
            path=error.path or path,
            location=location,
            given=error.given,
            allowed=error.allowed,
            hint=error.hint,
        ) from None
    return None if node is None else _moved(node, location)


def _moved(node: Node, location: Location) -> Node:
    """Return a tree whose every node stands at one place."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _moved(item, location) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_moved(item, location) for item in value]
    return Node(value, location, location)


def group_overrides(overrides: Iterable[Override | str]) -> dict[str, list[Override]]:
    """Return overrides by their root word, in order; every root is a key."""
    groups: dict[str, list[Override]] = {root: [] for root in ROOTS}
    for item in overrides:
        override = parse_override(item) if isinstance(item, str) else item
        groups[override.root].append(override)
    return groups


def apply_overrides(
    document: Document, overrides: Iterable[Override | str], *, known: Collection[str] = ()
) -> Document:
    """Return the document with overrides laid over it, in order.

    Parameters
    ----------
    document : Document
        The document; it is not changed.
    overrides : iterable of Override or str
        All must have the document's kind as their root.
    known : collection of str
        Paths that may be set although the document does not have them: keys with a default
        (:func:`archsim.config.schema.key_paths`). Their enclosing map must exist.

    Raises
    ------
    ConfigError
        A path that does not exist; the nearest that does is named. Or what the new values make
        wrong in the document's arithmetic.
    """
    tree = document.tree
    if tree is None:
        raise ConfigError("overrides need a document that was loaded from text")
    for item in overrides:
        override = parse_override(item) if isinstance(item, str) else item
        if override.root != document.kind:
            raise ConfigError(
                "the path belongs to another document",
                location=Location("--set"),
                given=override.path,
                allowed=f"paths that start with '{document.kind}.'",
            )
        tree = _replaced(tree, override, document, known)
    return build_document(tree, document.kind, files=document.files, sources=document.has_sources)


def _replaced(tree: Node, override: Override, document: Document, known: Collection[str]) -> Node:
    """Return the tree with one override applied."""
    node = override.node
    if document.has_sources:
        covering = Node(OVERRIDE_SOURCE, node.location)
        wrapped = Node({SOURCE: covering, "new": node}, node.location)
        attributed = attribute(wrapped, override.path).value
        node = attributed["new"] if isinstance(attributed, dict) else node
        _check_source(override, node)
    unknown = _unknown(document, override)
    return _set(tree, override.segments[1:], document.kind, node, unknown, known)


def _check_source(override: Override, node: Node) -> None:
    is_text = isinstance(node.value, str) and bool(node.value.strip())
    if override.segments[1:] == (SOURCE,) and not is_text:
        raise ConfigError("a source must be text", location=node.location, given=override.text)


def _unknown(document: Document, override: Override) -> ConfigError:
    return ConfigError(
        "there is no such path",
        location=Location("--set"),
        given=override.path,
        hint=nearest(override.path, document.locations),
    )


def _set(
    node: Node,
    segments: Sequence[str],
    path: str,
    new: Node,
    unknown: ConfigError,
    known: Collection[str],
) -> Node:
    if not segments:
        return Node(new.value, new.location, node.key_location, new.source, new.estimate)
    segment, *rest = segments
    child_path = join_path(path, segment)
    items = dict(children(node))
    if segment in items:
        items[segment] = _set(items[segment], rest, child_path, new, unknown, known)
    elif not rest and isinstance(node.value, dict) and child_path in known:
        items[segment] = Node(new.value, new.location, new.location, new.source, new.estimate)
    else:
        raise unknown
    if not isinstance(node.value, dict):
        return node.replaced(list(items.values()))
    if is_leaf_map(items):
        raise ConfigError(
            "the override would turn a map into a single number",
            path=child_path,
            location=new.location,
            allowed=f"a value for {path} itself",
        )
    return node.replaced(items)
