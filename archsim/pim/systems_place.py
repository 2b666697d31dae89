"""Heads and requests on channels: what one costs, and when the slowest channel is done."""

from __future__ import annotations

import heapq
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, run_operation
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.systems_file import PimConfig, TilesConfig

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

GRID: Final = tuple(
    sorted({round(2 ** (step / 2)) for step in range(8, 37)} | {16 * n for n in range(1, 64, 4)})
)
"""Lengths at which commands are timed; between them time is taken as linear in the length."""

MANY_HEADS: Final = 8
"""Heads of a channel whose commands are timed; more take as long each."""
TOKEN_GROUP: Final = 16
"""Tokens that the units of a channel take at once: time does not change within a group."""
EXACT_TOKENS: Final = 16384
"""Longest heads of equal length that are timed at their own length."""


def loads(costs: Floats, places: int, order: str) -> Floats:
    """Return what each place has to do.

    Parameters
    ----------
    costs
        float64[items]: cost of each item, in the order in which items arrive.
    places
        Channels.
    order
        ``round-robin``, or ``longest-first``: the longest left to the least loaded place.

    Returns
    -------
    float64[places]
    """
    if order == "round-robin":
        turns = -(-len(costs) // places)
        padded = np.zeros(turns * places, np.float64)
        padded[: len(costs)] = costs
        return np.asarray(padded.reshape(turns, places).sum(axis=0), np.float64)
    values, counts = np.unique(costs, return_counts=True)
    if len(values) == 1:
        each = np.full(places, len(costs) // places, np.float64)
        each[: len(costs) % places] += 1
        return np.asarray(each * values[0], np.float64)
    heap = [(0.0, place) for place in range(places)]
    for cost in np.repeat(values, counts)[::-1].tolist():
        load, place = heap[0]
        heapq.heapreplace(heap, (load + cost, place))
    found = np.zeros(places)
    for load, place in heap:
        found[place] = load
    return found


@lru_cache(maxsize=16)
def _command_times(
    device: str, head_size: int, element_bytes: int, longest: int, heads_each: int
) -> Floats:
    """Return seconds of so many heads on a channel at each length of the grid."""
    stack = load_device(device, ("hardware.stacks=1",))
    found = []
    for tokens in GRID:
        if tokens > longest:
            break
        heads = heads_each * stack.channels
        outcome = run_operation(stack, Attention(tokens, head_size, heads, heads, 1, element_bytes))
        ran = getattr(outcome, "time_ps", None)
        if ran is None:
            raise ConfigError(
                "the computing memory cannot run this attention", given=f"{device}, {tokens} tokens"
            )
        found.append(ran / PS_PER_S)
    return np.array(found)


def grid_up_to(longest: int) -> tuple[int, ...]:
    """Return the lengths of the grid that cover lengths up to the given one.

    Raises
    ------
    ConfigError
        The length is beyond the grid.
    """
    if longest > GRID[-1]:
        raise ConfigError("context is too long", given=longest, allowed=f"at most {GRID[-1]}")
    last = next(size for size in GRID if size >= longest)
    return tuple(size for size in GRID if size <= last)


def command_seconds(device: str, lengths: Ints, head_size: int, element_bytes: int) -> Floats:
    """Return seconds that one query head of each length holds a channel, at command fidelity.

    An eighth of the time of eight heads a channel, one after the other with their vectors under
    the products of their neighbours, refreshes included; on a grid of lengths.

    Parameters
    ----------
    device
        Computing memory.
    lengths
        int64[items].
    head_size, element_bytes
        Shape of keys and values.
    """
    grid = grid_up_to(int(lengths.max()))
    times = _command_times(device, head_size, element_bytes, grid[-1], MANY_HEADS)
    return np.interp(lengths, grid, times) / MANY_HEADS


@lru_cache(maxsize=4096)
def _equal_heads_s(
    device: str, groups: int, head_size: int, element_bytes: int, heads: int
) -> float:
    """Return seconds of some heads on every channel, of so many groups of 16 tokens."""
    stack = load_device(device, ("hardware.stacks=1",))
    count = heads * stack.channels
    tokens = groups * TOKEN_GROUP
    outcome = run_operation(stack, Attention(tokens, head_size, count, count, 1, element_bytes))
    ran = getattr(outcome, "time_ps", None)
    if ran is None:
        raise ConfigError(
            "the computing memory cannot run this attention", given=f"{device}, {tokens} tokens"
        )
    return float(ran / PS_PER_S)


def equal_heads_seconds(
    device: str, tokens: int, head_size: int, element_bytes: int, heads: int
) -> float:
    """Return seconds that a channel takes for heads of equal length, from its commands.

    Exactly the heads of the channel up to eight, beyond that as long for each; lengths beyond
    :data:`EXACT_TOKENS` on the grid.

    Parameters
    ----------
    device
        Computing memory.
    tokens
        Length of each head; units take 16 tokens at once.
    head_size, element_bytes
        Shape of keys and values.
    heads
        Heads on the channel.
    """
    if not heads:
        return 0.0
    if tokens > EXACT_TOKENS:
        each = command_seconds(device, np.array([tokens]), head_size, element_bytes)
        return heads * float(each[0])
    timed = min(heads, MANY_HEADS)
    found = _equal_heads_s(device, -(-tokens // TOKEN_GROUP), head_size, element_bytes, timed)
    return found * heads / timed


def law_seconds(
    pim: PimConfig, lengths: Ints, head_size: int, group: int, element_bytes: int
) -> Floats:
    """Return seconds that a key-value head of each length holds a channel, by bandwidth and lanes.

    ``max(bytes, operations / ops_per_byte) / (bandwidth of a channel x efficiency)``; operations
    are four for each element of keys, query head and token: score and context.

    Parameters
    ----------
    pim
        Computing memory.
    lengths
        int64[items].
    head_size, group, element_bytes
        Shape; `group` query heads share the keys and values.
    """
    stored = 2.0 * lengths * head_size * element_bytes
    operations = 4.0 * lengths * head_size * group
    channel = pim.bandwidth_bytes_per_s / pim.channels * pim.efficiency
    return np.asarray(np.maximum(stored, operations / pim.ops_per_byte) / channel, np.float64)


def head_seconds(
    pim: PimConfig, lengths: Ints, head_size: int, group: int, element_bytes: int
) -> Floats:
    """Return seconds that a key-value head with its query heads holds a channel.

    Commands where the system names a computing memory, bandwidth and lanes elsewhere. Units that
    keep one vector read keys once for each query head.
    """
    if pim.device is not None:
        return group * command_seconds(pim.device, lengths, head_size, element_bytes)
    return law_seconds(pim, lengths, head_size, group, element_bytes)


def tile_seconds(tiles: TilesConfig, lengths: Ints, heads: int, head_size: int) -> Floats:
    """Return seconds that a request of each length holds a channel, tile by tile.

    Keys of all heads lie side by side, a token in each bank; values dimension by dimension, a head
    after the other, in rows that short requests leave partly empty (casys-kaist/NeuPIMs, estimate
    of a request's attention, read).

    Parameters
    ----------
    tiles
        Banks and durations.
    lengths
        int64[requests].
    heads, head_size
        Key-value heads on the device, and elements of each.
    """
    key_rows = -(-heads * head_size // tiles.row_elements)
    value_rows = -(-lengths // tiles.row_elements)
    key_tiles = -(-lengths // tiles.banks) * key_rows
    value_tiles = -(-head_size // tiles.banks) * value_rows * heads
    used = np.minimum(lengths, tiles.row_elements)
    whole = tiles.open_s + tiles.close_s
    key = whole + tiles.column_s * (tiles.row_elements // tiles.lanes + 1)
    value = whole + tiles.column_s * (-(-used // tiles.lanes) + 1)
    vectors = (key_rows + value_rows * heads) * tiles.vector_s
    return np.asarray((key_tiles * key + value_tiles * value + vectors) / tiles.refresh, np.float64)
