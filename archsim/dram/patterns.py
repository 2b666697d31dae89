"""Access patterns: which block each request touches, and whether it writes.

A block is one burst of the memory; the byte address of a block is ``block * bytes per burst``.
Patterns are deterministic: everything random comes from two 64-bit linear congruential generators,
one for addresses that begins at the seed and one for directions that begins 1 000 003 later.

A pattern is written as text, ``kind:option=value,…``; several joined by ``+`` follow one another:
``stream:n=20000,write=33,seed=12`` or ``random:n=500,seed=4+stride:n=500,step=row``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from archsim.dram.sequences import draws, zipf_ranks
from archsim.errors import ConfigError, nearest

Kind = Literal["stream", "stride", "random", "pingpong", "chunk", "copy", "zipf"]
"""Names of the patterns."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Step: TypeAlias = "int | Literal['row', 'column']"
"""A distance in blocks, or that to the next row of a bank or the next column of a row."""

MAX_REQUESTS = 10**9
"""Most requests of a pattern: 9 GB of addresses and directions (a choice: estimate)."""

WRITE_SEED_OFFSET = 1_000_003
"""Distance between the seeds of the two generators."""

INT64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Space:
    """The memory that a pattern walks through, counted in blocks.

    Attributes
    ----------
    num_blocks
        Blocks in the whole memory; addresses are taken modulo it.
    row_step, column_step
        Distance in blocks to the next row of the same bank and to the next column of the same row,
        under the address map in use.
    """

    num_blocks: int
    row_step: int = 1
    column_step: int = 1


class Requests(NamedTuple):
    """Requests in the order in which they are sent.

    Attributes
    ----------
    blocks
        Block of each request, int64, shape (n,).
    writes
        Whether it writes, bool, shape (n,).
    earliest_ticks
        First controller tick in which it may be sent, int64, shape (n,).
    window
        Most requests outstanding at a time; 0 for no limit.
    """

    blocks: INT64
    writes: npt.NDArray[np.bool_]
    earliest_ticks: INT64
    window: int = 0


def _option(key: str, low: int, high: int, default: int) -> int:
    made: int = field(default=default, metadata={"key": key, "low": low, "high": high})
    return made


@dataclass(frozen=True, slots=True)
class Pattern:
    """One access pattern.

    Attributes
    ----------
    kind
        ``stream`` i; ``stride`` i * step; ``random`` uniform in the footprint; ``pingpong`` goes
        round `rows` rows of one bank, a column further each time; ``chunk`` runs of `length`
        blocks from random places; ``copy`` alternates `length` reads from the lower half of the
        memory with `length` writes to the upper half; ``zipf`` draws blocks of the footprint with
        frequencies that fall as rank to the power of -`skew`/100.
    num_requests
        Requests in all (``n``).
    seed
        Seed of both generators.
    write_percent
        Share of writes in percent, drawn per request; ``copy`` has its own order.
    step, row_step, column_step
        Distances in blocks; ``row`` and ``column`` stand for those of the memory. A pattern that
        gives no row step or column step takes those of the memory.
    columns, rows
        Columns visited and rows alternated by ``pingpong``.
    length
        Blocks of a run of ``chunk`` or ``copy``.
    footprint
        Blocks that ``random``, ``chunk`` and ``zipf`` choose from; 0 for all.
    skew
        Exponent of ``zipf`` in hundredths.
    gap_ticks
        Request i is not sent before tick ``i * gap``.
    window
        Most requests outstanding at a time; 0 for no limit.
    """

    kind: Kind
    num_requests: int = _option("n", 1, MAX_REQUESTS, 20_000)
    seed: int = _option("seed", 0, 2**63 - 1, 1)
    write_percent: int = _option("write", 0, 100, 0)
    step: Step = field(default=1, metadata={"key": "step", "low": 1, "high": 2**40})
    row_step: Step = field(default="row", metadata={"key": "rowstep", "low": 1, "high": 2**40})
    column_step: Step = field(
        default="column", metadata={"key": "columnstep", "low": 1, "high": 2**40}
    )
    columns: int = _option("columns", 1, 2**40, 64)
    rows: int = _option("rows", 1, 2**40, 2)
    length: int = _option("length", 1, 2**40, 16)
    footprint: int = _option("footprint", 0, 2**48, 0)
    skew: int = _option("skew", 1, 1000, 99)
    gap_ticks: int = _option("gap", 0, 2**32, 0)
    window: int = _option("window", 0, 2**20, 0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                "there is no such pattern",
                given=self.kind,
                allowed=KINDS,
                hint=nearest(self.kind, KINDS),
            )
        for item in fields(self):
            if not item.metadata:
                continue
            value = getattr(self, item.name)
            low, high = item.metadata["low"], item.metadata["high"]
            if isinstance(value, str) and item.name.endswith("step"):
                good = value in ("row", "column")
            else:
                good = isinstance(value, int) and low <= value <= high
            if not good:
                raise ConfigError(
                    f"option {item.metadata['key']} of pattern {self.kind} is out of range",
                    given=value,
                    allowed=f"{low} to {high}",
                )

    def with_option(self, key: str, value: Step) -> Pattern:
        """Return the pattern with an option, named as in its text form, set.

        Raises
        ------
        ConfigError
            The value is out of range.
        """
        changed = {item.name: getattr(self, item.name) for item in fields(self)}
        changed[OPTION_NAMES[key]] = value
        return Pattern(**changed)

    def __str__(self) -> str:
        parts = [
            f"{item.metadata['key']}={getattr(self, item.name)}"
            for item in fields(self)
            if item.metadata and getattr(self, item.name) != item.default
        ]
        return f"{self.kind}:{','.join(parts)}" if parts else self.kind


