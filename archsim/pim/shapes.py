"""Shapes of operations: products, decode attention, new keys and values."""

from __future__ import annotations

from dataclasses import dataclass


def _up(value: int, by: int) -> int:
    return -(-value // by)


@dataclass(frozen=True, slots=True)
class Gemv:
    """A matrix of `rows` by `inner` elements times `batch` vectors."""

    rows: int
    inner: int
    element_bytes: int = 2
    batch: int = 1

    @property
    def stored_bytes(self) -> int:
        """Bytes of the matrix."""
        return self.rows * self.inner * self.element_bytes

    @property
    def macs(self) -> int:
        """Multiplications that the operation needs."""
        return self.rows * self.inner * self.batch

    def needed_bytes(self, vectors: int) -> int:
        """Return the bytes to read where a column serves so many vectors at a time."""
        return self.stored_bytes * _up(self.batch, vectors)


@dataclass(frozen=True, slots=True)
class Attention:
    """Decode attention: one query per head over `tokens` keys and values.

    Attributes
    ----------
    tokens
        Keys and values of each head.
    head_size
        Elements of a key.
    heads
        Query heads of a request.
    kv_heads
        Key-value heads of a request; fewer than heads when heads share them. Keys are read once for
        as many of the sharing heads as a column serves (one, where units keep one vector).
    requests
        Requests of the same length.
    element_bytes
        Size of an element.
    """

    tokens: int
    head_size: int
    heads: int
    kv_heads: int
    requests: int = 1
    element_bytes: int = 2

    @property
    def share(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads

    @property
    def stored_bytes(self) -> int:
        """Bytes of keys and values."""
        each = 2 * self.tokens * self.head_size * self.element_bytes
        return each * self.kv_heads * self.requests

    @property
    def macs(self) -> int:
        """Multiplications that scores and contexts need."""
        return 2 * self.tokens * self.head_size * self.heads * self.requests

    def needed_bytes(self, vectors: int) -> int:
        """Return the bytes to read where a column serves so many queries at a time."""
        return self.stored_bytes * _up(self.share, vectors)


@dataclass(frozen=True, slots=True)
class KvWrite:
    """New keys and values on their way into the cache.

    Attributes
    ----------
    tokens
        Tokens of each request that are already there.
    head_size, kv_heads, requests, element_bytes
        As in :class:`Attention`.
    new_tokens
        Tokens of each request to write, one in a decode step.
    """

    tokens: int
    head_size: int
    kv_heads: int
    requests: int = 1
    element_bytes: int = 2
    new_tokens: int = 1

    @property
    def stored_bytes(self) -> int:
        """Bytes of all keys and values, the new ones included."""
        each = 2 * (self.tokens + self.new_tokens) * self.head_size * self.element_bytes
        return each * self.kv_heads * self.requests

    @property
    def macs(self) -> int:
        """Multiplications: none."""
        return 0

    @property
    def written_bytes(self) -> int:
        """Bytes to write."""
        each = 2 * self.new_tokens * self.head_size * self.element_bytes
        return each * self.kv_heads * self.requests

    def needed_bytes(self, vectors: int) -> int:
        """Return the bytes to move: those to write, however many vectors a column serves."""
        assert vectors > 0
        return self.written_bytes


Operation = Gemv | Attention | KvWrite
