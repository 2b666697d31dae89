"""Content hashes: equal content, equal hash, whatever the file, its order or its layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

HASH_CHARACTERS = 16


def canonical_json(content: object) -> str:
    """Return JSON text with sorted keys and no spaces; tuples count as lists.

    Raises
    ------
    TypeError, ValueError
        Content that is not plain data, or holds infinite numbers.
    """
    return json.dumps(
        _plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def content_hash(content: object) -> str:
    """Return the first 16 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()[:HASH_CHARACTERS]


def _plain(content: object) -> object:
    if isinstance(content, Mapping):
        if not all(isinstance(key, str) for key in content):
            raise TypeError("keys of hashed maps must be text")
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return content
