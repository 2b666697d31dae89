"""Multiply-accumulate units inside a memory: whose banks they read, and what operations cost there.

The device (:mod:`archsim.pim`) gives the commands; this component gives a machine its stacks of
them. Its clock is the device's command clock: all distances are cycles of it, so another frequency
makes every distance longer or shorter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from pydantic import Field

from archsim import registry
from archsim.components.base import (
    ANY_FORMAT,
    BindContext,
    BoundComponent,
    Component,
    Service,
    base_format,
)
from archsim.components.pim_cost import PimCost, like_commands, operation_cost
from archsim.components.pim_requests import Batch, Deal, batch_cost, in_turn
from archsim.config.hashing import content_hash
from archsim.config.paths import join_path
from archsim.config.schema import ConfigModel, Identifier, PositiveInt
from archsim.cost.table import picojoules
from archsim.errors import ConfigError, nearest
from archsim.mapping import Infeasible
from archsim.numberformat import parse_format
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.mapping import Json, MappingCache
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Operation

BITS: int = 8

Where = Literal["xpu", "pim", "faster"]
WhereExperts = Literal["xpu", "pim", "faster", "both"]


class PimHomes(ConfigModel):
    """Where each part of a model is computed: processor, memory, or what is predicted faster."""

    attention: Where = "faster"
    """Scores, softmax and context."""
    projections: Where = "faster"
    """Query, key, value and output projections, and routers."""
    ffn: Where = "faster"
    """Dense feed-forward layers."""
    experts: WhereExperts = "faster"
    """Experts; ``both``: those with few tokens in memory, the others on the processor, at once."""
    head: Where = "faster"
    """Language-model head."""


class PimUnits(Component):
    """Configuration of the multiply-accumulate units in a memory."""

    kind: Literal["pim-units"] = "pim-units"
    device: str
    """Computing memory, by id (``archsim pim run`` takes the same) or file."""
    memory: Identifier
    """Component whose banks the units read."""
    stacks: PositiveInt
    """Stacks or packages of that device."""
    timings: dict[str, PositiveInt] = Field(default_factory=dict)
    """Distances of the device to replace, in cycles."""
    softmax: Literal["stack", "vector"] = "stack"
    """Who makes probabilities of scores: a unit of the stack that keeps up, or the vector unit."""
    deal: Deal = "longest-first"
    """How heads of requests of different lengths get to channels."""
    link: Identifier | None = None
    """Component that vectors pass between processor and memory; absent: the memory's interface."""
    xpu: dict[Identifier, Identifier] = Field(default_factory=dict)
    """Mapper of the processor for each class (``gemm``, ``attention``); empty: there is none."""
    homes: PimHomes = PimHomes()
    """Where each part of a model is computed."""

    def bind(self, context: BindContext) -> BoundPimUnits:
        """Attach the units to a machine."""
        for key in ("memory", "link"):
            name = getattr(self, key)
            if name is not None and name not in context.neighbours:
                raise ConfigError(
                    "no component of that name",
                    path=join_path(context.prefix, key),
                    given=name,
                    allowed=sorted(context.neighbours),
                    hint=nearest(name, context.neighbours),
                )
        self._check_sides(context)
        known = registry.pim.yaml_names()
        is_path = "/" in self.device or self.device.endswith((".yaml", ".yml"))
        if not is_path and self.device not in known:
            raise ConfigError(
                "there is no such computing memory",
                path=join_path(context.prefix, "device"),
                given=self.device,
                allowed=known,
                hint=nearest(self.device, known),
            )
        return BoundPimUnits(context, self)

    def _check_sides(self, context: BindContext) -> None:
        """Refuse homes on a processor that there is not, and mappers that there are not."""
        mappers = registry.mappers.names()
        for name, mapper in self.xpu.items():
            if mapper not in mappers:
                raise ConfigError(
                    "there is no such mapper",
                    path=join_path(context.prefix, f"xpu.{name}"),
                    given=mapper,
                    allowed=mappers,
                    hint=nearest(mapper, mappers),
                )
        for part, home in self.homes.model_dump().items():
            if home in ("xpu", "both") and not self.xpu:
                raise ConfigError(
                    "there is no processor: xpu names no mappers",
                    path=join_path(context.prefix, f"homes.{part}"),
                    given=home,
                    allowed=("pim", "faster"),
                )


