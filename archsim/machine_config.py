"""The top level of a hardware file, as a configuration model."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from archsim.config.schema import ConfigModel, Frequency, Identifier, Length, PositiveInt, Voltage
from archsim.errors import ConfigError
from archsim.numberformat import parse_precision


class TechnologyConfig(ConfigModel):
    """Process of the logic; costs are scaled to it."""

    node_m: Length = Field(alias="node")
    """Node, as 7 nm."""
    supply_v: Voltage = Field(alias="supply")
    """Supply voltage."""


class DevicesConfig(ConfigModel):
    """How many identical devices work together."""

    count: PositiveInt = 1
    """Devices that share the model as tensor-parallel ranks, unless a run's ``--parallel`` says
    otherwise."""
    link: Identifier | None = None
    """Component that joins the devices; without one there is only one."""

    @model_validator(mode="after")
    def _joined(self) -> DevicesConfig:
        if self.count > 1 and self.link is None:
            raise ValueError("count over 1 needs a link that joins the devices")
        return self


class MachineConfig(ConfigModel):
    """Top level of a hardware file."""

    name: Identifier
    """Id of the machine."""
    source: str | None = None
    """Where the machine is described."""
    technology: TechnologyConfig
    """Process of the logic."""
    clocks_hz: dict[Identifier, Frequency] = Field(alias="clocks", min_length=1)
    """Clock domains by name."""
    components: dict[Identifier, dict[str, object]] = Field(min_length=1)
    """Components by name, told apart by ``kind``."""
    levels: tuple[Identifier, ...] = Field(min_length=2)
    """Memory levels, outermost first: names of components with a capacity."""
    links: dict[Identifier, dict[str, object]] = Field(default_factory=dict)
    """Links and DMA engines between levels: ``from``, ``to``, ``kind`` and the kind's own keys."""
    mappers: dict[Identifier, Identifier] = Field(default_factory=dict)
    """Default mapper of each mapper class."""
    devices: DevicesConfig = Field(default_factory=DevicesConfig)
    """Devices that work together."""
    precision: str | None = None
    """Number formats of a run that names none, such as ``weights=int4,kv=int4``."""
    energy_table: str = "default"
    """Cost table: the id of a shipped one, or a file beside this one."""
    constants: dict[str, object] = Field(default_factory=dict)
    """Numbers that the file's own arithmetic uses."""

    @field_validator("precision")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        try:
            return None if text is None else str(parse_precision(text))
        except ConfigError as error:
            raise ValueError(str(error)) from None
