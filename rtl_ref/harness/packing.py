"""Vectors of small integers to and from one wide port value; element 0 lies in the low bits."""

from __future__ import annotations

from collections.abc import Iterable


def pack(values: Iterable[int], width: int) -> int:
    """Return the two's complement fields of `width` bits, side by side."""
    word = 0
    mask = (1 << width) - 1
    for position, value in enumerate(values):
        word |= (int(value) & mask) << (position * width)
    return word


def unpack(word: int, width: int, count: int, *, signed: bool = True) -> list[int]:
    """Return `count` fields of `width` bits."""
    mask = (1 << width) - 1
    fields = [(word >> (position * width)) & mask for position in range(count)]
    if signed:
        half = 1 << (width - 1)
        fields = [field - (1 << width) if field >= half else field for field in fields]
    return fields