OPTION_NAMES = {item.metadata["key"]: item.name for item in fields(Pattern) if item.metadata}
"""Attribute of each option of the text form."""


def parse_patterns(text: str) -> tuple[Pattern, ...]:
    """Read patterns written as ``kind:option=value,… + kind:…``.

    Raises
    ------
    ConfigError
        An unknown pattern or option (the nearest is named), or a value out of range.

    Examples
    --------
    >>> [str(item) for item in parse_patterns("stride:step=row,n=50 + random")]
    ['stride:n=50,step=row', 'random']
    """
    return tuple(_parse_one(part.strip()) for part in text.split("+"))


def _parse_one(text: str) -> Pattern:
    kind, _, rest = text.partition(":")
    name = kind.strip()
    known = next((item for item in KINDS if item == name), None)
    if known is None:
        raise ConfigError(
            "there is no such pattern", given=name, allowed=KINDS, hint=nearest(name, KINDS)
        )
    pattern = Pattern(known)
    for part in filter(None, (item.strip() for item in rest.split(","))):
        key, equals, value = (item.strip() for item in part.partition("="))
        if not equals or key not in OPTION_NAMES:
            raise ConfigError(
                f"pattern {name} has no such option",
                given=part,
                allowed=[f"{item}=…" for item in OPTION_NAMES],
                hint=nearest(key, OPTION_NAMES),
            )
        pattern = pattern.with_option(key, _value(key, value))
    return pattern


def _value(key: str, text: str) -> Step:
    if key.endswith("step"):
        if text == "row":
            return "row"
        if text == "column":
            return "column"
    try:
        return int(text)
    except ValueError:
        words = ", row or column" if key.endswith("step") else ""
        raise ConfigError(
            f"option {key} needs a number", given=text, allowed=f"a whole number{words}"
        ) from None


def generate(pattern: Pattern, space: Space) -> Requests:
    """Return the requests of a pattern.

    Raises
    ------
    ConfigError
        The footprint is smaller than a run, or larger than the memory.
    """
    index = np.arange(pattern.num_requests, dtype=np.int64)
    footprint = pattern.footprint or space.num_blocks
    if footprint > space.num_blocks:
        raise ConfigError(
            "the footprint of a pattern is larger than the memory",
            given=footprint,
            allowed=f"up to {space.num_blocks} blocks",
        )
    writes = _writes(pattern)
    if pattern.kind == "stream":
        blocks = index
    elif pattern.kind == "stride":
        blocks = index * _distance(pattern.step, space)
    elif pattern.kind == "random":
        blocks = _below(draws(pattern.seed, pattern.num_requests), footprint)
    elif pattern.kind == "pingpong":
        turn = (index // pattern.rows) % pattern.columns
        blocks = (index % pattern.rows) * _distance(pattern.row_step, space)
        blocks = blocks + turn * _distance(pattern.column_step, space)
    elif pattern.kind == "chunk":
        blocks = _chunks(pattern, index, footprint)
    elif pattern.kind == "copy":
        run, place = index // pattern.length, index % pattern.length
        writes = run % 2 == 1
        blocks = (run // 2) * pattern.length + place + writes * (space.num_blocks // 2)
    else:
        drawn = draws(pattern.seed, pattern.num_requests)
        blocks = zipf_ranks(drawn, footprint, pattern.skew / 100)
    return Requests(
        blocks=np.mod(blocks, space.num_blocks),
        writes=writes,
        earliest_ticks=index * pattern.gap_ticks,
        window=pattern.window,
    )


def generate_all(patterns: tuple[Pattern, ...], space: Space) -> Requests:
    """Return the requests of patterns one after another.

    A pattern's gaps count on from the last request of the one before.

    Raises
    ------
    ConfigError
        Their windows differ, or one of them does not fit the memory.
    """
    if len({item.window for item in patterns}) > 1:
        raise ConfigError(
            "patterns that follow one another need the same window",
            given=[item.window for item in patterns],
        )
    made = [generate(item, space) for item in patterns]
    begin, clocks = 0, []
    for pattern, part in zip(patterns, made, strict=True):
        clocks.append(part.earliest_ticks + begin)
        begin += pattern.num_requests * pattern.gap_ticks
    return Requests(
        blocks=np.concatenate([part.blocks for part in made]),
        writes=np.concatenate([part.writes for part in made]),
        earliest_ticks=np.concatenate(clocks),
        window=patterns[0].window,
    )


def _writes(pattern: Pattern) -> npt.NDArray[np.bool_]:
    if not pattern.write_percent:
        return np.zeros(pattern.num_requests, dtype=np.bool_)
    drawn = draws(pattern.seed + WRITE_SEED_OFFSET, pattern.num_requests)
    return (drawn >> np.uint64(40)) % np.uint64(100) < np.uint64(pattern.write_percent)


def _below(drawn: npt.NDArray[np.uint64], bound: int) -> INT64:
    return ((drawn >> np.uint64(20)) % np.uint64(bound)).astype(np.int64)


def _chunks(pattern: Pattern, index: INT64, footprint: int) -> INT64:
    places = footprint // pattern.length
    if not places:
        raise ConfigError(
            "the footprint of a pattern is smaller than one run",
            given=footprint,
            allowed=f"at least {pattern.length} blocks",
        )
    runs = -(-pattern.num_requests // pattern.length)
    bases = _below(draws(pattern.seed, runs), places) * pattern.length
    return bases[index // pattern.length] + index % pattern.length


def _distance(step: Step, space: Space) -> int:
    if step == "row":
        step = space.row_step
    elif step == "column":
        step = space.column_step
    return step % space.num_blocks
