"""Attention and GEMV on AttAcc: which column of which bank is multiplied when.

Key rows (tokens) are dealt to the units of a channel; with a unit beside each bank the head
dimension is split over the four banks of a group. Sixteen token groups make a block: after each
block the scores of the one before it move to the softmax unit. Heads go to channels, one each; two
heads of a channel are interleaved, so that the vectors of one move while the other multiplies.

Source: scale-snu/attacc_simulator c1540de, trace generators (read); GEMV: the score phase of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from archsim.pim.segments import BARRIER, Macs, Moves, Place, Segment

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice

BLOCK: Final = 16
"""Token groups of a block: results that an accumulator file holds."""
VALUES_AT_BYTES: Final = 1 << 23
"""Where the values begin behind the keys of each bank."""


def _up(value: int, by: int) -> int:
    return -(-value // by)


@dataclass(frozen=True)
class Head:
    """One head for each of some channels: its requests in pieces.

    Attributes
    ----------
    device
        The stack.
    tokens, head_size, element_bytes
        Shape.
    key_bytes, value_bytes
        Where its keys and its values begin in each bank.
    channels
        Channels that have one.
    published
        Whether two things are done as the published trace generator does them: vector moves that
        do not divide evenly among the blocks they hide behind are left out, and of two interleaved
        heads the second reads the values of the first again (its loops use one index for both).
    vectors
        Vectors (queries that share the keys) that its columns serve at a time.
    """

    device: PimDevice
    tokens: int
    head_size: int
    element_bytes: int
    key_bytes: int
    channels: int
    value_bytes: int = VALUES_AT_BYTES
    published: bool = False
    vectors: int = 1

    @property
    def inner(self) -> int:
        """Columns that one token group takes."""
        width = self.device.split_inner * self.device.lanes(self.element_bytes)
        return _up(self.head_size, width)

    @property
    def groups(self) -> int:
        """Token groups: tokens over the units that split them."""
        return _up(self.tokens, self.device.units_per_channel)

    @property
    def blocks(self) -> int:
        """Blocks of token groups."""
        return _up(self.groups, BLOCK)

    def write_query(self, start: int = 0, stop: int | None = None) -> Moves:
        """Return the query's way into the vector buffers."""
        places = tuple(Place(0, 0, bank) for bank in range(self.device.split_inner))
        return Moves(self.device.moves.write_vector, places, self.channels, start, stop, self.inner)

    @property
    def query_moves(self) -> int:
        """Moves of the query over all its channels."""
        return self.device.split_inner * self.inner * self.vectors * self.channels

    def score(self, block: int) -> Macs:
        """Return the MACs of one block of keys."""
        start = block * BLOCK
        count = min(BLOCK, self.groups - start)
        return Macs(self.key_bytes, start * self.inner, count * self.inner, self.channels)

    def first_score(self) -> Macs:
        """Return the very first MAC alone."""
        return Macs(self.key_bytes, 0, 1, self.channels)

    def read_scores(self) -> Moves:
        """Return the moves of a block's scores to the softmax unit."""
        return self._results(self._unit_places())

    def _results(self, places: tuple[Place, ...]) -> Moves:
        """Return the moves of results from some places, the places in turn for each vector."""
        return Moves(self.device.moves.read_result, places * self.vectors, self.channels)

    def softmax(self) -> Moves:
        """Return the start of the softmax."""
        return Moves(self.device.moves.softmax, (Place(0, 0, 0),), self.channels)

    @property
    def _probability_moves(self) -> int:
        """Moves of probabilities into the buffer of one unit."""
        lanes = self.device.lanes(self.element_bytes)
        return _up(self.tokens, self.device.units_per_channel * lanes) * self.vectors

    @property
    def probability_moves(self) -> int:
        """Moves of probabilities over all channels."""
        return len(self._unit_places()) * self._probability_moves * self.channels

    def write_probabilities(self, start: int = 0, stop: int | None = None) -> Moves:
        """Return the probabilities' way into the vector buffers."""
        places = self._unit_places(rank_first=True)
        return Moves(
            *(self.device.moves.move_vector, places, self.channels, start, stop),
            self._probability_moves,
        )

    def context(self, part: int) -> Macs:
        """Return the MACs of one part of the head dimension over all values."""
        return Macs(self.value_bytes, part * self.groups, self.groups, self.channels)

    def read_context(self) -> Moves:
        """Return the moves of the outputs of one part."""
        sizes = self.device.sizes
        ranks = range(sizes.get("rank", 1))
        placement = self.device.unit.placement
        if placement == "buffer":
            places: tuple[Place, ...] = (Place(0, 0, 0),)
        else:
            banks = range(self.device.split_inner)
            places = tuple(Place(rank, 0, bank) for bank in banks for rank in ranks)
        return self._results(places)

    def _unit_places(self, *, rank_first: bool = False) -> tuple[Place, ...]:
        """Return one place for each unit that a rank and a bank group share."""
        if self.device.unit.placement == "buffer":
            return (Place(0, 0, 0),)
        sizes = self.device.sizes
        ranks, groups = range(sizes.get("rank", 1)), range(sizes.get("bankgroup", 1))
        if rank_first:
            return tuple(Place(rank, group, 0) for rank in ranks for group in groups)
        return tuple(Place(rank, group, 0) for group in groups for rank in ranks)


