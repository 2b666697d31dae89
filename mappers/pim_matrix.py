"""Matrix products on a machine with units in its memory: there, or on its processor.

Where weights lie in another memory than the units, products stay on the processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers import pim_experts
from mappers.pim_choice import choose, on_processor
from mappers.pim_collective import behind_products
from mappers.pim_machine import PLACEMENT, part_of, pim_machine, the_pim
from mappers.pim_mapping import Placed
from mappers.pim_products import products_mapping

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import FragmentMapping, Json, MapContext
    from mappers.pim_machine import PimMachine
    from workloads import Cascade

OPTIONS = frozenset({PLACEMENT, "parallel", "slack"})
GPU_OPTIONS = OPTIONS | {"launch", "fusion", "kernel", "library", "version", "host"}


class PimGemmMapper:
    """Maps one matrix product; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "pim-gemm"
    classes: frozenset[str] = frozenset({"gemm"})
    options: frozenset[str] = OPTIONS

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        found = pim_machine(machine)
        if isinstance(found, str):
            return f"machine {machine.name} {found}"
        for einsum in cascade.einsums:
            dims = einsum.matmul()
            if dims is not None and dims.filter is not None:
                return f"einsum {einsum.name} has a mask: it is no plain product"
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map products of one input, or a layer of experts.

        Raises
        ------
        MappingError
            The machine has no units in its memory, or its weights lie elsewhere.
        """
        pim = the_pim(machine)
        einsum = next(e for e in cascade.einsums if e.matmul() is not None)
        if any(e.op_class == "expert" for e in cascade.einsums):
            einsum = next(e for e in cascade.einsums if e.op_class == "expert")
        home = _home(pim, part_of(einsum), options)
        processor = pim.processor("gemm")
        beside = None
        if processor is not None:

            def beside() -> FragmentMapping | Infeasible | str:
                found = on_processor(pim, processor, cascade, options, context)
                after = behind_products(machine, cascade, options)
                if isinstance(found, str | Infeasible) or "parallel" in processor.options:
                    return found
                return Placed(found, (), self.id, after) if after else found

        if home == "both":
            return pim_experts.both(self.id, pim, cascade, options, context)
        return choose(
            self.id,
            home,
            cascade.name,
            context,
            lambda: products_mapping(pim, self.id, cascade, options, context),
            beside,
        )


class PimGpuGemmMapper(PimGemmMapper):
    """Maps products of one input together, as the mapper of a GPU processor takes them."""

    id: str = "pim-gemm-gpu"
    options: frozenset[str] = GPU_OPTIONS

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return the runs of einsums that are one fragment, as GPUs have them."""
        from mappers.gpu_matrix import GpuGemmMapper

        return GpuGemmMapper().blocks(cascade)


def _home(pim: PimMachine, part: str, options: Mapping[str, Json]) -> str:
    home = pim.home(part, options, "gemm")
    if pim.is_shared:
        return home
    if home in ("pim", "both"):
        raise MappingError(
            f"{part} cannot run in memory: weights lie in {pim.machine.outermost}, the units stand "
            f"in {pim.memory.name}"
        )
    return "xpu"
