"""Reading the file of a standard: formulas to ticks, and the checks that need several numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim import registry
from archsim.config.document import Document, build_document, load_document
from archsim.config.overrides import apply_overrides, parse_override
from archsim.config.schema import key_paths, validate_model
from archsim.dram.consistency import check_organisation, check_timings
from archsim.dram.controller import MemoryConfig
from archsim.dram.energy import resolve_energy
from archsim.dram.standard import Command, Constraint, Level, Refresh, Standard
from archsim.dram.standard_file import CommandConfig, StandardConfig
from archsim.dram.vocabulary import LEVELS, MEANINGS, REQUIRED, Meaning
from archsim.errors import ConfigError, nearest
from archsim.expression import Expression

ROOT = "hardware"


@dataclass(frozen=True)
class LoadedMemory:
    """A memory's file, read and resolved.

    Attributes
    ----------
    standard
        The devices of a channel.
    config
        Everything that the file says.
    document
        The file's data, places and sources.
    """

    standard: Standard
    config: MemoryConfig
    document: Document


def read_memory(name: str, overrides: Sequence[str] = ()) -> LoadedMemory:
    """Load, override, validate and resolve a memory, or a standard with the default controller.

    Raises
    ------
    ConfigError
        Anything wrong in the file, with its place.
    """
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    document = load_document(Path(name) if is_path else registry.memory.find_yaml(name), kind=ROOT)
    if "timings" not in document.data:
        raise ConfigError(
            "is not the file of a memory: it has no timings",
            given=name,
            allowed=registry.memory.yaml_names(),
            hint=nearest(name, registry.memory.yaml_names()),
        )
    if overrides:
        commands = document.data.get("commands")
        known = key_paths(MemoryConfig, ROOT).union(
            *(key_paths(CommandConfig, f"{ROOT}.commands.{item}") for item in _names(commands))
        )
        document = apply_overrides(
            _with_controller(document), [parse_override(text) for text in overrides], known=known
        )
    config = validate_model(MemoryConfig, document.data, document, ROOT)
    return LoadedMemory(Resolver(document, config).standard(), config, document)


def _names(commands: object) -> list[str]:
    return list(commands) if isinstance(commands, dict) else []


def _with_controller(document: Document) -> Document:
    """Return the document with an empty map for the controller, so that overrides find it."""
    tree = document.tree
    if tree is None or not isinstance(tree.value, dict) or "controller" in tree.value:
        return document
    entries = {**tree.value, "controller": tree.replaced({})}
    return build_document(tree.replaced(entries), document.kind, files=document.files)


class Resolver:
    """Turns the file's names and formulas into indices and ticks."""

    meanings: Mapping[str, Meaning] = MEANINGS
    """What commands may be called, and what they do."""
    required: Sequence[str] = REQUIRED
    """Commands that a standard must have."""

    def __init__(self, document: Document, config: StandardConfig) -> None:
        self._document = document
        self._config = config
        self._names = list(config.commands)
        self._levels = self._ordered_levels()

    def standard(self) -> Standard:
        """Return the resolved standard."""
        config = self._config
        self._check_commands()
        check_organisation(self._levels, self._error)
        check_timings(config.timings, self._error)
        scale = config.ticks_per_clock
        period_ps = config.period_s * 1e12
        if abs(period_ps - round(period_ps)) > 1e-6 or period_ps < 1:
            raise self._error("must be whole picoseconds", "period", f"{period_ps:g} ps")
        refresh = config.refresh
        per_bank = refresh.per_bank_interval
        return Standard(
            name=config.name,
            family=config.family,
            mark=config.mark,
            notes=config.notes,
            clock_ps=round(period_ps),
            ticks_per_clock=scale,
            levels=self._levels,
            burst_bytes=config.organisation.burst_bytes,
            data_bus_level=self._level(config.data_bus, "data_bus"),
            commands=tuple(self._commands()),
            timings={name: cycles * scale for name, cycles in config.timings.items()},
            constraints=tuple(self._constraints()),
            read_latency_ticks=self._ticks(config.read_latency, "read_latency"),
            write_latency_ticks=self._ticks(config.write_latency, "write_latency"),
            refresh=Refresh(
                scope_level=self._level(refresh.scope, "refresh.scope"),
                interval_ticks=self._ticks(refresh.interval, "refresh.interval"),
                per_bank_interval_ticks=(
                    self._ticks(per_bank, "refresh.per_bank_interval") if per_bank else None
                ),
                max_postponed=refresh.max_postponed,
                max_pulled_in=refresh.max_pulled_in,
            ),
            energy=resolve_energy(config, self._document),
            source=config.source or "",
            devices=config.organisation.devices,
            files=self._document.files,
        )

    def _error(self, message: str, key: str, given: object, allowed: str = "") -> ConfigError:
        path = f"{ROOT}.{key}"
        return ConfigError(
            message,
            path=path,
            location=self._document.location(path),
            given=given,
            allowed=allowed or None,
        )

    def _ordered_levels(self) -> tuple[Level, ...]:
        sizes = self._config.organisation.levels
        for name in ("channel", "row", "column"):
            if name in sizes:
                raise self._error(
                    "is not part of the levels", f"organisation.levels.{name}", sizes[name]
                )
        if "bank" not in sizes:
            raise self._error("the bank level is missing", "organisation.levels", list(sizes))
        middle = [Level(name, sizes[name]) for name in LEVELS if name in sizes]
        organisation = self._config.organisation
        rows, columns = Level("row", organisation.rows), Level("column", organisation.columns)
        return (Level("channel", 1), *middle, rows, columns)

    def _check_commands(self) -> None:
        names = set(self._names)
        missing = [name for name in self.required if name not in names]
        if not ("ACT" in names or {"ACT1", "ACT2"} <= names):
            missing.append("ACT")
        if missing:
            raise self._error("commands are missing", "commands", ", ".join(missing))
        buses = {command.bus for command in self._config.commands.values()}
        if buses not in ({"command"}, {"row", "column"}):
            raise self._error(
                "command buses do not fit together",
                "commands",
                ", ".join(sorted(buses)),
                "all on 'command', or some on 'row' and some on 'column'",
            )

    def _commands(self) -> list[Command]:
        found = []
        for name, command in self._config.commands.items():
            ticks = command.cycles * self._config.ticks_per_clock
            if ticks != int(ticks):
                raise self._error(
                    "is no whole number of ticks", f"commands.{name}.cycles", command.cycles
                )
            found.append(Command(name, command.bus, int(ticks), self.meanings[name]))
        return found

    def _level(self, name: str, key: str) -> int:
        names = [level.name for level in self._levels]
        if name not in names:
            raise self._error("is no level of this organisation", key, name, ", ".join(names))
        return names.index(name)

    def _constraints(self) -> list[Constraint]:
        return [
            Constraint(
                level=self._level(row.at, f"constraints[{index}].at"),
                previous=self._group(row.after, f"constraints[{index}].after"),
                following=self._group(row.next, f"constraints[{index}].next"),
                nominal_ticks=self._ticks(row.gap, f"constraints[{index}].gap"),
                window=row.window,
                sibling=row.sibling,
                formula=row.gap,
                rule=row.rule,
            )
            for index, row in enumerate(self._config.constraints)
        ]

    def _group(self, text: str, key: str) -> tuple[int, ...]:
        found = []
        for name in text.split():
            if name not in self._names:
                error = self._error(
                    "is no command of this standard", key, name, ", ".join(self._names)
                )
                error.hint = nearest(name, self._names)
                raise error
            found.append(self._names.index(name))
        return tuple(found)

    def _ticks(self, formula: str, key: str) -> int:
        try:
            expression = Expression(formula)
            unknown = expression.names() - set(self._config.timings)
            if unknown:
                raise ConfigError(
                    "is no timing of this standard",
                    given=min(unknown),
                    allowed=sorted(self._config.timings),
                    hint=nearest(min(unknown), self._config.timings),
                )
            cycles = expression.evaluate(lambda name: float(self._config.timings[name]))
        except ConfigError as error:
            path = f"{ROOT}.{key}"
            raise error.at(path=path, location=self._document.location(path)) from None
        ticks = cycles * self._config.ticks_per_clock
        if ticks != int(ticks):
            raise self._error("is no whole number of ticks", key, formula)
        return int(ticks)
