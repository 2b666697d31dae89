"""Which side computes a fragment: the processor, the memory, or the one predicted faster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from archsim.units import human_quantity
from mappers.pim_machine import PLACEMENT
from mappers.pim_mapping import PimMapping, Placed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from archsim.mapping import FragmentMapping, Json, MapContext, Mapper
    from mappers.pim_machine import PimMachine
    from workloads import Cascade

PS_PER_S = 1e12


def own_options(mapper: Mapper, options: Mapping[str, Json]) -> dict[str, Json]:
    """Return the options that the processor's mapper takes."""
    return {name: value for name, value in options.items() if name in mapper.options}


def on_processor(
    pim: PimMachine,
    mapper: Mapper,
    cascade: Cascade,
    options: Mapping[str, Json],
    context: MapContext,
) -> FragmentMapping | Infeasible | str:
    """Map a fragment with the processor's own mapper; a text says why it cannot."""
    reason = mapper.supports(cascade, pim.machine)
    if reason is not None:
        return reason
    return mapper.map(cascade, pim.machine, own_options(mapper, options), context)


def choose(
    mapper_id: str,
    home: str,
    what: str,
    context: MapContext,
    in_memory: Callable[[], PimMapping | Infeasible],
    beside: Callable[[], FragmentMapping | Infeasible | str] | None,
) -> PimMapping | Placed | Infeasible:
    """Return a fragment mapped onto the side that its home says.

    Parameters
    ----------
    mapper_id
        Id of the mapper that chooses.
    home
        ``xpu``, ``pim`` or ``faster``.
    what
        What the fragment is, for the report.
    context
        Times programs.
    in_memory, beside
        Map it onto the memory, and onto the processor; None without a processor.

    Raises
    ------
    MappingError
        It shall run on a processor that the machine has not, or that cannot take it.
    """
    if home == "pim" or (beside is None and home == "faster"):
        return in_memory()
    if beside is None:
        raise MappingError(f"{what}: {PLACEMENT} is {home}, but the machine has no processor")
    other = beside()
    if home == "xpu":
        if isinstance(other, str):
            raise MappingError(f"{what}: {other}")
        return other if isinstance(other, Infeasible) else Placed(other, (), mapper_id)
    mine = in_memory()
    if isinstance(other, str | Infeasible):
        if isinstance(mine, Infeasible) and isinstance(other, str):
            raise MappingError(f"{what}: {other}; in memory: {mine.detail}")
        return other if isinstance(mine, Infeasible) and isinstance(other, Infeasible) else mine
    if isinstance(mine, Infeasible):
        return Placed(other, (f"{what} on the processor: {mine.detail}",), mapper_id)
    xpu_ps = context.evaluate(other.program())
    both = f"{_time(mine.time_ps)} in memory, {_time(xpu_ps)} on the processor"
    if mine.time_ps < xpu_ps:
        notes = (f"{what} in memory: {both}", *mine.notes)
        return replace(mine, notes=notes, choices={**mine.choices, "xpu_ps": xpu_ps})
    return Placed(other, (f"{what} on the processor: {both}",), mapper_id)


def _time(time_ps: int) -> str:
    return human_quantity(time_ps / PS_PER_S, "time")
