"""Energy of tokens by component: the chip's, and apart from it the DRAM's."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from archsim.components.cim_macro import partial_sum_bits
from archsim.edgecim.area import areas_mm2, lengths_mm, macros_mm2
from archsim.edgecim.build import Build, Floats, added
from archsim.edgecim.chip import BUSES, EdgeChip
from archsim.edgecim.design import Ints
from archsim.edgecim.phases import SUM_OPERATIONS, cache_blocks

if TYPE_CHECKING:
    from archsim.edgecim.evaluate import Job

COMPONENTS = ("macro", "weight_write", "reduction", "bus", "buffer", "vector", "static")
"""Parts of the chip's energy."""


def token_energy_j(
    build: Build, job: Job, seconds: Floats
) -> tuple[dict[str, Floats], Floats, Floats]:
    """Return the chip's energy by part and the DRAM's, J, for all tokens, and the area, mm².

    Notes
    -----
    Every weight and cache bit is written to and read from the global buffer and a cluster's,
    crosses the three levels of buses, and is written into a macro. A partial sum leaves a macro
    for each of its columns; trees add it up.
    """
    chip = build.chip
    streamed = _streamed_bytes(build, job)
    macs = float(sum(job.macs(length) for length in job.lengths))
    one = np.ones(len(build.designs))
    macro_mm2 = macros_mm2(build)
    wires = one * 0.0
    for span, length in lengths_mm(build, macro_mm2).items():
        per_bit_mm = chip.buses[span].bus.energy_per_bit_mm_j
        wires = wires + 8 * per_bit_mm * length
    buffers = 16 * sum(item.buffer.energy_per_bit_j for item in chip.buffers)
    mac_j, sum_j = _macro_j(build)
    components = {
        "macro": macs * mac_j,
        "weight_write": streamed * (8 * chip.tiles.tiles.write_energy_per_bit_j),
        "reduction": macs / build.rows * sum_j,
        "bus": streamed * wires,
        "buffer": streamed * buffers,
        "vector": _vector_j(build, job),
    }
    areas = areas_mm2(build, macro_mm2)
    statics = {
        chip.tiles.name: chip.tiles.tiles.static_per_mm2_w,
        **{chip.buses[span].name: chip.buses[span].bus.static_per_mm2_w for span in BUSES},
        **{item.name: item.buffer.static_per_mm2_w for item in chip.buffers},
    }
    watts = chip.vector.static_w() + sum(
        (statics[name] * areas[name] for name in statics), np.zeros(len(one))
    )
    components["static"] = watts * seconds
    beside = job.generated * sum(
        item.repeat * (item.read_bytes + item.write_bytes) for item in job.beside(build)
    )
    moved = streamed + beside
    dram = moved * (chip.dram.energy_pj("read") * 1e-12) + chip.dram.static_w() * seconds
    area = added(areas.values())
    return {name: one * value for name, value in components.items()}, one * dram, area


def _streamed_bytes(build: Build, job: Job) -> Floats | float:
    """Return the bytes of weights and cache that pass through the buses for all tokens."""
    weights = job.streamed_weights * job.generated * build.weight_bits
    read = sum(job.shape.cache_elements * length for length in job.lengths)
    bits = weights + read * build.cache_bits
    return np.asarray(bits / 8, dtype=np.float64)


def _macro_j(build: Build) -> tuple[Floats, Floats]:
    """Return the energy of a MAC and of a partial sum of each design, J."""
    kinds, which = build.each_macro()
    silicon = build.chip.tiles.silicon
    own = "bits" in build.designs.extra
    macs, sums = [], []
    for macro in kinds:
        bits = macro.weight_bits if own else int(build.weight_bits)
        macs.append(sum(silicon.mac_parts_pj(macro, bits, bits).values()))
        sums.append(partial_sum_bits(macro.rows, bits, bits) * silicon.adder_bit_pj())
    return np.asarray(macs)[which] * 1e-12, np.asarray(sums)[which] * 1e-12


@lru_cache(maxsize=256)
def _operation_pj(chip: EdgeChip, action: str, number: str) -> float:
    return chip.vector.energy_pj(action, number)


def _vector_j(build: Build, job: Job) -> Floats:
    """Return the energy of the vector unit for all tokens, J."""
    chip, shape = build.chip, job.shape
    total = 0.0
    for item in job.beside(build):
        for operations in item.operations:
            for action, count, number in operations:
                total += item.repeat * count * _operation_pj(chip, action, number)
    scores = shape.layers * shape.heads
    number = "bf16"
    each = shape.head_width * _operation_pj(chip, "div", number)
    energies = {name: _operation_pj(chip, name, number) for name in (*SUM_OPERATIONS, "mul")}
    summed: Floats = np.asarray(job.generated * (total + scores * each))
    for length in job.lengths:
        blocks: Ints = cache_blocks(build, length, shape.head_width)
        tokens = -(-length // blocks)
        softmax = sum(SUM_OPERATIONS[name] * energies[name] for name in SUM_OPERATIONS)
        block = tokens * softmax + shape.head_width * energies["mul"]
        summed = summed + scores * blocks * block
    return summed * 1e-12
