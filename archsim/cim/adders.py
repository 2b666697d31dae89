"""Adders of a macro: how many full adders, and how long the longest carry is.

All adders are ripple-carry. A tree over `inputs` words of `width` bits has ``log2 inputs`` levels,
each one bit wider than the one before; a place-value tree adds words that are shifted by one bit
each; an accumulator adds into a register.

References
----------
ZigZag's model of in-memory arrays (ICCAD 2023, ``imc_array.py``): counts and paths (read).
"""

from __future__ import annotations

from archsim.cim.gates import Gates


def tree_depth(inputs: int) -> int:
    """Levels of a tree of two-input adders: ``ceil(log2 inputs)``."""
    return (inputs - 1).bit_length()


def tree_adders(inputs: int, width: int) -> int:
    """Full adders of a tree over `inputs` words of `width` bits.

    Notes
    -----
    Level l (from 1) has ``inputs/2**l`` adders of ``width + l - 1`` bits; in all
    ``inputs*(width+1) - (width+depth+1)``. A number of inputs that is no power of two is counted
    level by level; an odd word goes through.
    """
    total, words, bits = 0, inputs, width
    while words > 1:
        total += words // 2 * bits
        words = words // 2 + words % 2
        bits += 1
    return total


def tree_activity(inputs: int, width: int, used: int) -> tuple[int, int]:
    """Full adders that work with two and with one live operand when `used` words are not zero.

    The used words stand together, so one path through the tree is partly filled.

    Returns
    -------
    tuple of int
        Adders of which both operands change, and adders that only pass one on.
    """
    full = half = 0
    words, live, bits = inputs, used, width
    while words > 1:
        pairs = words // 2
        both = min(live // 2, pairs)
        one = min(live - 2 * both, pairs - both)
        full += both * bits
        half += one * bits
        live = both + one + (1 if live > 2 * pairs else 0)
        words = pairs + words % 2
        bits += 1
    return full, half


def place_value_adders(words: int, width: int) -> float:
    """Full adders that add `words` words of `width` bits, each shifted by one bit; 0 for one.

    Notes
    -----
    ``width*(words-1) + words*(log2 words - 0.5)``.
    """
    if words == 1:
        return 0.0
    return width * (words - 1) + words * (tree_depth(words) - 0.5)


def tree_delay_ns(gates: Gates, inputs: int, width: int) -> float:
    """Longest path of a tree: sums down to the last adder, then its carry chain, ns."""
    if inputs == 1:
        return 0.0
    depth = tree_depth(inputs)
    chain = max(0, width + depth - 2) * gates.carry_to_carry_ns
    return (depth - 1) * gates.input_to_sum_ns + gates.input_to_carry_ns + chain


def place_value_delay_ns(gates: Gates, words: int) -> float:
    """Longest path of a place-value tree, ns; the low bits arrive while the high ones ripple."""
    if words == 1:
        return 0.0
    chain = (words - 1) * gates.carry_to_carry_ns
    return (tree_depth(words) - 1) * gates.input_to_sum_ns + gates.input_to_carry_ns + chain


def accumulator_delay_ns(gates: Gates, width_in: int, width_out: int) -> float:
    """Longest path of an accumulator of `width_out` bits whose operand has `width_in`, ns."""
    return gates.input_to_carry_ns + max(0, width_out - width_in - 1) * gates.carry_to_carry_ns
