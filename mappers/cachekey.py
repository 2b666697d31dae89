"""Keys of search results: everything a result depends on, hashed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext


def cache_key(
    mapper: str, version: int, machine: Machine, content: Json, context: MapContext
) -> str:
    """Return the key under which a mapper stores what it found.

    Parameters
    ----------
    mapper, version
        Id of the mapper and version of its search.
    machine
        The machine; its content hash is part of the key.
    content
        What is mapped: shapes, formats, homes, room. No names.
    context
        Seed and budget, which may change what a search finds.
    """
    parts = [mapper, version, machine.content_hash, context.seed, context.budget, content]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return f"{mapper}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
