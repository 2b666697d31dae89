"""Number formats: how many bits an element takes, block scales included.

Written ``bf16``, ``int8``, ``int4:g128:fp16`` (4 bits, one fp16 scale per 128 elements) or
``int4:g128:fp16:int4`` (with a 4-bit zero point per group). ``mxfp4`` and ``nvfp4`` carry their
scales by definition.

References
----------
OCP Microscaling Formats (MX) specification 1.0, table 1: MXFP4 is E2M1 in blocks of 32 with one
8-bit E8M0 scale. NVFP4: E2M1 in blocks of 16 with one 8-bit E4M3 scale (Blackwell data formats;
its single fp32 scale per tensor is left out).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from archsim.errors import ConfigError, nearest

MAX_GROUP = 2**20


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format.

    Attributes
    ----------
    name : str
        Canonical text; :func:`parse_format` of it gives an equal object.
    bits : int
        Bits of one element, scales not included.
    group : int or None
        Elements that share one scale.
    scale_bits, zero_bits : int
        Bits of the scale and of the zero point of one group.
    stored_bits : Fraction or None
        Bits that an element takes where only some are stored, their positions included; None: all
        are.
    """

    name: str
    bits: int
    group: int | None = None
    scale_bits: int = 0
    zero_bits: int = 0
    stored_bits: Fraction | None = None

    @property
    def bits_per_element(self) -> Fraction:
        """Bits of one element with its share of the group's scale and zero point."""
        if self.stored_bits is not None:
            return self.stored_bits
        if self.group is None:
            return Fraction(self.bits)
        return self.bits + Fraction(self.scale_bits + self.zero_bits, self.group)

    def bytes(self, num_elements: int) -> int:
        """Return the whole bytes that hold some elements: ``ceil(n · bits_per_element / 8)``."""
        if self.stored_bits is not None:
            return -(
                -num_elements * self.stored_bits.numerator // (8 * self.stored_bits.denominator)
            )
        if self.group is None:
            return -(-num_elements * self.bits // 8)
        per_group = self.bits * self.group + self.scale_bits + self.zero_bits
        return -(-num_elements * per_group // (8 * self.group))

    def __str__(self) -> str:
        return self.name


FORMATS: dict[str, NumberFormat] = {
    item.name: item
    for item in (
        NumberFormat("fp32", 32),
        NumberFormat("bf16", 16),
        NumberFormat("fp16", 16),
        NumberFormat("fp8", 8),
        NumberFormat("int8", 8),
        NumberFormat("int4", 4),
        NumberFormat("int32", 32),
        NumberFormat("mxfp4", 4, group=32, scale_bits=8),
        NumberFormat("nvfp4", 4, group=16, scale_bits=8),
    )
}
"""The formats that have a name of their own."""

_GROUP = re.compile(r"g([1-9][0-9]{0,6})")


def _named(name: str, text: str, part: str) -> NumberFormat:
    if name in FORMATS:
        return FORMATS[name]
    raise ConfigError(f"unknown {part}", given=text, allowed=FORMATS, hint=nearest(name, FORMATS))


def parse_format(text: str) -> NumberFormat:
    """Read a number format: ``bf16``, ``int4:g128:fp16``, ``int4:g128:fp16:int4``.

    Raises
    ------
    ConfigError
        Unknown format, a group that is no whole number from 1 to 2**20, or a scaled format that
        is given another scale.

    Examples
    --------
    >>> parse_format("int4:g128:fp16").bits_per_element
    Fraction(33, 8)
    """
    name, *rest = text.strip().split(":")
    base = _named(name, text, "number format")
    if not rest:
        return base
    allowed = "FORMAT or FORMAT:gGROUP:SCALE[:ZERO], such as int4:g128:fp16"
    if base.group is not None:
        raise ConfigError(f"{name} has its scales by definition", given=text, allowed=name)
    if len(rest) not in (2, 3):
        raise ConfigError("is not a number format", given=text, allowed=allowed)
    match = _GROUP.fullmatch(rest[0])
    if match is None or int(match[1]) > MAX_GROUP:
        raise ConfigError(
            "the group must be 'g' and a whole number from 1 to 2**20", given=text, allowed=allowed
        )
    scale, zero = (_named(item, text, "scale format") for item in (*rest, "fp32")[1:3])
    if scale.group is not None or zero.group is not None:
        raise ConfigError("a scale cannot itself be scaled", given=text, allowed=allowed)
    canonical = ":".join([name, *rest])
    zero_bits = zero.bits if len(rest) == 3 else 0
    return NumberFormat(canonical, base.bits, int(match[1]), scale.bits, zero_bits)


@dataclass(frozen=True, slots=True)
class Precision:
    """The number formats of one run: weights, activations, KV cache and accumulator."""

    weights: NumberFormat = FORMATS["bf16"]
    act: NumberFormat = FORMATS["bf16"]
    kv: NumberFormat = FORMATS["bf16"]
    accumulator: NumberFormat = FORMATS["fp32"]

    def __str__(self) -> str:
        return ",".join(f"{item.name}={getattr(self, item.name)}" for item in fields(self))


def parse_precision(text: str) -> Precision:
    """Read ``weights=int4:g128:fp16,act=bf16,kv=fp8``; what is not named keeps its default.

    Defaults are bf16 for weights, activations and KV cache, fp32 for the accumulator. The empty
    text gives the defaults.

    Raises
    ------
    ConfigError
        Unknown or repeated name, unknown format.
    """
    names = [item.name for item in fields(Precision)]
    chosen: dict[str, NumberFormat] = {}
    for item in text.split(",") if text.strip() else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise ConfigError(
                "is not NAME=FORMAT", given=item, allowed="such as weights=int8,act=bf16,kv=fp8"
            )
        if key not in names:
            raise ConfigError(
                "unknown tensor class in a precision",
                given=key,
                allowed=names,
                hint=nearest(key, names),
            )
        if key in chosen:
            raise ConfigError(f"{key} is given twice in a precision", given=text)
        chosen[key] = parse_format(value)
    return replace(Precision(), **chosen)
