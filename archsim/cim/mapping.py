"""A matrix on one kind of macro: does it fit, in how many steps, and with how much noise.

What cannot work is a typed result or an error that names what is missing: weights that do not fit,
more rows than an adder tree takes, a converter that cannot tell the sums apart, noise above the
stated limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.cim.analog import AnalogMacro, lossless_adc_bits
from archsim.cim.digital import DigitalMacro
from archsim.cim.encoding import slices
from archsim.cim.noise import LIMIT_LSB, NoiseSources, conversion_noise
from archsim.components.cim_laws import cycles_cim_sets, cycles_cim_steps
from archsim.components.systolic_laws import ceil_div
from archsim.errors import ConfigError
from archsim.mapping import Infeasible

Policy = Literal["refuse", "mark"]
"""What becomes of a mapping that loses bits: refused, or made with a mark."""


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix of `inputs x outputs` weights that some vectors pass."""

    inputs: int
    outputs: int
    vectors: int = 1


@dataclass(frozen=True, slots=True)
class MacroMapping:
    """A product on macros.

    Attributes
    ----------
    tiles
        Sets of weights, one macro's worth each.
    steps
        Steps (cycles of a digital macro, conversions of an analog one) of one vector on a tile.
    cycles
        Steps from the first weight written to the last result.
    conversions
        Conversions of all vectors; 0 for digital macros.
    utilisation
        Share of the macros' cells that hold weights.
    effective_bits
        Output bits that noise leaves; None for digital macros, which are exact.
    marks
        What the mapping loses, in words.
    """

    tiles: int
    steps: int
    cycles: int
    conversions: float = 0.0
    utilisation: float = 1.0
    effective_bits: float | None = None
    marks: tuple[str, ...] = ()


def _tiles(product: Product, rows: int, columns: int) -> tuple[int, float]:
    tiles = ceil_div(product.inputs, rows) * ceil_div(product.outputs, columns)
    return tiles, product.inputs * product.outputs / (tiles * rows * columns)


def _shortage(tiles: int, have: int, bits: int) -> Infeasible | None:
    if tiles <= have:
        return None
    need, room = ceil_div(tiles * bits, 8), ceil_div(have * bits, 8)
    return Infeasible("macros", need, room, "B", f"{tiles} sets of weights, room for {have}")


def map_digital(
    product: Product,
    macro: DigitalMacro,
    *,
    macros: int = 1,
    tree_rows: int | None = None,
    active_rows: int | None = None,
    rewrite: bool = False,
) -> MacroMapping | Infeasible:
    """Map a product onto digital macros.

    Parameters
    ----------
    product, macro
        What, and on which.
    macros
        Macros side by side.
    tree_rows
        Rows that the adder tree takes at once; all if None.
    active_rows
        Rows added at once; as many as the tree takes if None.
    rewrite
        Whether weights that do not fit are written over, tile by tile, instead of refused.

    Returns
    -------
    MacroMapping or Infeasible
        Infeasible where the weights do not fit and are not to be rewritten.

    Raises
    ------
    ConfigError
        More rows at once than the tree supports.

    Notes
    -----
    Cycles are :func:`cycles_cim_sets`, one tile a set, a row written a cycle; the tiles of one
    macro follow one another.
    """
    most = macro.rows if tree_rows is None else tree_rows
    rows = most if active_rows is None else active_rows
    if not 1 <= rows <= most:
        raise ConfigError(
            "more rows at once than the adder tree supports",
            given=rows,
            allowed=f"1 to {most}; the others take further steps",
        )
    tiles, share = _tiles(product, macro.rows, macro.columns)
    if not rewrite:
        bits = macro.rows * macro.columns * macro.weight_bits
        shortage = _shortage(tiles, macros * macro.weight_sets, bits)
        if shortage is not None:
            return shortage
    steps = cycles_cim_steps(macro.rows, macro.input_bits, macro.bits_per_cycle, rows)
    planes = 2 if macro.weight_sets > 1 else 1
    depth = (rows - 1).bit_length()
    each = ceil_div(tiles, macros)
    cycles = cycles_cim_sets(macro.rows, steps, depth, product.vectors, each, planes)
    return MacroMapping(tiles, steps, cycles, utilisation=share)


def map_analog(
    product: Product,
    macro: AnalogMacro,
    sources: NoiseSources,
    *,
    output_bits: int,
    macros: int = 1,
    active_rows: int | None = None,
    input_encoding: str = "offset",
    weight_encoding: str = "offset",
    density: float = 0.5,
    limit_lsb: float = LIMIT_LSB,
    policy: Policy = "refuse",
) -> MacroMapping | Infeasible:
    """Map a product onto analog macros.

    Parameters
    ----------
    product, macro, sources
        What, on which, and what disturbs its sums.
    output_bits
        Bits of a sum that the product needs.
    macros
        Macros side by side.
    active_rows
        Rows added at once; all if None.
    input_encoding, weight_encoding
        Names of encodings.
    density
        Mean product over the largest.
    limit_lsb
        Largest noise, LSB of the output bits.
    policy
        ``refuse`` what clips or is too noisy, or ``mark`` it.

    Returns
    -------
    MacroMapping or Infeasible
        Infeasible where weights do not fit, or the noise is above the limit and is to be refused.

    Raises
    ------
    ConfigError
        The converter has fewer bits than the output needs or than all sums take, and that is to be
        refused; more rows than there are.
    """
    rows = macro.rows if active_rows is None else active_rows
    noise = conversion_noise(macro, sources, active_rows=rows, density=density)
    cut = slices(
        product.outputs,
        input_bits=macro.input_bits,
        weight_bits=macro.weight_bits,
        dac_bits=macro.dac_bits,
        input_encoding=input_encoding,
        weight_encoding=weight_encoding,
    )
    # Columns of the macro are those of weights in one part each.
    columns = macro.columns * macro.weight_bits // cut.weights
    if columns == 0:
        return Infeasible(
            "columns",
            cut.weights,
            macro.columns * macro.weight_bits,
            "columns",
            f"one weight in the encoding {weight_encoding}",
        )
    tiles, share = _tiles(product, macro.rows, columns)
    shortage = _shortage(tiles, macros, macro.rows * macro.columns * macro.weight_bits)
    if shortage is not None:
        return shortage
    marks = []
    lossless = lossless_adc_bits(rows, macro.dac_bits)
    if macro.adc_bits < min(output_bits, lossless):
        text = (
            f"ADC bits that clip: {macro.adc_bits} bits for outputs of {output_bits} "
            f"({lossless} tell all sums of {rows} rows apart)"
        )
        if policy == "refuse":
            raise ConfigError(
                text,
                path="adc_bits",
                given=macro.adc_bits,
                allowed=f"{min(output_bits, lossless)} or more",
            )
        marks.append(text)
    wanted = min(output_bits, lossless)
    if noise.lsb(wanted) > limit_lsb:
        text = f"noise of {noise.lsb(wanted):.3g} LSB at {wanted} bits, above {limit_lsb:g}"
        if policy == "refuse":
            need, have = round(1e3 * noise.lsb(wanted)), round(1e3 * limit_lsb)
            return Infeasible("noise", need, have, "milli-LSB", text)
        marks.append(text)
    steps = cut.inputs * ceil_div(macro.rows, rows) * macro.columns_per_adc
    each = ceil_div(tiles, macros)
    conversions = cut.conversions * product.vectors * ceil_div(product.inputs, rows)
    return MacroMapping(
        tiles,
        steps,
        each * product.vectors * steps,
        conversions,
        share,
        noise.effective_bits,
        tuple(marks),
    )
