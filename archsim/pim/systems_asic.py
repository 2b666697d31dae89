"""PIM-GPT: what the ASIC computes, what moves between it and the channels, and how rows are used.

The ASIC has adders and multipliers alone: exponentials and GELU by series, divisions and square
roots by iteration. ASIC and memory take turns (an instruction starts only when both are idle), so
these times add to those of the banks.

Source: PIM-GPT, arXiv:2310.09385 and npj Unconventional Computing 2024, second-hand; series of six
terms and three iterations recalled; the operation counts below follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archsim.pim.systems_file import AsicConfig, PimConfig
    from archsim.pim.systems_model import ServedModel

TERMS: Final = 6
"""Terms of the series of exp, a multiplication and an addition each (recalled)."""
ITERATIONS: Final = 3
"""Of a reciprocal or reciprocal square root: two multiplications, an addition each (recalled)."""
GELU: Final = 5
"""Multiplications and additions around the exponential of the tanh form: x^3, scale, division."""


@dataclass(slots=True)
class Work:
    """Multiplications and additions, and chains of them that wait for one another."""

    multiplications: float = 0.0
    additions: float = 0.0
    chain_cycles: float = 0.0

    def softmax(self, elements: int, vectors: int) -> None:
        """Add a softmax over some vectors with so many elements in all, without a maximum."""
        self.multiplications += elements * (TERMS + 1)
        self.additions += elements * (TERMS + 1)
        self.chain_cycles += 3 * ITERATIONS * vectors

    def norm(self, elements: int) -> None:
        """Add a layer norm: two sums, a difference, a square, scale and shift."""
        self.multiplications += 3 * elements
        self.additions += 4 * elements
        self.chain_cycles += 3 * ITERATIONS

    def gelu(self, elements: int) -> None:
        """Add a GELU in its tanh form."""
        self.multiplications += elements * (TERMS + GELU)
        self.additions += elements * (TERMS + GELU)


def layer_work(model: ServedModel, tokens: int, row_elements: int) -> Work:
    """Return what the ASIC does for a token and layer.

    Parameters
    ----------
    model, tokens
        What is served, and tokens in the cache.
    row_elements
        Elements of a row of a bank: wider matrices leave partial sums to add.
    """
    work = Work()
    work.norm(model.width)
    work.norm(model.width)
    work.softmax(tokens * model.heads, model.heads)
    work.gelu(model.ffn)
    for outputs, inner in matrices(model):
        work.additions += outputs * (-(-inner // row_elements) - 1)
    work.additions += 2 * model.width
    return work


def matrices(model: ServedModel) -> tuple[tuple[int, int], ...]:
    """Return outputs and inner extents of a layer's matrices."""
    keys, heads = model.kv_heads * model.head_size, model.heads * model.head_size
    ups = model.ffn_matrices - 1
    return (
        (heads + 2 * keys, model.width),
        (model.width, heads),
        *((model.ffn, model.width),) * ups,
        (model.width, model.ffn),
    )


def asic_s(asic: AsicConfig, model: ServedModel, tokens: int) -> float:
    """Return the time of the ASIC for a token and layer: multipliers and adders in turn."""
    work = layer_work(model, tokens, asic.row_elements)
    cycles = work.multiplications / asic.multipliers + work.additions / asic.adders
    return (cycles + work.chain_cycles) / asic.clock_hz


def moved_bytes(pim: PimConfig, model: ServedModel, tokens: int) -> float:
    """Return the bytes between ASIC and channels for a token: a copy of each input per channel.

    Inputs and results of matrices, scores and probabilities, the new key and value.
    """
    layer = 0.0
    for outputs, inner in matrices(model):
        layer += inner * pim.channels * pim.stacks + outputs
    layer += 2 * tokens * model.heads + 2 * model.kv_heads * model.head_size
    head = model.width * pim.channels * pim.stacks + model.vocabulary
    return (model.layers * layer + head) * model.cache_bytes


def row_hits(asic: AsicConfig, model: ServedModel, lanes: int = 16) -> float:
    """Return the share of column accesses of weights that find their row open.

    Rows of a matrix are packed until they fill a bank's row (heads and matrices concatenated), so
    the first access of each row misses: ``1 - 1 / columns``; a width that is no multiple of a row
    leaves its last row partly used.
    """
    accesses = rows = 0
    for outputs, inner in matrices(model):
        columns = -(-inner // lanes) * outputs
        accesses += columns
        rows += -(-columns * lanes // asic.row_elements)
    return 1.0 - rows / accesses