@dataclass(frozen=True)
class BoundPimUnits(BoundComponent):
    """The units of one machine.

    Attributes
    ----------
    units
        Their configuration.
    """

    units: PimUnits
    KIND: ClassVar[str] = "pim-units"
    BESIDE: ClassVar[bool] = True
    ACTIONS: ClassVar[tuple[str, ...]] = ("mac", "read", "transfer", "activate", "compute_other")
    """MACs (padding and all), bytes that units read, bytes of vectors moved, and energies of
    commands in pJ: of rows, and all others."""

    @property
    def config(self) -> PimUnits:
        """The validated configuration."""
        return self.units

    @cached_property
    def device(self) -> PimDevice:
        """The device with this machine's stacks and distances.

        Raises
        ------
        ConfigError
            Its file is broken, or it has no such distance.
        """
        texts = [f"hardware.stacks={self.units.stacks}"]
        texts += [f"hardware.timings.{key}={n}" for key, n in sorted(self.units.timings.items())]
        try:
            return _loaded(self.units.device, tuple(texts))
        except ConfigError as error:
            raise error.at(path=join_path(self.context.prefix, "device")) from None

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats of whole bytes, which lanes can take."""
        return ("fp32", "bf16", "fp16", "fp8", "int8")

    @property
    def vectors(self) -> int:
        """Vectors that a column serves which was read once."""
        return self.device.unit.vectors

    @property
    def has_processor(self) -> bool:
        """Whether the machine has a processor that can take products instead."""
        return bool(self.units.xpu)

    def element_bytes(self, format: str) -> int | Infeasible:
        """Return the bytes of an element, or that lanes cannot take such elements."""
        bits = parse_format(format).bits
        if bits % BITS:
            detail = f"lanes take elements of whole bytes; {base_format(format)} has {bits} bits"
            return Infeasible("lanes", -(-bits // BITS) * BITS, bits, "bit", detail)
        return bits // BITS

    def peak_read_bytes_per_s(self) -> float:
        """Return the bytes that all units read if MACs come at their least distance, B/s."""
        from archsim.pim.operations import peak_bytes_per_s

        return peak_bytes_per_s(self.device) * self._speed

    def peak_macs_per_s(self, format: str) -> float:
        """Return the peak rate of multiply-accumulates in a number format, 1/s."""
        bits = parse_format(base_format(format)).bits
        return self.peak_read_bytes_per_s() * BITS / bits * self.vectors

    def inner_bytes_per_s(self, memory: str) -> float:
        """Return the bytes that the units read if they stand in a memory, B/s."""
        return self.peak_read_bytes_per_s() if memory == self.units.memory else 0.0

    @property
    def _speed(self) -> float:
        """Frequency of the units' clock over that of the device's file."""
        return self.device.standard.tick_ps / self.clock.period_ps

    def scaled_ps(self, time_ps: float) -> int:
        """Return a time at the device's own clock as time at this machine's, ps."""
        return round(time_ps / self._speed)

    def time_expr(self, time_ps: float) -> str:
        """Return a time as an expression over the clock, ps."""
        cycles = time_ps / self.clock.period_ps
        return f"{cycles!r} * {PS_PER_S} / {{{join_path('hardware.clocks', self.config.clock)}}}"

    def cost(self, operation: Operation, cache: MappingCache | None = None) -> PimCost | Infeasible:
        """Return what an operation costs at the device's own clock.

        Parameters
        ----------
        operation
            Matrix times vector, or decode attention, on all stacks.
        cache
            Where costs are kept.
        """
        from archsim.pim.operations import obstacle

        reason = obstacle(self.device, operation)
        if reason is not None:
            return reason
        alike = like_commands(self.device, operation)
        content: dict[str, Json] = {
            "device": self.device.document.content_hash,
            "operation": [type(alike).__name__, *asdict(alike).values()],
        }
        key = f"pim-{content_hash(content)}"
        known = cache.get(key) if cache is not None else None
        if isinstance(known, dict):
            found: PimCost | Infeasible = PimCost.from_json(known)
        else:
            found = operation_cost(self.device, alike)
            if cache is not None and isinstance(found, PimCost):
                cache.put(key, cast("Json", asdict(found)))
        if isinstance(found, Infeasible):
            return found
        return replace(found, useful_bytes=operation.needed_bytes(self.vectors))

    def gemv(
        self,
        rows: int,
        inner: int,
        element_bytes: int,
        batch: int = 1,
        cache: MappingCache | None = None,
    ) -> PimCost | Infeasible:
        """Return what a matrix times one vector, or a few, costs; see :meth:`cost`."""
        from archsim.pim.operations import Gemv

        return self.cost(Gemv(rows, inner, element_bytes, batch), cache)

    def cache_write(
        self,
        shape: Mapping[str, int],
        cache: MappingCache | None = None,
    ) -> PimCost | Infeasible:
        """Return what writing one new token of each request into the cache costs.

        Parameters
        ----------
        shape
            ``tokens`` already there, ``head_size``, ``kv_heads``, ``requests``, ``element_bytes``.
        cache
            Where costs are kept.
        """
        from archsim.pim.operations import KvWrite

        return self.cost(KvWrite(**shape), cache)

    def attention(
        self,
        tokens: int,
        head_size: int,
        heads: int,
        kv_heads: int,
        requests: int,
        element_bytes: int,
        cache: MappingCache | None = None,
    ) -> PimCost | Infeasible:
        """Return what decode attention costs; see :meth:`cost`."""
        from archsim.pim.operations import Attention

        operation = Attention(tokens, head_size, heads, kv_heads, requests, element_bytes)
        return self.cost(operation, cache)

    def batch(
        self, parts: Sequence[tuple[int, int]], shape: Mapping[str, int], cache: MappingCache | None
    ) -> Batch | Infeasible:
        """Return what the decode attention of requests of different lengths costs.

        Parameters
        ----------
        parts
            (tokens, requests) of each group of equal requests.
        shape
            ``head_size``, ``heads``, ``kv_heads`` and ``element_bytes``.
        cache
            Where costs are kept.
        """
        from archsim.pim.operations import Attention

        operations = [
            Attention(tokens=tokens, requests=number, **shape) for tokens, number in parts
        ]

        def alone(operation: Attention) -> PimCost | Infeasible:
            return self.cost(operation, cache)

        if not self.deals_heads:
            return in_turn(operations, alone)
        return batch_cost(self.device, operations, self.units.deal, alone)

    @property
    def deals_heads(self) -> bool:
        """Whether each head has a channel; else requests follow one another on all of them."""
        return self.device.config.mapping == "attacc"

    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return the cost of a matrix times a vector, or of decode attention.

        Parameters
        ----------
        action
            ``gemv`` (``rows``, ``inner``, ``batch``) or ``attention`` (``tokens``, ``head_size``,
            ``heads``, ``kv_heads``, ``requests``).
        shape
            Extents of the operation.
        format
            Number format of the elements in memory.

        Raises
        ------
        ConfigError
            The operation cannot run here.
        """
        self._check_action(action, ("gemv", "attention"))
        size = self.element_bytes(format)
        if isinstance(size, Infeasible):
            raise ConfigError(size.detail, path=self.context.prefix, given=format)
        if action == "gemv":
            rows, inner = self._extent(shape, "rows"), self._extent(shape, "inner")
            found = self.gemv(rows, inner, size, self._extent(shape, "batch", 1))
        else:
            heads = self._extent(shape, "heads")
            found = self.attention(
                self._extent(shape, "tokens"),
                self._extent(shape, "head_size"),
                heads,
                self._extent(shape, "kv_heads", heads),
                self._extent(shape, "requests", 1),
                size,
            )
        if isinstance(found, Infeasible):
            raise ConfigError(found.detail, path=self.context.prefix, given=found.need)
        time_ps = self.scaled_ps(found.time_ps)
        expression = self.time_expr(time_ps)
        counts = self.counts(found, base_format(format), size)
        return Service(time_ps, time_ps, counts, expression, expression)

    def counts(
        self, cost: PimCost, number: str, element_bytes: int, vectors: float = 1
    ) -> dict[tuple[str, str, str], int]:
        """Return the actions of an operation.

        Parameters
        ----------
        cost
            The operation.
        number, element_bytes
            Format of the elements in memory.
        vectors
            Vectors multiplied with what is read once.
        """
        own = {key.partition(".")[0] for key in self.config.energy_j}
        spent = {
            "mac": cost.compute_pj,
            "read": cost.access_pj,
            "transfer": cost.move_pj,
        }
        found = {
            (self.name, "mac", number): round(cost.read_bytes // element_bytes * vectors),
            (self.name, "read", ANY_FORMAT): cost.read_bytes,
            (self.name, "transfer", ANY_FORMAT): cost.moved_bytes,
            (self.name, "activate", ANY_FORMAT): cost.activate_pj,
            (self.name, "compute_other", ANY_FORMAT): sum(
                energy for action, energy in spent.items() if action not in own
            ),
        }
        return {key: count for key, count in found.items() if count}

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of an action, pJ.

        Energies of commands are counted in pJ: `activate` those of rows, `compute_other` the rest.
        What the component's own `energy:` gives for a MAC, or a byte read or moved, replaces its
        part of the rest.
        """
        self._check_action(action, self.ACTIONS)
        for key in (f"{action}.{format}", action):
            if key in self.config.energy_j:
                return picojoules(self.config.energy_j[key])
        return 1.0 if action in ("activate", "compute_other") else 0.0

    def _static_parts(self) -> Iterable[float]:
        """Yield the power of refreshes, W: they go on whatever the memory does."""
        standard = self.device.standard
        if standard.energy is not None and self.device.controller.refresh != "none":
            scopes = self.device.sizes.get("pseudochannel", 1)
            number = scopes * self.device.channels * self.units.stacks
            interval_s = standard.time_ps(standard.refresh.interval_ticks) / PS_PER_S
            yield number * standard.energy.refresh_all_pj / PS_PER_S / interval_s


@lru_cache(maxsize=64)
def _loaded(name: str, overrides: tuple[str, ...]) -> PimDevice:
    from archsim.pim.device import load_device

    return load_device(name, overrides)
