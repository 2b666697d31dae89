"""What the mappers of computing memories need of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from archsim import registry
from archsim.components.pim_units import BoundPimUnits
from archsim.errors import ConfigError, MappingError, nearest
from archsim.mapping import Mapper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsim.components.base import BoundComponent
    from archsim.components.pim_units import PimHomes
    from archsim.machine import Machine
    from archsim.mapping import Json
    from workloads import Einsum

PLACEMENT: Final = "placement"
"""Option: where a class of operations is computed, over the machine's homes."""

PLACES: Final = ("xpu", "pim", "faster", "both")


@dataclass(frozen=True, eq=False)
class PimMachine:
    """A machine with units in its memory.

    Attributes
    ----------
    machine
        The machine.
    units, memory
        The units, and the memory whose banks they read.
    link
        What vectors pass between processor and memory; None: the memory's own interface.
    """

    machine: Machine
    units: BoundPimUnits
    memory: BoundComponent
    link: BoundComponent | None

    @property
    def is_shared(self) -> bool:
        """Whether weights, keys and values lie in the memory that computes."""
        return self.memory.name == self.machine.outermost

    @property
    def keeps_activations(self) -> bool:
        """Whether the processor has caches, in which activations wait for what uses them next."""
        return not self.machine.component(self.machine.innermost).MANAGED

    def processor(self, mapper_class: str) -> Mapper | None:
        """Return the mapper of the processor for a class; None without a processor."""
        name = self.units.units.xpu.get(mapper_class)
        if name is None:
            return None
        made = registry.mappers.get(name)
        found = made() if callable(made) else made
        assert isinstance(found, Mapper)
        return found

    def home(self, part: str, options: Mapping[str, Json], mapper_class: str) -> str:
        """Return where a part of a model is computed.

        Parameters
        ----------
        part
            A key of the machine's `homes`.
        options
            Options of the run: ``placement`` wins over the machine's file.
        mapper_class
            For the place of an error.

        Raises
        ------
        ConfigError
            The option is none of the places.
        """
        homes: PimHomes = self.units.units.homes
        found = options.get(PLACEMENT, getattr(homes, part))
        if found not in PLACES:
            raise ConfigError(
                "is no place",
                path=f"mapper.{mapper_class}.{PLACEMENT}",
                given=found,
                allowed=PLACES,
                hint=nearest(str(found), PLACES),
            )
        return str(found)


@lru_cache(maxsize=32)
def pim_machine(machine: Machine) -> PimMachine | str:
    """Return the machine as one with units in its memory, or why it is none."""
    for item in machine.components.values():
        if isinstance(item, BoundPimUnits):
            link = item.units.link
            return PimMachine(
                machine,
                item,
                machine.component(item.units.memory),
                None if link is None else machine.component(link),
            )
    return "has no units in its memory: it needs a component of kind pim-units"


def the_pim(machine: Machine) -> PimMachine:
    """Return the machine as one with units in its memory.

    Raises
    ------
    MappingError
        It is none.
    """
    found = pim_machine(machine)
    if isinstance(found, str):
        raise MappingError(f"machine {machine.name} {found}")
    return found


def part_of(einsum: Einsum) -> str:
    """Return the key of `homes` that a product goes by."""
    if einsum.op_class == "head":
        return "head"
    if einsum.op_class == "expert":
        return "experts"
    return "projections" if einsum.layer == "attention" or einsum.op_class == "router" else "ffn"
