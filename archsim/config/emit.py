"""Plain data to YAML text that this project's loader, and any YAML 1.2 tool, reads back equal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./-]*[A-Za-z0-9_])?(?: [A-Za-z0-9_./-]*[A-Za-z0-9_])*")
_QUANTITY = re.compile(r"[0-9]+(?:\.[0-9]+)? [A-Za-z][A-Za-z0-9/]*")
# Words that YAML 1.1 or 1.2 tools read as something else than text.
_RESERVED = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
_INLINE_CHARACTERS = 88


def to_yaml(data: object) -> str:
    """Return YAML text of plain data (maps with text keys, lists, text, numbers, booleans, null).

    Small maps and lists of scalars are written on one line.
    """
    if isinstance(data, Mapping | list | tuple) and data:
        return "\n".join([*_block(data, ""), ""])
    return f"{_scalar(data)}\n"


def _block(data: object, indent: str) -> list[str]:
    lines: list[str] = []
    if isinstance(data, Mapping):
        for key, value in data.items():
            inline = _inline(value)
            if inline is not None and len(indent) + len(key) + len(inline) < _INLINE_CHARACTERS:
                lines.append(f"{indent}{_text(key)}: {inline}")
            else:
                lines += [f"{indent}{_text(key)}:", *_block(value, f"{indent}  ")]
    elif isinstance(data, Sequence) and not isinstance(data, str):
        for value in data:
            inline = _inline(value)
            if inline is not None and len(indent) + len(inline) < _INLINE_CHARACTERS:
                lines.append(f"{indent}- {inline}")
            else:
                first, *rest = _block(value, f"{indent}  ")
                lines += [f"{indent}- {first[len(indent) + 2 :]}", *rest]
    else:
        lines.append(f"{indent}{_scalar(data)}")
    return lines


def _inline(value: object) -> str | None:
    """Return the one-line form of a scalar, or of a map or list of scalars; None for others."""
    if isinstance(value, Mapping):
        if any(isinstance(item, Mapping | list | tuple) and item for item in value.values()):
            simple = all(not isinstance(item, Mapping) or not item for item in value.values())
            if not simple or len(value) > 3:
                return None
        items = [(key, _inline(item)) for key, item in value.items()]
        if any(item is None for _, item in items):
            return None
        return "{" + ", ".join(f"{_text(key)}: {item}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) and item for item in value):
            return None
        return "[" + ", ".join(_inline(item) or "" for item in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return _text(str(value))


def _text(text: str) -> str:
    """Return text plain where no YAML tool could misread it, else in double quotes."""
    if _QUANTITY.fullmatch(text):
        return text
    if _WORD.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return f'"{"".join(_escaped(character) for character in text)}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    code = ord(character)
    if 0x20 <= code < 0x7F or 0xA0 <= code <= 0xD7FF or 0xE000 <= code < 0xFEFF:
        return character if code not in (0x2028, 0x2029) else f"\\u{code:04x}"
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"