def single(head: Head) -> list[Segment]:
    """Return the requests of one head a channel on its own."""
    found: list[Segment] = [head.write_query(), BARRIER]
    for block in range(head.blocks + 1):
        found += _block(head, block)
    found += [head.softmax(), head.write_probabilities(), BARRIER]
    for part in range(head.inner + 1):
        found += _part(head, part)
    return found


def _block(head: Head, block: int) -> list[Segment]:
    found: list[Segment] = []
    if block < head.blocks:
        found.append(head.score(block))
    if block:
        found.append(head.read_scores())
    if block < head.blocks:
        found.append(BARRIER)
    return found


def _part(head: Head, part: int) -> list[Segment]:
    found: list[Segment] = []
    if part < head.inner:
        found.append(head.context(part))
    if part:
        found.append(head.read_context())
    if part < head.inner:
        found.append(BARRIER)
    return found


def pair(one: Head, two: Head, *, first: bool) -> list[Segment]:
    """Return the requests of two heads a channel, interleaved.

    Parameters
    ----------
    one, two
        The heads.
    first
        Whether nothing ran before: the first row is then opened early.
    """
    found: list[Segment] = [one.write_query()]
    if first:
        found.append(one.first_score())
    found.append(BARRIER)
    blocks = one.blocks
    for block in range(blocks + 1):
        if block < blocks:
            found.append(one.score(block))
        if block:
            found.append(one.read_scores())
        if block < blocks:
            found.append(two.write_query(*_share(two, two.query_moves, block, blocks)))
            found.append(BARRIER)
    later = two.blocks
    for block in range(later + 1):
        if block < later:
            found.append(two.score(block))
        if block:
            found.append(two.read_scores())
        else:
            found.append(one.softmax())
        if block < later:
            found += _late(one, block, later)
            found.append(BARRIER)
    for part in range(one.inner + 1):
        if part < one.inner:
            found.append(one.context(part))
        if part:
            found.append(one.read_context())
        else:
            found.append(two.softmax())
        if part < one.inner:
            found += _late(two, part, one.inner)
            found.append(BARRIER)
    values = replace(two, value_bytes=one.value_bytes) if two.published else two
    for part in range(two.inner + 1):
        found += _part(values, part)
    return found


def _late(head: Head, turn: int, turns: int) -> list[Segment]:
    """Return the probabilities that move in one of the later half of some turns."""
    if turn < turns // 2:
        return []
    share = _share(head, head.probability_moves, turn - turns // 2, _up(turns, 2))
    return [head.write_probabilities(*share)]


def _share(head: Head, moves: int, turn: int, turns: int) -> tuple[int, int]:
    """Return which of some moves one of some turns takes."""
    if head.published:
        return turn * (moves // turns), (turn + 1) * (moves // turns)
    return turn * moves // turns, (turn + 1) * moves // turns


def heads_in_turn(heads: Sequence[Head]) -> list[Segment]:
    """Return the requests of heads one after another, two at a time interleaved."""
    found: list[Segment] = []
    for turn in range(0, len(heads) - 1, 2):
        found += pair(heads[turn], heads[turn + 1], first=turn == 0)
    if len(heads) % 2:
        found += single(heads[-1])
    return found


def attention(
    device: PimDevice,
    tokens: int,
    head_size: int,
    heads: int,
    element_bytes: int,
    max_tokens: int = 4096,
    *,
    published: bool = False,
    vectors: int = 1,
) -> list[Segment]:
    """Return the requests of an attention operation on one stack.

    Parameters
    ----------
    device
        The stack.
    tokens
        Keys and values of each head.
    head_size
        Elements of a key.
    heads
        Heads (of all its requests) that this stack has.
    element_bytes
        Size of an element.
    max_tokens
        Tokens that room is kept for; only where the next head begins depends on it.
    published, vectors
        See :class:`Head`; a head here has so many queries.
    """
    banks = device.sizes.get("rank", 1) * device.sizes.get("bankgroup", 1) * device.sizes["bank"]
    banks *= device.sizes.get("pseudochannel", 1)
    room = _up(max_tokens * head_size, banks)
    turns = _up(heads, device.channels)
    made = [
        Head(
            device,
            tokens,
            head_size,
            element_bytes,
            turn * room,
            min(device.channels, heads - turn * device.channels),
            VALUES_AT_BYTES + turn * room,
            published,
            vectors,
        )
        for turn in range(turns)
    ]
    return heads_in_turn(made)


def gemv(
    device: PimDevice, rows: int, inner: int, element_bytes: int, batch: int = 1
) -> list[Segment]:
    """Return the requests of a matrix times vectors on one stack.

    Parameters
    ----------
    device
        The stack.
    rows, inner
        Shape of the matrix.
    element_bytes
        Size of an element.
    batch
        Vectors: the matrix is gone through once for as many as a column serves.

    Notes
    -----
    Rows are dealt to all channels and units, the inner dimension is split as in attention scores.
    """
    each = _up(rows, device.channels)
    found: list[Segment] = []
    while batch > 0:
        vectors = min(batch, device.unit.vectors)
        batch -= vectors
        head = Head(*(device, each, inner, element_bytes, 0, device.channels), vectors=vectors)
        found += [head.write_query(), BARRIER]
        for block in range(head.blocks + 1):
            found += _block(head, block)
        if batch:
            found.append(BARRIER)
    return found
