"""Documents: YAML files with ``extends``, arithmetic, sources, estimates and places.

A document is loaded once and never changes; :func:`archsim.config.overrides.apply_overrides`
returns a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from archsim import registry
from archsim.config.arithmetic import children, evaluate
from archsim.config.emit import to_yaml
from archsim.config.hashing import content_hash
from archsim.config.paths import join_path
from archsim.config.provenance import (
    SOURCE,
    Estimate,
    attribute,
    checked_estimate,
    numbers,
    numeric_value,
    restored,
)
from archsim.config.tree import MAX_FILE_BYTES, Node, decode, read_tree
from archsim.errors import ConfigError, Location

EXTENDS = "extends"
MAX_EXTENDS = 16
_YAML_SUFFIXES = (".yaml", ".yml")
_REGISTRIES = {"hardware": registry.hardware, "workload": registry.workloads}


@dataclass(frozen=True)
class Document:
    """A loaded document; equal if data, sources and estimates are.

    Attributes
    ----------
    kind : str
        Root of all its paths: ``hardware``, ``workload``, …
    data : dict
        Plain data: ``extends`` merged, arithmetic done, ``source`` keys and leaf maps taken out.
    sources : dict of path to str
        Where each number is from, for the numbers whose file says so.
    estimates : dict of path to (low, high)
        Ranges of the numbers marked as estimates, as written.
    locations, key_locations : dict of path to Location
        Places of values and of keys.
    files : tuple of str
        The files it was read from, base first.
    """

    kind: str
    data: dict[str, object]
    sources: dict[str, str] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    locations: dict[str, Location] = field(default_factory=dict, compare=False, repr=False)
    key_locations: dict[str, Location] = field(default_factory=dict, compare=False, repr=False)
    files: tuple[str, ...] = field(default=(), compare=False)
    tree: Node | None = field(default=None, compare=False, repr=False)
    has_sources: bool = field(default=True, compare=False)

    def location(self, path: str) -> Location | None:
        """Return the place of the value at a path, or of the nearest value that encloses it."""
        return _enclosing(self.locations, path)

    def key_location(self, path: str) -> Location | None:
        """Return the place of the key at a path, or of the nearest value that encloses it."""
        return self.key_locations.get(path) or self.location(path)

    @property
    def content_hash(self) -> str:
        """Hash of data and estimates; sources, comments, order and layout do not count."""
        return content_hash({"data": self.data, "estimates": self.estimates})

    def unsourced(self) -> tuple[str, ...]:
        """Return the paths of the numbers that no source covers."""
        data = {key: value for key, value in self.data.items() if key != SOURCE}
        return tuple(path for path in numbers(data, self.kind) if path not in self.sources)

    def to_yaml(self) -> str:
        """Return YAML text that loads to an equal document, sources and estimates included."""
        if not self.has_sources:
            return to_yaml(self.data)
        return to_yaml(restored(self.data, self.kind, self.sources, self.estimates))


def parse_document(text: str, *, kind: str, file: str = "<text>", sources: bool = True) -> Document:
    """Read a document from YAML text.

    Parameters
    ----------
    text : str
        The YAML.
    kind : str
        Root of its paths; ``hardware`` and ``workload`` documents may extend registered ids.
    file : str
        Its name in messages.
    sources : bool
        Whether ``source`` keys and ``{value, source, estimate}`` maps are provenance, to be taken
        out of the data. False leaves them as ordinary data (claims, tables).

    Raises
    ------
    ConfigError
        Anything wrong in the text or in what it extends.
    """
    loader = _Loader(kind, sources)
    tree = loader.merged(text, file, Path())
    return build_document(tree, kind, files=tuple(loader.files), sources=sources)


def load_document(source: Path | str, *, kind: str, sources: bool = True) -> Document:
    """Load a document from a file, a registered id, or a YAML text.

    Parameters
    ----------
    source : Path or str
        A path; a text with a line break is YAML itself; any other text is a path if it has a
        directory or ends in ``.yaml`` or ``.yml``, else an id: of a file, or of an object that a
        plug-in has registered (see :mod:`archsim.config.made_document`).
    kind, sources
        As for :func:`parse_document`.
    """
    if isinstance(source, str) and "\n" in source:
        return parse_document(source, kind=kind, sources=sources)
    if isinstance(source, str) and _is_id(source) and kind in _REGISTRIES:
        from archsim.config.made_document import made_text

        text = made_text(_REGISTRIES[kind], source)
        if text is not None:
            return parse_document(text, kind=kind, sources=sources)
    path = source if isinstance(source, Path) else find_document(source, kind, Path())
    loader = _Loader(kind, sources)
    tree = loader.merged(_read(path), str(path), path.parent, (_identity(path),))
    return build_document(tree, kind, files=tuple(loader.files), sources=sources)


def _is_id(name: str) -> bool:
    return "/" not in name and not name.endswith(_YAML_SUFFIXES)


def find_document(name: str, kind: str, folder: Path) -> Path:
    """Return the file of an id or of a path relative to a folder.

    Raises
    ------
    ConfigError
        An id that is not registered (the nearest is named).
    """
    if not _is_id(name):
        return folder / name
    if kind not in _REGISTRIES:
        raise ConfigError(f"{kind} documents have no ids", given=name, allowed="a path to a file")
    if kind == "hardware" and name in registry.memory.yaml_names():
        return registry.memory.find_yaml(name)
    return _REGISTRIES[kind].find_yaml(name)


def build_document(
    tree: Node, kind: str, *, files: tuple[str, ...] = (), sources: bool = True
) -> Document:
    """Return the document of a merged tree: arithmetic done, places and provenance collected."""
    resolved = evaluate(tree, kind)
    document = Document(
        kind, {}, files=files, tree=tree, has_sources=sources, locations={kind: tree.location}
    )
    data = _collect(resolved, kind, document)
    document.data.update(data if isinstance(data, dict) else {})
    return document


def _collect(node: Node, path: str, document: Document) -> object:
    """Return plain data of a node; fill in the document's places, sources and estimates."""
    document.locations[path] = node.location
    if node.key_location is not None:
        document.key_locations[path] = node.key_location
    if isinstance(node.value, dict | list):
        items = [
            (key, _collect(item, join_path(path, key), document)) for key, item in children(node)
        ]
        return dict(items) if isinstance(node.value, dict) else [item for _, item in items]
    is_metadata = path == join_path(document.kind, SOURCE)
    if node.source is not None and not is_metadata and numeric_value(node.value) is not None:
        document.sources[path] = node.source
    if node.estimate is not None:
        try:
            document.estimates[path] = checked_estimate(node, node.value)
        except ConfigError as error:
            raise error.at(path=path) from None
    return node.value


