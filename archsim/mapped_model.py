"""A pass through a model mapped onto a machine: fragments in order, one engine program.

Every distinct layer is mapped once. Fragments follow one another with explicit hand-over markers: a
fragment starts when the one before has finished, so nothing is prefetched across the border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from archsim import registry
from archsim.config.hashing import content_hash
from archsim.errors import ConfigError, MappingError, nearest
from archsim.fragments import ATTENTION, GEMM, Fragment, cut
from archsim.mapping import (
    BlockMapper,
    ClosedFormMapping,
    FragmentMapping,
    Infeasible,
    Json,
    MapContext,
    Mapper,
    MappingCache,
    Placement,
)
from archsim.mapping_cache import source_stamp
from archsim.program import Program, ProgramBuilder
from archsim.residency import Residency, residencies

if TYPE_CHECKING:
    from archsim.machine import Machine
    from workloads import Cascade, Workload

Evaluate = Callable[[Program], int]


@dataclass(frozen=True)
class Piece:
    """A mapped fragment with its program; what it takes alone is found when it is asked for.

    Attributes
    ----------
    mapping
        How it is mapped.
    evaluate
        Exact makespan of a program in ps.
    rung
        ``tile``, or ``analytic`` where the mapping has a closed form and the run asks for it.
    """

    mapping: FragmentMapping
    evaluate: Evaluate
    rung: str = "tile"

    @cached_property
    def program(self) -> Program:
        """The program of the fragment, tile by tile or its closed form."""
        if self.rung == "analytic" and isinstance(self.mapping, ClosedFormMapping):
            return self.mapping.analytic()
        return self.mapping.program()

    @cached_property
    def makespan_ps(self) -> int:
        """Time that the fragment takes alone, ps."""
        return self.evaluate(self.program)


@dataclass(frozen=True, slots=True)
class MappedStage:
    """A stage whose fragments are mapped."""

    name: str
    repeat: int
    fragments: tuple[Fragment, ...]
    pieces: tuple[Piece, ...]

    @property
    def makespan_ps(self) -> int:
        """Time of all repetitions, ps: fragments follow one another without overlap."""
        return self.repeat * sum(piece.makespan_ps for piece in self.pieces)


@dataclass(frozen=True)
class MappedPass:
    """One pass through the model, mapped.

    Attributes
    ----------
    name
        Of the workload.
    stages
        In order of execution.
    residency
        What stays on chip.
    """

    name: str
    stages: tuple[MappedStage, ...]
    residency: Residency

    @cached_property
    def program(self) -> Program:
        """The engine program of the whole pass."""
        return assemble(self.name, self.stages)

    @property
    def rungs(self) -> dict[str, str]:
        """The rung of each mapper class; ``tile`` where one of its fragments has no other."""
        found: dict[str, str] = {}
        for stage in self.stages:
            for fragment, piece in zip(stage.fragments, stage.pieces, strict=True):
                known = found.get(fragment.mapper_class, piece.rung)
                found[fragment.mapper_class] = piece.rung if known == piece.rung else "tile"
        return found

    @property
    def fused_tensors(self) -> dict[str, frozenset[str]]:
        """Tensors of each stage that are never held whole."""
        return {
            stage.name: frozenset(
                fragment.cascade.einsum(name).output.tensor
                for fragment, piece in zip(stage.fragments, stage.pieces, strict=True)
                for name in piece.mapping.fused
            )
            for stage in self.stages
        }


def choose_mappers(machine: Machine, choices: Mapping[str, str]) -> dict[str, Mapper]:
    """Return the mapper of every mapper class: the caller's choice, else the machine's default.

    Raises
    ------
    ConfigError
        An unknown class or mapper, a mapper that does not serve the class, or several candidates
        and no default.
    """
    known = {name: _mapper(name) for name in registry.mappers.names()}
    classes = sorted({item for mapper in known.values() for item in mapper.classes})
    for name in choices:
        if name not in classes:
            raise ConfigError(
                "there is no such mapper class",
                path=f"mapper.{name}",
                given=name,
                allowed=classes,
                hint=nearest(name, classes),
            )
    wanted = {**machine.config.mappers, **choices}
    chosen: dict[str, Mapper] = {}
    for name in classes:
        able = sorted(item for item, mapper in known.items() if name in mapper.classes)
        pick = wanted.get(name)
        if pick is None and len(able) > 1:
            raise ConfigError(
                f"several mappers serve the class {name} and the machine names no default",
                path=f"hardware.mappers.{name}",
                allowed=able,
            )
        pick = able[0] if pick is None else pick
        if pick not in able:
            raise ConfigError(
                f"no mapper of that name serves the class {name}",
                path=f"mapper.{name}" if name in choices else f"hardware.mappers.{name}",
                given=pick,
                allowed=able,
                hint=nearest(pick, able),
            )
        chosen[name] = known[pick]
    return chosen


def check_options(
    mappers: Mapping[str, Mapper], options: Mapping[str, Mapping[str, Json]]
) -> Mapping[str, Mapping[str, Json]]:
    """Return options by mapper class if every mapper has those it is given.

    Raises
    ------
    ConfigError
        An unknown class, or an option that its mapper does not have.
    """
    for name, chosen in options.items():
        if name not in mappers:
            raise ConfigError(
                "there is no such mapper class",
                path=f"mapper.{name}",
                given=name,
                allowed=sorted(mappers),
                hint=nearest(name, mappers),
            )
        known = sorted(mappers[name].options)
        for option in chosen:
            if option not in known:
                raise ConfigError(
                    f"mapper {mappers[name].id} has no such option",
                    path=f"mapper.{name}.{option}",
                    given=option,
                    allowed=known,
                    hint=nearest(option, known),
                )
    return options


def _mapper(name: str) -> Mapper:
    made = registry.mappers.get(name)
    mapper = made() if callable(made) else made
    if not isinstance(mapper, Mapper):
        raise ConfigError(f"mapper {name} does not follow the mapper protocol", given=str(made))
    return mapper


@dataclass(frozen=True, slots=True)
class ModelMapper:
    """Maps passes of one model onto one machine.

    Attributes
    ----------
    machine, mappers
        Where, and which mapper serves each class.
    evaluate
        Exact makespan of a program in ps.
    cache
        Store for search results.
    seed
        Seed of everything random.
    options
        Options of the run for mappers; each gets those that it takes.
    mapper_options
        Options of the mapper of a class.
    fidelity, fallback
        Rung of the run, and whether tiles may stand in where a mapping has no closed form.
    pieces
        Fragments mapped so far, by content: passes of one run share most of them.
    cuts
        Fragments of each cascade cut so far.
    """

    machine: Machine
    mappers: Mapping[str, Mapper]
    evaluate: Evaluate
    cache: MappingCache
    seed: int = 0
    options: Mapping[str, Json] = field(default_factory=dict)
    pieces: dict[str, Piece | Infeasible] = field(default_factory=dict)
    mapper_options: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    fidelity: str = "tile"
    fallback: bool = False
    cuts: dict[int, tuple[Cascade, tuple[Fragment, ...]]] = field(default_factory=dict)

    def map(self, workload: Workload) -> MappedPass | Infeasible:
        """Map one pass: every choice of residency is tried, the fastest is kept.

        Returns
        -------
        MappedPass or Infeasible
            Infeasible is the shortage of the smallest reserve.

        Notes
        -----
        Fragments follow one another without overlap, so a pass takes the sum of what its fragments
        take alone: choices are compared without running whole passes.
        """
        fragments = {stage.name: self._cut(stage.cascade) for stage in workload.stages}
        choices = residencies(workload, self.machine, fragments)
        key = self._key(workload) if len(choices) > 1 else ""
        known = self.cache.get(key) if key else None
        if isinstance(known, int):
            choices = tuple(item for item in choices if item.reserve_bytes == known)
        best: tuple[int, Residency, tuple[MappedStage, ...]] | None = None
        shortage: Infeasible | None = None
        for residency in choices:
            stages = self._stages(workload, fragments, residency)
            if isinstance(stages, Infeasible):
                shortage = shortage or stages
                continue
            cost_ps = 0 if len(choices) == 1 else sum(stage.makespan_ps for stage in stages)
            if best is None or cost_ps < best[0]:
                best = (cost_ps, residency, stages)
        if best is not None:
            if key:
                self.cache.put(key, best[1].reserve_bytes)
            return MappedPass(workload.name, best[2], best[1])
        if shortage is None:
            raise MappingError(f"workload {workload.name} has nothing to map")
        return shortage

    def _cut(self, cascade: Cascade) -> tuple[Fragment, ...]:
        """Cut a stage, with the blocks that mappers of products and of attention take whole.

        Steps of a decode share the cascades of their outer stages, which are cut once.
        """
        known = self.cuts.get(id(cascade))
        if known is not None:
            return known[1]
        siblings = bool(getattr(self.mappers.get(GEMM), "siblings", False))
        blocks = {
            name: mapper.blocks(cascade)
            for name, mapper in self.mappers.items()
            if isinstance(mapper, BlockMapper)
        }
        made = cut(
            cascade,
            blocks.get(GEMM, ()),
            siblings=siblings,
            attentions=blocks.get(ATTENTION, ()),
        )
        # The cascade is kept beside its parts, so that its number stays its own.
        self.cuts[id(cascade)] = (cascade, made)
        return made

    def _key(self, workload: Workload) -> str:
        """Return the key under which the best residency of a pass is kept."""
        content = {
            "machine": self.machine.content_hash,
            "mappers": {
                name: [mapper.id, source_stamp(type(mapper))]
                for name, mapper in sorted(self.mappers.items())
            },
            "seed": self.seed,
            "options": dict(self.options),
            "mapper_options": {k: dict(v) for k, v in sorted(self.mapper_options.items())},
            "fidelity": self.fidelity,
            "stages": [
                [stage.name, stage.repeat, stage.cascade.signature()] for stage in workload.stages
            ],
        }
        return f"residency-{content_hash(content)}"

    def _stages(
        self,
        workload: Workload,
        fragments: Mapping[str, Sequence[Fragment]],
        residency: Residency,
    ) -> tuple[MappedStage, ...] | Infeasible:
        stages = []
        for stage in workload.stages:
            pieces = []
            for fragment in fragments[stage.name]:
                piece = self._piece(fragment, residency.stages[stage.name])
                if isinstance(piece, Infeasible):
                    return piece
                pieces.append(piece)
            parts = tuple(fragments[stage.name])
            stages.append(MappedStage(stage.name, stage.repeat, parts, tuple(pieces)))
        return tuple(stages)

    def _piece(self, fragment: Fragment, placement: Placement) -> Piece | Infeasible:
        """Map a fragment, once for each content and placement."""
        names = {tensor.name for tensor in fragment.cascade.tensors}
        homes = {name: home for name, home in placement.homes.items() if name in names}
        local = Placement(homes, placement.available_bytes)
        key = f"{fragment.cascade.signature()} {local.to_json()}"
        if key not in self.pieces:
            mapping = self._map(fragment, local)
            if isinstance(mapping, Infeasible):
                self.pieces[key] = mapping
            else:
                self.pieces[key] = Piece(mapping, self.evaluate, self._rung(fragment, mapping))
        return self.pieces[key]

    def _rung(self, fragment: Fragment, mapping: FragmentMapping) -> str:
        """Return the rung at which a fragment runs.

        Raises
        ------
        ConfigError
            The run asks for closed forms, the mapping has none, and nothing may stand in.
        """
        own = getattr(mapping, "rung", "tile")
        if self.fidelity != "analytic":
            return str(own)
        if isinstance(mapping, ClosedFormMapping):
            return "analytic"
        if self.fallback:
            return "tile"
        raise ConfigError(
            f"{fragment.cascade.name} has no closed form with mapper {mapping.mapper}",
            path="options.fidelity",
            given="analytic",
            allowed="roofline, tile, or --fidelity-fallback to let tile stand in",
        )

    def _map(self, fragment: Fragment, placement: Placement) -> FragmentMapping | Infeasible:
        mapper = self.mappers.get(fragment.mapper_class)
        if mapper is None:
            raise ConfigError(
                f"no mapper serves the class {fragment.mapper_class}",
                path=f"hardware.mappers.{fragment.mapper_class}",
            )
        reason = mapper.supports(fragment.cascade, self.machine)
        if reason is not None:
            raise MappingError(
                f"mapper {mapper.id} cannot map {fragment.cascade.name} "
                f"on {self.machine.name}: {reason}"
            )
        context = MapContext(self.evaluate, placement, self.cache, self.seed)
        options = {name: self.options[name] for name in sorted(mapper.options & set(self.options))}
        options |= self.mapper_options.get(fragment.mapper_class, {})
        return mapper.map(fragment.cascade, self.machine, options, context)


def assemble(name: str, stages: Sequence[MappedStage]) -> Program:
    """Return the program of all stages one after another, each repeated as often as it says."""
    builder = ProgramBuilder(name)
    before = None
    for stage in stages:
        begin = builder.marker(f"{stage.name}/begin")
        with builder.loop(stage.repeat, stage.name):
            builder.place(begin)
            end = begin
            for fragment, piece in zip(stage.fragments, stage.pieces, strict=True):
                label = f"{stage.name}/{fragment.cascade.name}"
                end = builder.embed(piece.program, after=end, name=label)
        if before is not None:
            builder.after(begin, before, cause="handover")
        builder.after(begin, end, cause="handover")
        before = end
    return builder.build()
