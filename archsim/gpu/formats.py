"""Number formats of GPU operators, as measurements name them."""

from __future__ import annotations

from typing import Final

from archsim.errors import ConfigError, nearest

ELEMENT_BYTES: Final = {
    **{"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "fp8_block": 1.0},
    **{"int8": 1.0, "nvfp4": 0.5625, "bf16+kvfp8": 2.0, "fp16+kvfp8": 2.0},
}
"""Bytes of an operand element; ``x+kvfp8`` are operands x with an fp8 KV cache."""

PACKED: Final = "+w"
"""Behind it stand the bits of a weight that is packed, scales included: ``bf16+w4.125``."""

SIXTEEN_BIT: Final = ("bf16", "fp16")


def format_bytes(dtype: str) -> float:
    """Return the bytes of one operand element; of packed weights, that of what they become.

    Raises
    ------
    ConfigError
        The format is not known.
    """
    dtype = dtype.partition(PACKED)[0]
    if dtype not in ELEMENT_BYTES:
        raise ConfigError(
            "unknown number format",
            path="dtype",
            given=dtype,
            allowed=sorted(ELEMENT_BYTES),
            hint=nearest(dtype, ELEMENT_BYTES),
        )
    return ELEMENT_BYTES[dtype]


def is_packed(dtype: str) -> bool:
    """Return whether weights are packed in fewer bits than the matrix units multiply."""
    return PACKED in dtype


def weight_bytes(dtype: str) -> float:
    """Return the bytes of one weight in memory, its share of scales included.

    Raises
    ------
    ConfigError
        The format is not known.
    """
    _, _, bits = dtype.partition(PACKED)
    if not bits:
        return format_bytes(dtype)
    try:
        return float(bits) / 8
    except ValueError:
        raise ConfigError(
            "must be the bits of a weight", path="dtype", given=dtype, allowed="such as bf16+w4.125"
        ) from None


def output_bytes(dtype: str) -> float:
    """Return the bytes of one result element: formats below 16 bits write 16."""
    return max(2.0, format_bytes(dtype))


def kv_bytes(dtype: str) -> float:
    """Return the bytes of one element of the KV cache."""
    return 1.0 if dtype.endswith("+kvfp8") else format_bytes(dtype)


def matrix_format(dtype: str) -> str:
    """Return the format whose matrix rate counts: that of the operands, scales left out."""
    return dtype.partition("_")[0].partition("+")[0]


def format_class(dtype: str) -> str:
    """Return the class of formats that share constants: 16-bit ones, whatever the KV cache has."""
    plain = dtype.partition("+")[0]
    return "16bit" if plain in SIXTEEN_BIT else plain
