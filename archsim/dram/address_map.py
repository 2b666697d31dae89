"""Address maps: which bits of a block's number select channel, bank, row and column.

A map is written from the most to the least significant field, separated by blanks; ``column:2``
takes two bits of a field, a bare name all that are left of it (fields give their low bits first,
so in ``row column bank column:2`` the two lowest column bits stand below the bank).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.dram.standard import Standard
from archsim.errors import ConfigError, nearest

Ints = npt.NDArray[np.int64]

NAMED: Final[dict[str, str]] = {
    "bank-group-interleave": "row sid rank bank column bankgroup pseudochannel channel",
    "robaracoch": "row bank bankgroup sid rank pseudochannel column channel",
    "chrabaroco": "pseudochannel rank sid bankgroup bank row column channel",
    "mop4clxor": "row column bank bankgroup sid rank pseudochannel column:2 channel",
}
"""Maps by name; levels that a standard lacks are left out. ``mop4clxor`` also folds successive
column bits into pseudo channel, rank, stack, group, bank and row."""

_TOKEN = re.compile(r"(?P<name>[a-z]+)(?::(?P<bits>[0-9]+))?")
_FOLD = re.compile(r"(?P<into>[a-z]+)\s*\^\s*(?P<out>[a-z]+)(?:\s*>>\s*(?P<shift>[0-9]+))?")


class Piece(NamedTuple):
    """Consecutive bits: ``bits`` of field ``name`` from its bit ``low``, at address bit ``at``."""

    name: str
    low: int
    bits: int
    at: int


class Fold(NamedTuple):
    """Field ``into`` is XORed with field ``out`` shifted right by ``shift``."""

    into: str
    out: str
    shift: int


class Decoded(NamedTuple):
    """Where blocks are: channel, fields of a level each below the channel, bank within a channel.

    ``fields`` is [n, levels below the channel], down to the column.
    """

    channel: Ints
    fields: Ints
    bank: Ints


@dataclass(frozen=True)
class AddressMap:
    """A map of one standard and number of channels.

    Attributes
    ----------
    names, sizes
        Fields and their sizes: the channel, then the levels below it.
    pieces
        What each run of address bits selects, least significant first.
    folds
        XORs, in order.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    pieces: tuple[Piece, ...]
    folds: tuple[Fold, ...]

    @classmethod
    def of(
        cls, standard: Standard, text: str, folds: Sequence[str] = (), channels: int = 1
    ) -> AddressMap:
        """Return a map, by name or written out.

        Raises
        ------
        ConfigError
            Unknown names, or fields whose bits are not covered exactly once.
        """
        if channels & (channels - 1):
            raise ConfigError("the number of channels must be a power of two", given=channels)
        names = ("channel", *(level.name for level in standard.levels[1:]))
        sizes = (channels, *(level.size for level in standard.levels[1:]))
        bits = {name: size.bit_length() - 1 for name, size in zip(names, sizes, strict=True)}
        written = NAMED.get(text)
        if written is not None:
            tokens = [token for token in written.split() if token.partition(":")[0] in bits]
        else:
            tokens = text.split()
        pieces = _pieces(tokens, bits, text)
        parsed = tuple(_fold(fold, bits) for fold in folds)
        if text == "mop4clxor":
            parsed = (*_column_folds(names, bits), *parsed)
        return cls(names, sizes, pieces, parsed)

    @property
    def num_bits(self) -> int:
        """Bits of a block's number."""
        return sum(piece.bits for piece in self.pieces)

    def step(self, name: str) -> int:
        """Return the distance in blocks of neighbours in a field, all else equal (XORs apart)."""
        for piece in self.pieces:
            if piece.name == name and piece.low == 0:
                return 1 << piece.at
        return 1

    def decode(self, blocks: Ints) -> Decoded:
        """Return where blocks are; numbers beyond the memory wrap around."""
        values = {name: np.zeros(len(blocks), dtype=np.int64) for name in self.names}
        for piece in self.pieces:
            mask = (1 << piece.bits) - 1
            values[piece.name] |= ((blocks >> piece.at) & mask) << piece.low
        for fold in self.folds:
            size = self.sizes[self.names.index(fold.into)]
            values[fold.into] ^= (values[fold.out] >> fold.shift) & (size - 1)
        fields = np.stack([values[name] for name in self.names[1:]], axis=1)
        bank = np.zeros(len(blocks), dtype=np.int64)
        for name, size in zip(self.names[1:-2], self.sizes[1:-2], strict=True):
            bank = bank * size + values[name]
        return Decoded(values["channel"], fields, bank)


def _pieces(tokens: Sequence[str], bits: dict[str, int], text: str) -> tuple[Piece, ...]:
    """Return the pieces of a map, least significant first, and check that they cover all bits."""
    taken = dict.fromkeys(bits, 0)
    closed: set[str] = set()
    pieces: list[Piece] = []
    position = 0
    for token in reversed(tokens):
        match = _TOKEN.fullmatch(token)
        name = match["name"] if match else token
        if match is None or name not in bits:
            raise ConfigError(
                "unknown field of an address map",
                given=token,
                allowed=[*bits, *(name for name in NAMED if len(tokens) == 1)],
                hint=nearest(name, [*bits, *NAMED]),
            )
        left = bits[name] - taken[name]
        count = left if match["bits"] is None else int(match["bits"])
        if name in closed or count > left:
            raise ConfigError(
                f"the address map takes more than the {bits[name]} bits of '{name}'", given=text
            )
        if match["bits"] is None:
            closed.add(name)
        if count > 0:
            pieces.append(Piece(name, taken[name], count, position))
        taken[name] += count
        position += count
    missing = [
        f"{name} ({bits[name] - taken[name]} bits)" for name in bits if taken[name] < bits[name]
    ]
    if missing:
        raise ConfigError(
            "the address map does not cover all bits: missing " + ", ".join(missing), given=text
        )
    return tuple(pieces)


def _fold(text: str, bits: dict[str, int]) -> Fold:
    match = _FOLD.fullmatch(text.strip())
    if match is None:
        raise ConfigError("is no XOR of two fields", given=text, allowed="such as 'bank ^ row>>2'")
    for name in (match["into"], match["out"]):
        if name not in bits:
            raise ConfigError(
                "unknown field of an address map",
                given=name,
                allowed=list(bits),
                hint=nearest(name, list(bits)),
            )
    if match["into"] == match["out"]:
        raise ConfigError("a field cannot be folded into itself", given=text)
    return Fold(match["into"], match["out"], int(match["shift"] or 0))


def _column_folds(names: Sequence[str], bits: dict[str, int]) -> tuple[Fold, ...]:
    folds = []
    shift = 0
    for name in names[1:-1]:
        if bits[name] > 0:
            folds.append(Fold(name, "column", shift))
            shift += bits[name]
    return tuple(folds)
