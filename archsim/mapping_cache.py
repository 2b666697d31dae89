"""The mapping cache on disk: what searches found, kept between runs.

Entries are small JSON files in one folder per version of the code, in the user's cache directory
(``XDG_CACHE_HOME``, else ``~/.cache``). A cache that cannot be read or written is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from archsim.mapping import Json

PACKAGES = ("archsim", "mappers", "workloads")


@cache
def code_fingerprint() -> str:
    """Return a hash over name, size and time of every source file that a search depends on."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            status = path.stat()
            digest.update(f"{path.name}:{status.st_size}:{status.st_mtime_ns};".encode())
    return digest.hexdigest()[:16]


def source_stamp(kind: type) -> str:
    """Return name, size and time of the file that defines a class: it changes with the code."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        return kind.__module__
    status = Path(file).stat()
    return f"{kind.__module__}:{status.st_size}:{status.st_mtime_ns}"


def cache_folder() -> Path | None:
    """Return the folder of the cache, or None if there is no place for one."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base:
        return Path(base) / "archsim" / "mappings" / code_fingerprint()
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".cache" / "archsim" / "mappings" / code_fingerprint()


@dataclass(slots=True)
class DiskCache:
    """A mapping cache that outlives the process.

    Attributes
    ----------
    folder
        Where entries are kept; None keeps them in memory only.
    entries
        Entries seen by this process.
    """

    folder: Path | None = field(default_factory=cache_folder)
    entries: dict[str, Json] = field(default_factory=dict)

    def get(self, key: str) -> Json:
        """Return the stored value, or None."""
        if key not in self.entries and self.folder is not None:
            try:
                text = (self.folder / f"{key}.json").read_text(encoding="utf-8")
                self.entries[key] = json.loads(text)
            except (OSError, ValueError):
                return None
        return self.entries.get(key)

    def put(self, key: str, value: Json) -> None:
        """Store `value`; a reader sees the whole entry or none."""
        self.entries[key] = value
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.folder, suffix=".tmp", delete=False, encoding="utf-8"
            ) as stream:
                json.dump(value, stream)
            Path(stream.name).replace(self.folder / f"{key}.json")
        except OSError:
            self.folder = None
