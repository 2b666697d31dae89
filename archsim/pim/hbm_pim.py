"""GEMV and attention on HBM-PIM: mode changes, register writes, MACs, stores, as its kernel does.

A tile is 128 inputs by 8 outputs of each of the 8 units of a pseudo channel: eight writes of the
input registers and 64 column reads, each of which is a MAC in all units. Tiles of even number lie
in even banks, the others in odd banks, and even tiles come first; registers are written through a
reserved row of the odd banks. A barrier follows the register writes and every eight MACs.

Around the tiles, rows are parked, the mode is changed by writes to reserved rows (one bank at a
time into all-bank mode, then all even or odd banks at once), and the program is written.

Source: SAITPublic/PIMSimulator src/tests/PIMKernel.cpp (read).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.pim.segments import ALL, BARRIER, Access

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment

REGISTERS: Final = 8
"""Vector registers of a file: inputs or outputs of a tile, 16 lanes each (read)."""
LANES: Final = 16
UNITS: Final = 8
"""Units of a pseudo channel, one for two banks (read)."""
PARK_ROW, ALL_BANK_ROW, SINGLE_BANK_ROW, REGISTER_ROW = 0x1000, 0x17FF, 0x1FFF, 0x3FFF
"""Reserved rows: parked on, written to enter and leave all-bank mode, of the registers (read)."""
SETTING, PROGRAM, INPUTS = 0x0, 0x4, 0x8
"""Columns of the register row: settings, program, input registers (read)."""
LAST_COLUMN: Final = 0x1F
EVEN, ODD = (ALL, ALL, 0), (ALL, ALL, 1)
"""All even, all odd banks."""


def _up(value: int, by: int) -> int:
    return -(-value // by)


@cache
def load_hbm_pim() -> PimDevice:
    """Return the shipped device."""
    from archsim.pim.device import load_device

    return load_device("hbm-pim")


def _bank(group: int, bank: int) -> tuple[int, int, int]:
    """Return the fields of one bank: group, pair, which of the two."""
    return group, bank // 2, bank % 2


def enter(device: PimDevice, channels: int) -> Iterator[Segment]:
    """Yield what comes before a kernel: rows parked, all-bank mode, program."""
    sizes = device.sizes
    for bank in range(sizes["pair"] * sizes["bank"]):
        for group in range(sizes["bankgroup"]):
            yield Access("RD", _bank(group, bank), PARK_ROW, 0, 1, channels)
    yield BARRIER
    for group in (0, 2):
        for bank in (0, 1):
            yield Access("WR", _bank(group, bank), ALL_BANK_ROW, LAST_COLUMN, 1, channels)
    yield BARRIER
    yield Access("WRAB", ODD, REGISTER_ROW, PROGRAM, 1, channels)
    yield BARRIER


def leave(channels: int) -> Iterator[Segment]:
    """Yield what comes behind a kernel: single-bank mode, rows parked."""
    for parity in (EVEN, ODD):
        yield Access("WRAB", parity, SINGLE_BANK_ROW, LAST_COLUMN, 1, channels)
    yield BARRIER
    for bank in (0, 1):
        yield Access("RD", _bank(0, bank), PARK_ROW, 0, 1, channels)
    yield BARRIER


def _tile(device: PimDevice, parity: tuple[int, ...], column: int, channels: int) -> list[Segment]:
    """Return a tile: input registers, then 64 MACs from a column on, counted through rows."""
    found: list[Segment] = [
        Access("WRAB", ODD, REGISTER_ROW, INPUTS, REGISTERS, channels),
        BARRIER,
    ]
    for part in range(REGISTERS):
        row, at_column = divmod(column + part * REGISTERS, device.columns)
        found += [Access(device.unit.mac, parity, row, at_column, REGISTERS, channels), BARRIER]
    return found


def product(
    device: PimDevice, out_tiles: int, in_tiles: int, channels: int, base_row: int = 0
) -> list[Segment]:
    """Return a matrix times a vector by tiles, all-bank mode entered.

    Parameters
    ----------
    device
        HBM-PIM.
    out_tiles, in_tiles
        Tiles of 64 outputs of a channel, of 128 inputs.
    channels
        Channels that do this, each its own rows.
    base_row
        Row at which the matrix begins.
    """
    found: list[Segment] = []
    reads = REGISTERS * REGISTERS
    base = base_row * device.columns
    for out in range(out_tiles):
        found += [Access("WRAB", EVEN, REGISTER_ROW, SETTING, 1, channels), BARRIER]
        for parity, first in ((EVEN, 0), (ODD, 1)):
            for turn in range(first, in_tiles, 2):
                column = base + reads * (turn // 2 + out * in_tiles // 2)
                found += _tile(device, parity, column, channels)
        column = base + out_tiles * in_tiles // 2 * reads + out * REGISTERS
        row, at_column = divmod(column, device.columns)
        found += [
            Access("WRAB", ODD, row, at_column, REGISTERS, channels),
            BARRIER,
            Access("WRAB", EVEN, REGISTER_ROW, SETTING, 1, channels),
            BARRIER,
        ]
    return found


def gemv(device: PimDevice, rows: int, inner: int, batch: int = 1) -> list[Segment]:
    """Return the requests of a matrix times vectors on all pseudo channels, rows padded to tiles.

    Parameters
    ----------
    device
        HBM-PIM.
    rows, inner
        Shape of the matrix.
    batch
        Vectors: each goes through the whole matrix.
    """
    out_tiles = _up(rows, device.channels * UNITS * REGISTERS)
    in_tiles = _up(inner, LANES * REGISTERS)
    found = list(enter(device, device.channels))
    for _ in range(batch):
        found += product(device, out_tiles, in_tiles, device.channels)
    return [*found, *leave(device.channels)]


def attention(device: PimDevice, tokens: int, head_size: int, heads: int) -> list[Segment]:
    """Return the requests of an attention: heads to channels, scores then context of each.

    Our mapping; none is published. Each channel works its heads one after another as matrices of
    its own: tokens by elements of a key, then elements of a value by tokens. The host reads the
    scores, takes the softmax and writes the probabilities as input registers.
    """
    per_tile = UNITS * REGISTERS
    turns = _up(heads, device.channels)
    found = list(enter(device, device.channels))
    base_row = 0
    for turn in range(turns):
        channels = min(device.channels, heads - turn * device.channels)
        for outputs, inputs in ((tokens, head_size), (head_size, tokens)):
            out_tiles, in_tiles = _up(outputs, per_tile), _up(inputs, LANES * REGISTERS)
            found += product(device, out_tiles, in_tiles, channels, base_row)
            columns = out_tiles * (_up(in_tiles, 2) * REGISTERS * REGISTERS + REGISTERS)
            base_row += _up(columns, device.columns)
    return [*found, *leave(device.channels)]
