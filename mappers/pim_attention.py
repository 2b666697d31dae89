"""Attention in memory: keys and values in the banks, heads dealt to channels.

New keys and values are written into their rows, each query head's scores are multiplied where the
keys lie, a softmax unit makes probabilities of them, and the contexts are multiplied where the
values lie. Query heads that share keys read them once for each `vectors` of them. A prompt is taken
position by position, unless a processor has its keys and values at hand. Requests of different
lengths share the channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers import gpu_requests
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.pim_choice import choose, on_processor
from mappers.pim_heads import Group, group_of, many_groups, one_group
from mappers.pim_machine import pim_machine, the_pim
from mappers.pim_mapping import InTurn, PimMapping, Placed, joined
from mappers.pim_matrix import GPU_OPTIONS
from mappers.pim_traffic import cache_write

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import FragmentMapping, Json, MapContext
    from mappers.pim_machine import PimMachine
    from workloads import Cascade


class PimAttentionMapper:
    """Maps attention; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "pim-attention"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = GPU_OPTIONS

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return the einsums of requests of all lengths as one run."""
        return gpu_requests.blocks(cascade)

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        pim = pim_machine(machine)
        if isinstance(pim, str):
            return f"machine {machine.name} {pim}"
        processor = pim.processor("attention")
        for part in gpu_requests.parts(cascade):
            problem = _problem(part)
            if isinstance(problem, str):
                return problem if processor is None else processor.supports(cascade, machine)
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map the attention of one layer.

        Raises
        ------
        MappingError
            The machine has no units in its memory, or keys and values lie elsewhere.
        """
        pim = the_pim(machine)
        home = pim.home("attention", options, "attention")
        if not pim.is_shared and home == "xpu":
            raise MappingError(
                f"attention cannot run on the processor: keys and values lie in "
                f"{pim.memory.name}, with the units"
            )
        parts = gpu_requests.parts(cascade)
        if len(parts) == 1:
            return self._part(pim, parts[0], home, options, context)
        found: list[FragmentMapping] = []
        steps: list[Group] = []
        for part in parts:
            problem = _problem(part)
            group = None if isinstance(problem, str) else group_of(pim, part, problem)
            if isinstance(group, Infeasible):
                return group
            if group is not None and group.is_step and group.passes == (steps or [group])[0].passes:
                steps.append(group)
                continue
            one = self._part(pim, part, home, options, context)
            if isinstance(one, Infeasible):
                return one
            found.append(one)
        if steps:
            many = self._steps(pim, steps, home, options, context)
            if isinstance(many, Infeasible):
                return many
            found.append(many)
        return InTurn(self.id, cascade.name, tuple(found))

    def _steps(
        self,
        pim: PimMachine,
        steps: Sequence[Group],
        home: str,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map decode steps of different lengths together, or each of them on the processor."""
        processor = pim.processor("attention") if pim.is_shared else None
        beside = None
        if processor is not None:

            def beside() -> FragmentMapping | Infeasible | str:
                made: list[FragmentMapping] = []
                for step in steps:
                    one = on_processor(pim, processor, step.cascade, options, context)
                    if isinstance(one, str | Infeasible):
                        return one
                    made.append(one)
                return InTurn(self.id, "steps", tuple(made))

        return choose(
            self.id,
            home,
            "decode steps",
            context,
            lambda: many_groups(self.id, pim, steps, context),
            beside,
        )

    def _part(
        self,
        pim: PimMachine,
        cascade: Cascade,
        home: str,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map equal requests."""
        problem = _problem(cascade)
        processor = pim.processor("attention")
        if isinstance(problem, str):
            if home == "pim" or processor is None or not pim.is_shared:
                raise MappingError(problem)
            home = "xpu"
        elif not pim.is_shared and processor is not None and _is_whole_prompt(problem):
            return self._prompt(pim, cascade, problem, options, context)
        beside = None
        if processor is not None and pim.is_shared:

            def beside() -> FragmentMapping | Infeasible | str:
                return on_processor(pim, processor, cascade, options, context)

        def in_memory() -> PimMapping | Infeasible:
            assert not isinstance(problem, str)
            group = group_of(pim, cascade, problem)
            if isinstance(group, Infeasible):
                return group
            return one_group(self.id, pim, group, context)

        return choose(self.id, home, cascade.name, context, in_memory, beside)

    def _prompt(
        self,
        pim: PimMachine,
        cascade: Cascade,
        problem: AttentionProblem,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map a whole prompt onto the processor, which made its keys and values; they then move."""
        processor = pim.processor("attention")
        assert processor is not None
        found = on_processor(pim, processor, cascade, options, context)
        if isinstance(found, str):
            raise MappingError(f"{cascade.name}: {found}")
        if isinstance(found, Infeasible):
            return found
        said = (
            "a whole prompt attends on the processor, which has its keys and values at hand; they "
            f"move to {pim.memory.name} behind it",
        )
        return Placed(found, said, self.id, joined([cache_write(pim, cascade, problem)]))


def _is_whole_prompt(problem: AttentionProblem) -> bool:
    return problem.queries > 1 and problem.queries == problem.keys


def _problem(cascade: Cascade) -> AttentionProblem | str:
    problem = find_attention(cascade)
    if isinstance(problem, str):
        return problem
    if problem.shares_key or problem.depth != problem.width:
        return "latent attention is not modelled in memory"
    return problem
