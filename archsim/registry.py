"""Plug-ins by name: components, mappers, workloads, hardware, suites, benches, figures.

Every package, ours included, contributes through entry points of a group ``archsim.<what>``. A
value is ``module:attribute`` or, where YAML is expected, ``package:folder`` (``.`` is the package's
own folder): each ``*.yaml`` below it is then known by its file stem. ``register`` does the same
within one process. Nothing is imported before a name is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from archsim.errors import ConfigError, nearest


class Registry:
    """The plug-ins of one entry-point group.

    Parameters
    ----------
    group : str
        Entry-point group, such as ``archsim.mappers``.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        self._registered: dict[str, object] = {}
        self._entries: dict[str, str] | None = None
        self._yaml: dict[str, Path] | None = None

    @property
    def noun(self) -> str:
        """What an item of this group is called in messages."""
        word = self.group.rpartition(".")[2]
        special = {
            "hardware": "hardware",
            "workloads": "model",
            "suites": "suite",
            "benches": "bench",
        }
        return special.get(word, word.removesuffix("s"))

    def register(self, name: str, value: object) -> None:
        """Add an item in this process.

        ``value`` is the object itself, or the path of a YAML file or of a folder of them.

        Raises
        ------
        ConfigError
            The name is taken.
        """
        if name in self._values():
            raise ConfigError(f"{self.noun} is registered twice", given=name)
        self._registered[name] = value
        previous, self._yaml = self._yaml, None
        if isinstance(value, Path):
            try:
                self._yaml_files()
            except ConfigError:
                del self._registered[name]
                self._yaml = previous
                raise

    def unregister(self, name: str) -> None:
        """Remove an item that :meth:`register` added."""
        if name not in self._registered:
            raise ConfigError(f"{self.noun} was not registered in this process", given=name)
        del self._registered[name]
        self._yaml = None

    def names(self) -> tuple[str, ...]:
        """Return all known names, sorted: those of objects and those of YAML files."""
        return tuple(sorted({*self._objects(), *self._yaml_files()}))

    def get(self, name: str) -> object:
        """Return the object of a name, importing its module if need be.

        Raises
        ------
        ConfigError
            Unknown name (the nearest is named), or a plug-in that cannot be imported.
        """
        values = self._objects()
        if name not in values:
            raise self._unknown(name, values)
        value = values[name]
        if name in self._registered or not isinstance(value, str):
            return value
        module_name, _, attribute = value.partition(":")
        try:
            found: object = importlib.import_module(module_name)
            for part in attribute.split(".") if attribute else ():
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{self.noun} '{name}' cannot be loaded from '{value}' ({error})"
            ) from error
        return found

    def yaml_names(self) -> tuple[str, ...]:
        """Return the ids of all YAML files of the group, sorted."""
        return tuple(sorted(self._yaml_files()))

    def find_yaml(self, name: str) -> Path:
        """Return the YAML file whose stem is ``name``.

        Raises
        ------
        ConfigError
            No such file; the nearest id is named.
        """
        files = self._yaml_files()
        if name not in files:
            raise self._unknown(name, files)
        return files[name]

    def _unknown(self, name: str, known: dict[str, object] | dict[str, Path]) -> ConfigError:
        names = sorted(known)
        return ConfigError(
            f"unknown {self.noun}", given=name, allowed=names, hint=nearest(name, names)
        )

    def _values(self) -> dict[str, object]:
        if self._entries is None:
            self._entries = self._read_entry_points()
        return {**self._entries, **self._registered}

    def _read_entry_points(self) -> dict[str, str]:
        # Imported here: reading the metadata module costs 30 ms that `--help` must not pay.
        from importlib.metadata import entry_points

        entries: dict[str, str] = {}
        for entry in sorted(entry_points(group=self.group)):
            if entry.name in entries:
                raise ConfigError(
                    f"{self.noun} '{entry.name}' is declared twice",
                    given=f"{entries[entry.name]} and {entry.value}",
                )
            entries[entry.name] = entry.value
        return entries

    def _objects(self) -> dict[str, object]:
        return {
            name: value
            for name, value in self._values().items()
            if not isinstance(value, Path) and self._folder_of(name, value) is None
        }

    def _folder_of(self, name: str, value: object) -> Path | None:
        """Return the folder that a ``package:folder`` value names, or None for other values."""
        if isinstance(value, Path):
            return value if value.is_dir() else None
        if name in self._registered or not isinstance(value, str):
            return None
        package, _, folder = value.partition(":")
        if not folder:
            return None
        try:
            spec = importlib.util.find_spec(package)
        except ImportError:
            return None
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / folder
        return path if path.is_dir() else None

    def _yaml_files(self) -> dict[str, Path]:
        if self._yaml is None:
            files: dict[str, Path] = {}
            for name, value in self._values().items():
                for stem, path in self._yaml_of(name, value):
                    if stem in files:
                        raise ConfigError(
                            f"{self.noun} '{stem}' is defined twice",
                            given=f"{files[stem]} and {path}",
                        )
                    files[stem] = path
            self._yaml = files
        return self._yaml

    def _yaml_of(self, name: str, value: object) -> list[tuple[str, Path]]:
        folder = self._folder_of(name, value)
        if folder is not None:
            return [
                (path.name.removesuffix(".yaml"), path) for path in sorted(folder.rglob("*.yaml"))
            ]
        return [(name, value)] if isinstance(value, Path) else []


components = Registry("archsim.components")
mappers = Registry("archsim.mappers")
workloads = Registry("archsim.workloads")
hardware = Registry("archsim.hardware")
memory = Registry("archsim.memory")
suites = Registry("archsim.suites")
benches = Registry("archsim.benches")
figures = Registry("archsim.figures")
macros = Registry("archsim.macros")
pim = Registry("archsim.pim")
