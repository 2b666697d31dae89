"""New keys and values written where attention finds them, by ordinary writes to single banks.

A key lies as attention reads it: with units beside banks over the banks of a group, on AiM in one
bank with those of all heads, on HBM-PIM as a row of a tile. A value lies across: each part of its
elements in another row. Requests of one channel follow one another; rows are opened for a token and
closed again, which costs more than the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.pim.segments import Access

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment
    from archsim.pim.shapes import KvWrite

VALUES_ROW = 1 << 13
"""Row at which values begin in each bank, as attention streams have it."""


def _up(value: int, by: int) -> int:
    return -(-value // by)


def _place(device: PimDevice, unit: int, bank: int) -> tuple[int, ...]:
    """Return the fields of a bank: a unit's number spread over the levels above the bank."""
    levels = device.standard.levels[1 : device.standard.bank_level]
    fields = []
    for level in reversed(levels):
        fields.append(unit % level.size)
        unit //= level.size
    return (*reversed(fields), bank)


def kv_write(device: PimDevice, operation: KvWrite) -> list[Segment]:
    """Return the writes of the stack that has most of them; heads to channels in turn."""
    heads = _up(operation.kv_heads * operation.requests, device.stacks)
    lanes = device.lanes(operation.element_bytes)
    mapping = device.config.mapping
    found: list[Segment] = []
    for turn in range(_up(heads, device.channels)):
        channels = min(device.channels, heads - turn * device.channels)
        for token in range(operation.tokens, operation.tokens + operation.new_tokens):
            if mapping == "attacc":
                found += _attacc(device, token, operation.head_size, lanes, turn, channels)
            else:
                found += _by_dimension(device, token, operation.head_size, lanes, turn, channels)
    return found


def _attacc(
    device: PimDevice, token: int, head_size: int, lanes: int, turn: int, channels: int
) -> list[Segment]:
    """Return the writes of one token of one head: its group of banks has all of it."""
    banks = device.sizes["bank"]
    units = device.standard.num_banks // banks
    unit, group = token % units, token // units
    found: list[Segment] = []
    split = device.split_inner
    columns = _up(head_size, split * lanes)
    base = turn * 64
    for bank in range(split):
        row, column = divmod(group * columns, device.columns)
        found.append(
            Access("WR", _place(device, unit, bank), base + row, column, columns, channels)
        )
    for bank in range(split):
        for part in range(columns):
            row, column = divmod(part * _up(token + 1, units) + group, device.columns)
            row += VALUES_ROW + base
            found.append(Access("WR", _place(device, unit, bank), row, column, 1, channels))
    return found


def _by_dimension(
    device: PimDevice, token: int, head_size: int, lanes: int, turn: int, channels: int
) -> list[Segment]:
    """Return the writes of one token of one head: each element of the value in another row."""
    banks = device.standard.num_banks
    sizes = device.sizes["bank"]
    columns = _up(head_size, lanes)
    row, column = divmod(turn * columns, device.columns)
    own = token % banks
    key = _place(device, own // sizes, own % sizes)
    found: list[Segment] = [Access("WR", key, token // banks + row, column, columns, channels)]
    rows = _up(token + 1, device.columns * lanes)
    at_column = token // lanes % device.columns
    for turn_of_banks in range(_up(head_size, banks)):
        for bank in range(min(banks, head_size - turn_of_banks * banks)):
            at_row = VALUES_ROW + (turn * _up(head_size, banks) + turn_of_banks) * rows
            place = _place(device, bank // sizes, bank % sizes)
            found.append(Access("WR", place, at_row, at_column, 1, channels))
    return found