class _Loader:
    """Reads a file and what it extends."""

    def __init__(self, kind: str, sources: bool) -> None:
        self._kind = kind
        self._sources = sources
        self.files: list[str] = []

    def merged(self, text: str, file: str, folder: Path, chain: tuple[Path, ...] = ()) -> Node:
        """Return the tree of a text, merged over the tree of what it extends."""
        tree = read_tree(text, file, self._kind)
        if tree is None:
            raise ConfigError("the file is empty", location=Location(file, 1, 1), allowed="a map")
        if not isinstance(tree.value, dict):
            given = "a list" if isinstance(tree.value, list) else tree.value
            raise ConfigError(
                "the top level must be a map", location=tree.location, given=given, allowed="a map"
            )
        base_name = tree.value.get(EXTENDS)
        entries = {key: node for key, node in tree.value.items() if key != EXTENDS}
        tree = tree.replaced(entries)
        if self._sources:
            tree = attribute(tree, self._kind)
        if base_name is not None:
            tree = _merge(self._base(base_name, folder, chain), tree)
        self.files.append(file)
        return tree

    def _base(self, name: Node, folder: Path, chain: tuple[Path, ...]) -> Node:
        path_text = join_path(self._kind, EXTENDS)
        if not isinstance(name.value, str) or not name.value:
            raise ConfigError(
                "must be an id or the path of a file", path=path_text, location=name.location
            )
        try:
            path = find_document(name.value, self._kind, folder)
            identity = _identity(path)
            if identity in chain:
                cycle = " → ".join(item.name for item in (*chain, identity))
                raise ConfigError("files extend each other in a cycle", given=cycle)
            if len(chain) >= MAX_EXTENDS:
                raise ConfigError(
                    "a chain of extends is too long", allowed=f"at most {MAX_EXTENDS} files"
                )
            text = _read(path)
        except ConfigError as error:
            raise error.at(path=path_text, location=name.location) from None
        return self.merged(text, str(path), path.parent, (*chain, identity))


def _identity(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot be read ({error})", given=str(path)) from None


def _read(path: Path) -> str:
    """Return the text of a regular file of bounded size."""
    try:
        if not path.is_file():
            raise ConfigError("there is no such file", given=str(path))
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ConfigError(
                "the file is too large",
                location=Location(str(path)),
                given=f"{size} bytes",
                allowed=f"at most {MAX_FILE_BYTES} bytes",
            )
        return decode(path.read_bytes(), str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot be read ({reason})", given=str(path)) from None


def _merge(base: Node, own: Node) -> Node:
    """Return ``own`` over ``base``: maps merge key by key, everything else is replaced."""
    if not (isinstance(base.value, dict) and isinstance(own.value, dict)):
        return own
    merged = dict(base.value)
    for key, node in own.value.items():
        merged[key] = _merge(merged[key], node) if key in merged else node
    return own.replaced(merged)


def _enclosing(locations: dict[str, Location], path: str) -> Location | None:
    while path:
        if path in locations:
            return locations[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None
