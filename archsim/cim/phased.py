"""Timing of a macro that integrates input pulses in phases and converts bit by bit.

References
----------
W. Wan et al., "A compute-in-memory chip based on resistive random-access memory", Nature 2022
(NeuRRAM); the times of a pulse and of a conversion step as in the CiMLoop repository (read).
"""

from __future__ import annotations

from archsim.cim.chip_file import PhasedStructure


def phase_bits(input_bits: int, bits_per_phase: int) -> tuple[int, ...]:
    """Return the magnitude bits of each phase, the larger first; the sign bit needs none."""
    magnitude = max(0, input_bits - 1)
    phases = max(1, -(-magnitude // bits_per_phase))
    if phases > 2:
        # The published macro splits an input in two at most.
        phases = 2
    first = -(-magnitude // phases)
    return (first,) if phases == 1 else (first, magnitude - first)


def phased_time_ns(structure: PhasedStructure, input_bits: int, output_bits: int) -> float:
    """Return the time of one matrix-vector product, ns.

    Notes
    -----
    A phase of n magnitude bits integrates ``2**n - 1`` pulses (one for a bare sign) and converts
    `output_bits` steps; one further step separates the products.
    """
    time = structure.convert_s
    for bits in phase_bits(input_bits, structure.bits_per_phase):
        pulses = max(1, 2**bits - 1)
        time += structure.integrate_s * pulses + structure.convert_s * output_bits
    return time * 1e9
