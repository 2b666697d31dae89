"""YAML text to a tree of nodes that know where they stand.

YAML 1.2 core scalars: ``on``, ``yes``, ``1:30`` and ``1_000`` are text, ``1e9`` is a number,
``0x10`` and ``0o10`` are 16 and 8. ``010`` is refused, because YAML 1.1 tools read 8 and 1.2 tools
read 10; ``.inf`` and ``.nan`` are refused. So are tags, merge keys, duplicate keys and several
documents. Aliases are allowed, but count as what they expand to.

The tree is built from the parser's event stream with a stack of our own, so that size and depth
limits hold before anything is built, and no Python object is ever constructed from a tag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from archsim.config.paths import join_path
from archsim.errors import ConfigError, Location, nearest

# Together these bound what a hostile file can cost: a path has at most MAX_DEPTH keys, a document
# at most MAX_NODES values, long texts counting as several.
MAX_FILE_BYTES = 2**20
MAX_NODES = 50_000
MAX_DEPTH = 24
MAX_KEY_CHARACTERS = 64
MAX_SCALAR_CHARACTERS = 2**16
CHARACTERS_PER_NODE = 100
MAX_DIGITS = 40

Scalar = str | int | float | bool | None

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INF_NAN = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(slots=True)
class Node:
    """A value of a document with its place.

    Attributes
    ----------
    value : scalar, dict of str to Node, or list of Node
        What it is.
    location : Location
        Where the value starts.
    key_location : Location or None
        Where its key starts, for values of a map.
    source : str or None
        Where the number is from, if this is a leaf and its document says so.
    estimate : pair of Node or None
        Low and high end of the range, if the value is marked as an estimate.
    """

    value: Scalar | dict[str, Node] | list[Node]
    location: Location
    key_location: Location | None = None
    source: str | None = None
    estimate: tuple[Node, Node] | None = None

    def replaced(self, value: Scalar | dict[str, Node] | list[Node]) -> Node:
        """Return the node with another value."""
        return Node(value, self.location, self.key_location, self.source, self.estimate)


@dataclass(slots=True)
class _Open:
    """A map or list that is being read."""

    node: Node
    anchor: str | None
    depth: int
    size: int = 1
    height: int = 1
    key: str | None = None
    key_location: Location | None = None


@dataclass(slots=True)
class _Anchored:
    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Builder:
    """Consumes parser events; holds the stack of open maps and lists."""

    file: str
    root_path: str
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored | None] = field(default_factory=dict)
    tree: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        num_documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                num_documents += 1
                if num_documents > 1:
                    raise self.error("more than one document in a file", event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._start(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._end()
        return self.tree

    def where(self, event: yaml.Event) -> Location:
        mark = event.start_mark
        return Location(self.file, mark.line + 1, mark.column + 1) if mark else Location(self.file)

    def error(self, message: str, event: yaml.Event, **parts: str) -> ConfigError:
        return ConfigError(message, path=self.path(), location=self.where(event), **parts)

    def path(self) -> str | None:
        """Return the dotted path of the value or key that is being read."""
        path = self.root_path
        for item in self.stack:
            if isinstance(item.node.value, list):
                path = join_path(path, str(len(item.node.value)))
            elif item.key is not None:
                path = join_path(path, item.key)
        return path or None

    def _refuse_tag(self, event: yaml.NodeEvent, tag: str | None) -> None:
        if tag is not None:
            written = tag.replace("tag:yaml.org,2002:", "!!", 1)
            raise self.error("tags are not allowed", event, given=written, allowed="plain values")

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._refuse_tag(event, event.tag)
        is_map = isinstance(event, yaml.MappingStartEvent)
        if self._wants_key():
            raise self.error("a key must be text", event, given="a map" if is_map else "a list")
        depth = len(self.stack) + 1
        if depth > MAX_DEPTH:
            raise self.error("nested too deeply", event, allowed=f"at most {MAX_DEPTH} levels")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node = Node({} if is_map else [], self.where(event))
        self.stack.append(_Open(node, event.anchor, depth))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = _Anchored(done.node, done.size, done.height)
        self._add(done.node, done.size, done.height)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain = event.implicit[0] and not event.style
        self._refuse_tag(event, event.tag)
        if len(event.value) > MAX_SCALAR_CHARACTERS:
            limit = f"at most {MAX_SCALAR_CHARACTERS} characters"
            raise self.error("a text is too long", event, allowed=limit)
        if not event.value.isascii() and any("\ud800" <= c <= "\udfff" for c in event.value):
            raise self.error("is not text", event, given="a lone surrogate")
        value = self._plain_value(event) if plain else event.value
        if self._wants_key():
            self._key(event, value)
            return
        node = Node(value, self.where(event))
        size = 1 + len(event.value) // CHARACTERS_PER_NODE
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(node, size, 0)
        self._add(node, size, 0)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = str(event.anchor)
        if name not in self.anchors:
            raise self.error(
                "unknown anchor", event, given=name, **_hint(nearest(name, self.anchors))
            )
        anchored = self.anchors[name]
        if anchored is None:
            raise self.error("an anchor contains itself", event, given=name)
        if self._wants_key():
            raise self.error("a key must be text", event, given=f"*{name}")
        if len(self.stack) + anchored.height > MAX_DEPTH:
            raise self.error("nested too deeply", event, allowed=f"at most {MAX_DEPTH} levels")
        # A shallow copy: the key belongs to this use, the value to the anchor.
        self._add(anchored.node.replaced(anchored.node.value), anchored.size, anchored.height)

    def _wants_key(self) -> bool:
        return (
            bool(self.stack)
            and isinstance(self.stack[-1].node.value, dict)
            and (self.stack[-1].key is None)
        )

    def _key(self, event: yaml.ScalarEvent, value: Scalar) -> None:
        top = self.stack[-1]
        if event.value == "<<" and not event.style:
            raise self.error("merge keys (<<) are not supported", event, allowed="extends")
        if event.anchor is not None:
            raise self.error("a key cannot have an anchor", event, given=event.anchor)
        if not isinstance(value, str):
            raise self.error(
                "a key must be text", event, given=event.value, allowed="text, or quotes around it"
            )
        if len(value) > MAX_KEY_CHARACTERS:
            limit = f"at most {MAX_KEY_CHARACTERS} characters"
            raise self.error("a key is too long", event, given=value, allowed=limit)
        entries = top.node.value
        if isinstance(entries, dict) and value in entries:
            first = entries[value].key_location
            line = first.line if first else 0
            top.key = value
            raise self.error(f"duplicate key; it stands in line {line} too", event)
        top.key, top.key_location = value, self.where(event)

    def _add(self, node: Node, size: int, height: int) -> None:
        if not self.stack:
            self.tree = node
            return
        top = self.stack[-1]
        if isinstance(top.node.value, dict):
            node.key_location = top.key_location
            top.node.value[str(top.key)] = node
            top.key = None
        elif isinstance(top.node.value, list):
            top.node.value.append(node)
        top.size += size
        top.height = max(top.height, height + 1)
        if sum(item.size for item in self.stack) > MAX_NODES:
            raise ConfigError(
                "too many values (aliases count as what they expand to)",
                path=self.path(),
                location=node.location,
                allowed=f"at most {MAX_NODES}",
            )

    def _plain_value(self, event: yaml.ScalarEvent) -> Scalar:
        text = event.value
        if _NULL.fullmatch(text):
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            digits = text.lstrip("+-")
            if len(digits) > MAX_DIGITS:
                raise self._too_long(event)
            if len(digits) > 1 and digits.startswith("0"):
                bare = digits.lstrip("0") or "0"
                raise self.error(
                    "a leading zero is ambiguous",
                    event,
                    given=text,
                    allowed=f"{bare}, 0o{bare} for octal, or quotes around text",
                )
            return int(text)
        if _HEX.fullmatch(text) or _OCTAL.fullmatch(text):
            value = int(text, 0)
            if value >= 10**MAX_DIGITS:
                raise self._too_long(event)
            return value
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isinf(number):
                raise self.error("the number is too large", event, given=text)
            return number
        if _INF_NAN.fullmatch(text):
            raise self.error("is not a finite number", event, given=text)
        return text

    def _too_long(self, event: yaml.ScalarEvent) -> ConfigError:
        limit = f"at most {MAX_DIGITS} digits"
        return self.error("the number is too long", event, given=event.value, allowed=limit)


def _hint(name: str | None) -> dict[str, str]:
    return {} if name is None else {"hint": name}


def read_tree(text: str, file: str, path: str = "") -> Node | None:
    """Read YAML text into a tree; None for a text without any value.

    Parameters
    ----------
    text : str
        One YAML document.
    file : str
        Its name in messages.
    path : str
        Dotted path of the value, for messages.

    Raises
    ------
    ConfigError
        Not YAML, or YAML outside the subset and the limits of this module.
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ConfigError(
            "is not text", location=_position(text, error.start, file), given="a lone surrogate"
        ) from None
    if size > MAX_FILE_BYTES:
        raise ConfigError(
            "the file is too large",
            location=Location(file),
            given=f"{size} bytes",
            allowed=f"at most {MAX_FILE_BYTES} bytes",
        )
    # libyaml where PyYAML was built with it: ten times faster, the same events.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(file, path).build(yaml.parse(text, Loader=loader))
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            "is not text",
            location=_position(text, error.position, file),
            given=_character_name(error.character),
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, file) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML ({error})", location=Location(file)) from None


def decode(data: bytes, file: str) -> str:
    """Return the text of a file: UTF-8, with or without a byte-order mark.

    Raises
    ------
    ConfigError
        Not UTF-8; says in which line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise ConfigError(
            "is not UTF-8 text",
            location=Location(file, line, column),
            given=f"byte 0x{data[error.start]:02x}",
        ) from None


def _position(text: str, index: int, file: str) -> Location:
    line = text.count("\n", 0, index) + 1
    return Location(file, line, index - (text.rfind("\n", 0, index) + 1) + 1)


def _character_name(character: object) -> str:
    code = character if isinstance(character, int) else ord(str(character)[:1] or "?")
    return f"U+{code:04X}"


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    problem = f"is not YAML: {error.problem or error.context or 'cannot be read'}"
    if mark is None:
        return ConfigError(problem, location=Location(file))
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    if line[mark.column : mark.column + 1] == "\t":
        problem += " (a tab cannot indent: use spaces)"
    return ConfigError(problem, location=Location(file, mark.line + 1, mark.column + 1))
