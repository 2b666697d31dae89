"""How signed values become what analog cells and drivers hold: encoded, then sliced.

An encoding turns a value of some bits into unsigned bits, with further copies where it needs them:
columns that are subtracted, or passes. Encoded inputs are applied in slices over time, encoded
weights are held in slices over columns.

References
----------
T. Andrulis et al., "CiMLoop", ISPASS 2024 (encodings and slices, read from its published models);
what each costs is derived here from two's complement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from archsim.cim.analog import adc_conversions, input_slices, weight_slices
from archsim.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True)
class Encoding:
    """One way to hold signed values in unsigned parts.

    Attributes
    ----------
    name
        Its name.
    bits_saved
        Bits that the encoded value needs less than the signed one.
    copies
        Unsigned parts of each value, held in columns (weights) or applied in passes (inputs).
    note
        What it does.
    """

    name: str
    bits_saved: int
    copies: int
    note: str

    def encoded_bits(self, bits: int) -> int:
        """Return the bits of one part of a value of some bits, at least one."""
        return max(1, bits - self.bits_saved)

    def parts(self, value: int, bits: int) -> tuple[int, ...]:
        """Return the unsigned parts of a signed value.

        Raises
        ------
        ConfigError
            The value does not fit its bits, or the encoding.
        """
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        if self.name == "magnitude":
            low, high = 0, (1 << bits) - 1
        elif self.bits_saved:
            low = -high
        if not low <= value <= high:
            raise ConfigError(
                f"does not fit {bits} bits of the encoding {self.name}",
                given=value,
                allowed=f"{low} to {high}",
            )
        if self.name in ("offset", "xnor"):
            return (value + (1 << bits - 1),)
        if self.name == "magnitude":
            return (value,)
        return (max(value, 0), max(-value, 0))

    def value(self, parts: tuple[int, ...], bits: int) -> int:
        """Return the signed value of its parts."""
        if self.name in ("offset", "xnor"):
            return parts[0] - (1 << bits - 1)
        return parts[0] - (parts[1] if self.copies == 2 else 0)


_ALL: Final = (
    Encoding("offset", 0, 1, "adds half the range; a digital sum of the others takes it off again"),
    Encoding("xnor", 0, 1, "bits stand for +1 and -1; a cell and its complement multiply them"),
    Encoding("magnitude", 0, 1, "unsigned values only, such as inputs behind a ReLU"),
    Encoding("differential", 1, 2, "positive and negative parts in two columns, subtracted"),
    Encoding("two-part-magnitude", 1, 2, "positive and negative parts in two passes or columns"),
)

ENCODINGS: Final[Mapping[str, Encoding]] = MappingProxyType({item.name: item for item in _ALL})
"""Encodings by name."""


def encoding(name: str) -> Encoding:
    """Return an encoding.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in ENCODINGS:
        raise ConfigError(
            "there is no such encoding",
            given=name,
            allowed=ENCODINGS,
            hint=nearest(name, ENCODINGS),
        )
    return ENCODINGS[name]


@dataclass(frozen=True, slots=True)
class Slices:
    """How a product is cut for an analog macro.

    Attributes
    ----------
    inputs, weights
        Slices of an input over time and of a weight over columns, all copies counted.
    conversions
        Conversions of one matrix-vector product.
    """

    inputs: int
    weights: int
    conversions: float


def slices(
    outputs: int,
    *,
    input_bits: int,
    weight_bits: int,
    dac_bits: int,
    input_encoding: str = "offset",
    weight_encoding: str = "offset",
    cells_wide: int = 1,
    bits_per_cell: int = 1,
    columns_summed: int = 1,
) -> Slices:
    """Return the slices and conversions of a product with some outputs.

    Parameters
    ----------
    outputs
        Output channels.
    input_bits, weight_bits
        Bits of the signed values.
    dac_bits
        Input bits of a step.
    input_encoding, weight_encoding
        Names of encodings.
    cells_wide, bits_per_cell
        Cells read together as one slice of a weight, and bits of each.
    columns_summed
        Columns that are added before a converter.

    Notes
    -----
    ``n_in = copies ceil(encoded/DAC bits)``, ``n_w = copies ceil(encoded/(cells bits))``,
    conversions ``outputs n_in n_w / summed``.
    """
    given, held = encoding(input_encoding), encoding(weight_encoding)
    over_time = given.copies * input_slices(given.encoded_bits(input_bits), dac_bits)
    across = held.copies * weight_slices(held.encoded_bits(weight_bits), cells_wide, bits_per_cell)
    return Slices(over_time, across, adc_conversions(outputs, over_time, across, columns_summed))
