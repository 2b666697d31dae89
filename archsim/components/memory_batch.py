"""Batched numpy twins of the laws of vector unit, buffer, DMA and bandwidth-limited transfers.

Arguments are int64 arrays (or ints) that broadcast; results equal the scalar twins element by
element.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints, ceil_div_batch
from archsim.errors import ConfigError
from archsim.units import PS_PER_S

_INT64_MAX = 2**63 - 1


def cycles_vector_batch(count: IntLike, lanes: IntLike, cycles_per_operation: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.vector_unit.cycles_vector`."""
    return ceil_div_batch(count, lanes) * np.asarray(cycles_per_operation, dtype=np.int64)


def cycles_reduce_batch(
    count: IntLike, results: IntLike, lanes: IntLike, cycles_per_operation: IntLike
) -> Ints:
    """Batched twin of :func:`~archsim.components.vector_unit.cycles_reduce`."""
    given = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.int64) for x in (count, results, lanes, cycles_per_operation))
    )
    elements, rows, width, cycles = given
    safe_rows = np.maximum(rows, 1)
    per_result = ceil_div_batch(elements, safe_rows)
    share = np.maximum(np.minimum(width // safe_rows, per_result), 1)
    # frexp gives the exact bit length of integers below 2**53; lanes are at most 2**31.
    tree = np.frexp((share - 1).astype(np.float64))[1].astype(np.int64)
    alone = ceil_div_batch(rows, width) * per_result
    shared = ceil_div_batch(per_result, share) + tree
    operations = np.where(share <= 1, alone, shared)
    result: Ints = np.where((elements == 0) | (rows == 0), 0, operations * cycles)
    return result


def cycles_sram_batch(num_bytes: IntLike, bytes_per_cycle: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.sram.cycles_sram`."""
    return ceil_div_batch(num_bytes, bytes_per_cycle)


def cycles_sram_strided_batch(words: IntLike, stride_words: IntLike, banks: int) -> Ints:
    """Batched twin of :func:`~archsim.components.sram.cycles_sram_strided`."""
    strides = np.asarray(stride_words, dtype=np.int64)
    return ceil_div_batch(words, banks // np.gcd(strides, banks))


def cycles_dma_batch(
    num_bytes: IntLike, descriptors: IntLike, setup_cycles: int, bytes_per_cycle: int
) -> Ints:
    """Batched twin of :func:`~archsim.components.dma.cycles_dma`."""
    setup: Ints = np.asarray(descriptors, dtype=np.int64) * setup_cycles
    return setup + ceil_div_batch(num_bytes, bytes_per_cycle)


def transfer_ps_batch(num_bytes: IntLike, bytes_per_s: float) -> Ints:
    """Batched twin of :func:`~archsim.units.transfer_ps`: exact ceilings of int64 byte counts, ps.

    Raises
    ------
    ConfigError
        Negative bytes, a bandwidth that is not positive and finite, or a time beyond int64.
    """
    if not (math.isfinite(bytes_per_s) and bytes_per_s > 0):
        raise ConfigError("a bandwidth must be positive and finite", given=bytes_per_s)
    sizes = np.asarray(num_bytes, dtype=np.int64)
    if sizes.size == 0:
        return sizes
    if int(sizes.min()) < 0:
        raise ConfigError("a transfer cannot be negative", given=int(sizes.min()))
    ps_per_byte = PS_PER_S / Fraction(bytes_per_s)
    up, down = ps_per_byte.numerator, ps_per_byte.denominator
    largest = int(sizes.max())
    if -(-largest * up // down) > _INT64_MAX:
        raise ConfigError("a transfer takes longer than the time range", given=largest)
    if largest * up + down <= _INT64_MAX:
        return ceil_div_batch(sizes * up, down)
    exact = [-(-size * up // down) for size in sizes.ravel().tolist()]
    return np.asarray(exact, dtype=np.int64).reshape(sizes.shape)
