"""A memory that computes, resolved: its standard in ticks, its units, its controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from archsim import registry
from archsim.config.document import load_document
from archsim.config.overrides import apply_overrides, parse_override
from archsim.config.schema import key_paths, validate_model
from archsim.dram.standard import Standard
from archsim.dram.standard_loading import ROOT, Resolver
from archsim.errors import ConfigError, nearest
from archsim.expression import Expression
from archsim.pim.device_file import PimDeviceConfig, RowCommandConfig
from archsim.pim.vocabulary import PIM_MEANINGS, default_spans

if TYPE_CHECKING:
    from archsim.config.document import Document
    from archsim.pim.device_file import (
        BitEnergyConfig,
        MovesConfig,
        PimControllerConfig,
        UnitConfig,
    )


class _PimResolver(Resolver):
    """Resolves standards with commands that compute."""

    meanings = PIM_MEANINGS
    required = ("REFab",)


@dataclass(frozen=True, eq=False)
class PimDevice:
    """Stacks of channels with multiply-accumulate units.

    Attributes
    ----------
    standard
        One channel: levels, commands, distances, refresh; a standard that the trace checker takes.
    config
        Everything that the file says.
    document
        The file's data, places and sources, overrides included.
    """

    standard: Standard
    config: PimDeviceConfig
    document: Document

    @property
    def channels(self) -> int:
        """Channels of one stack."""
        return self.config.channels

    @property
    def stacks(self) -> int:
        """Stacks that work side by side."""
        return self.config.stacks

    @property
    def unit(self) -> UnitConfig:
        """The multiply-accumulate units."""
        return self.config.unit

    @property
    def moves(self) -> MovesConfig:
        """Commands that move vectors."""
        return self.config.moves

    @property
    def controller(self) -> PimControllerConfig:
        """Controller of a channel."""
        return self.config.controller

    @cached_property
    def row_commands(self) -> dict[str, RowCommandConfig]:
        """Commands that need an open row, with the commands that open and close it."""
        unit = self.unit
        own = RowCommandConfig(
            activate=unit.activate, precharge=unit.precharge, parts=unit.activations
        )
        return {**self.config.row_commands, unit.mac: own}

    @cached_property
    def spans(self) -> dict[str, frozenset[str]]:
        """Levels of which each command addresses every node."""
        given = self.config.spans
        return {
            name: frozenset(given[name]) if name in given else default_spans(name)
            for name in self.config.commands
        }

    @cached_property
    def first_refresh_ticks(self) -> int:
        """Tick at which the first refresh is due."""
        of = self.standard.timings
        formula = Expression(self.controller.first_refresh)
        return max(1, int(formula.evaluate(lambda name: float(of[name]))))

    @property
    def energy(self) -> BitEnergyConfig | None:
        """Energy by bit, if known."""
        return self.config.energy_per_bit

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Nodes of each level under its parent."""
        return {level.name: level.size for level in self.standard.levels}

    @property
    def columns(self) -> int:
        """Bursts of a row."""
        return self.sizes["column"]

    @cached_property
    def units_per_channel(self) -> int:
        """Units that work at the same time on a command: they split the rows of a matrix."""
        sizes = self.sizes
        if self.unit.placement == "buffer":
            return sizes.get("pseudochannel", 1)
        return sizes.get("pseudochannel", 1) * sizes.get("rank", 1) * sizes.get("bankgroup", 1)

    @cached_property
    def split_inner(self) -> int:
        """Banks of a bank group that split the inner dimension; 1 unless each bank has a unit."""
        return self.sizes["bank"] if self.unit.placement == "bank" else 1

    @property
    def banks_per_mac(self) -> int:
        """Banks of a channel that one MAC command reads."""
        return self.units_per_channel * self.split_inner

    @property
    def stack_bytes(self) -> int:
        """Storage of a stack."""
        return self.channels * self.standard.capacity_bytes

    def lanes(self, element_bytes: int) -> int:
        """Return the multipliers of a unit for elements of a size."""
        return self.unit.lanes_bytes // element_bytes


def load_device(name: str, overrides: Sequence[str] = ()) -> PimDevice:
    """Load a device by its id or from a YAML file.

    Parameters
    ----------
    name
        Id or path.
    overrides
        ``hardware.timings.nCCDAB=4`` and the like.

    Raises
    ------
    ConfigError
        Unknown id, unreadable file, numbers that contradict each other.
    """
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    document = load_document(Path(name) if is_path else registry.pim.find_yaml(name), kind=ROOT)
    if "unit" not in document.data:
        known = registry.pim.yaml_names()
        raise ConfigError(
            "is not the file of a memory that computes: it has no unit",
            given=name,
            allowed=known,
            hint=nearest(name, known),
        )
    if overrides:
        document = apply_overrides(
            document,
            [parse_override(text) for text in overrides],
            known=key_paths(PimDeviceConfig, ROOT),
        )
    config = validate_model(PimDeviceConfig, document.data, document, ROOT)
    _check_levels(config, document)
    _check_first_refresh(config, document)
    return PimDevice(_PimResolver(document, config).standard(), config, document)


def _check_first_refresh(config: PimDeviceConfig, document: Document) -> None:
    """Refuse a formula with names that are no timings."""
    path = f"{ROOT}.controller.first_refresh"
    try:
        unknown = Expression(config.controller.first_refresh).names() - set(config.timings)
    except ConfigError as error:
        raise error.at(path=path, location=document.location(path)) from None
    if unknown:
        raise ConfigError(
            "is no timing of this device",
            path=path,
            location=document.location(path),
            given=min(unknown),
            allowed=sorted(config.timings),
        )


def _check_levels(config: PimDeviceConfig, document: Document) -> None:
    """Refuse an organisation that the controller's command streams cannot address."""
    wanted = ("pseudochannel", "rank", "bankgroup", "bank")
    given = tuple(config.organisation.levels)
    if config.mapping == "attacc" and set(given) != set(wanted):
        path = f"{ROOT}.organisation.levels"
        raise ConfigError(
            "has other levels than the command streams",
            path=path,
            location=document.location(path),
            given=", ".join(given),
            allowed=f"{', '.join(wanted)}, each at least 1",
        )
