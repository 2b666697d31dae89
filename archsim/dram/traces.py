"""Reads request traces and command traces; a malformed line is an error with file and line.

Request traces, told apart by their first line (blank lines and ``#`` comments do not count):

=============  ==========================  ===================================
name           line                        written by
=============  ==========================  ===================================
``archsim``    ``cycle,R|W,address``       this package
``dramsim3``   ``address READ|WRITE cycle``  DRAMsim3
``loadstore``  ``LD|ST address``           Ramulator's load-store front end
``readwrite``  ``address R|W``             Ramulator's DRAM traces
``stl``        ``cycle: read|write address``  DRAMSys
=============  ==========================  ===================================

Addresses are in bytes, decimal or ``0x…``; a cycle is the first in which the request may be sent
and never falls. A command trace has lines ``clock,NAME,field,…`` with one field for each level
below the channel, down to the column, and -1 where a command means all; in a trace of several
channels the number of the channel stands before the clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from archsim.errors import ConfigError, Location

if TYPE_CHECKING:
    from archsim.dram.patterns import Requests

MAX_LINE_CHARACTERS = 400
"""Longest line; anything longer is no trace."""

_ADDRESS = r"(?P<address>0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19})"
_CYCLE = r"(?P<cycle>[0-9]{1,18})"


class Line(NamedTuple):
    """One request of a trace: byte address, direction, first cycle."""

    address: int
    is_write: bool
    cycle: int


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """One format of request traces.

    Attributes
    ----------
    name
        Its name.
    example
        What a line looks like, for messages.
    pattern
        Groups ``address``, ``word`` and, if there is one, ``cycle``.
    """

    name: str
    example: str
    pattern: re.Pattern[str]


FORMATS = (
    TraceFormat(
        "archsim",
        "120,R,0x40",
        re.compile(rf"{_CYCLE}\s*,\s*(?P<word>R|W)\s*,\s*{_ADDRESS}"),
    ),
    TraceFormat(
        "dramsim3",
        "0x40 READ 120",
        re.compile(rf"{_ADDRESS}\s+(?P<word>READ|WRITE)\s+{_CYCLE}"),
    ),
    TraceFormat("loadstore", "LD 0x40", re.compile(rf"(?P<word>LD|ST)\s+{_ADDRESS}")),
    TraceFormat("readwrite", "0x40 R", re.compile(rf"{_ADDRESS}\s+(?P<word>R|W)")),
    TraceFormat(
        "stl",
        "120: read 0x40",
        re.compile(rf"{_CYCLE}:\s*(?P<word>read|write)\s+{_ADDRESS}"),
    ),
)
"""The formats, each with what a line of it looks like."""

_WRITE_WORDS = frozenset({"W", "WRITE", "ST", "write"})


class Command(NamedTuple):
    """One command of a command trace: clock tick, name, the fields below the channel, channel."""

    clock: int
    name: str
    fields: tuple[int, ...]
    channel: int = 0


def read_requests(
    path: Path, *, bytes_per_block: int, num_blocks: int, window: int = 0
) -> Requests:
    """Read a request trace.

    Parameters
    ----------
    path
        File of requests in one of the `FORMATS`.
    bytes_per_block
        Bytes of one burst; an address must lie at the beginning of one.
    num_blocks
        Blocks in the memory.
    window
        Most requests outstanding at a time; 0 for no limit.

    Raises
    ------
    ConfigError
        The file cannot be read or is empty, or a line is malformed, beyond the memory, not aligned
        to a burst or earlier than the one before it: with file and line.
    """
    import numpy as np

    from archsim.dram.patterns import Requests

    blocks: list[int] = []
    writes: list[bool] = []
    cycles: list[int] = []
    last = 0
    for number, line in read_lines(path):
        block, rest = divmod(line.address, bytes_per_block)
        if rest:
            _refuse(
                path,
                number,
                "address does not lie at the beginning of a burst",
                hex(line.address),
                f"a multiple of {bytes_per_block} bytes",
            )
        if block >= num_blocks:
            _refuse(
                path,
                number,
                "address lies beyond the memory",
                hex(line.address),
                f"below {num_blocks * bytes_per_block:#x}",
            )
        if line.cycle < last:
            _refuse(path, number, "cycle falls", line.cycle, f"{last} or later")
        last = line.cycle
        blocks.append(block)
        writes.append(line.is_write)
        cycles.append(line.cycle)
    if not blocks:
        raise ConfigError("trace holds no request", location=Location(str(path), None, None))
    return Requests(
        blocks=np.array(blocks, dtype=np.int64),
        writes=np.array(writes, dtype=np.bool_),
        earliest_ticks=np.array(cycles, dtype=np.int64),
        window=window,
    )


def read_lines(path: Path) -> Iterator[tuple[int, Line]]:
    """Yield the line number and the request of every line of a request trace.

    Raises
    ------
    ConfigError
        The file cannot be read, or a line is malformed: with file and line.
    """
    known: TraceFormat | None = None
    for number, text in _texts(path):
        if known is None:
            known = next((item for item in FORMATS if item.pattern.fullmatch(text)), None)
            if known is None:
                allowed = [item.example for item in FORMATS]
                _refuse(path, number, "line is no request of any known format", text, allowed)
        match = known.pattern.fullmatch(text)
        if match is None:
            message = f"line is no request of the {known.name} format"
            _refuse(path, number, message, text, f"lines such as {known.example}")
        cycle = int(match["cycle"]) if "cycle" in known.pattern.groupindex else 0
        yield number, Line(int(match["address"], 0), match["word"] in _WRITE_WORDS, cycle)


def read_commands(path: Path, *, names: Sequence[str], levels: Sequence[str]) -> list[Command]:
    """Read a command trace.

    Parameters
    ----------
    path
        File with lines ``clock,NAME,field,…`` or ``channel,clock,NAME,field,…``.
    names
        Commands of the standard.
    levels
        Levels below the channel, the column included: one field for each.

    Raises
    ------
    ConfigError
        The file cannot be read or is empty, a line is malformed, names another command or has
        another number of fields, or the clock falls: with file and line.
    """
    shape = f"clock,NAME,{','.join(levels)}"
    commands: list[Command] = []
    last: dict[int, int] = {}
    first = 0
    for number, text in _texts(path):
        parts = [part.strip() for part in text.split(",")]
        if not commands:
            first = len(parts) - 2 - len(levels)
        if first not in (0, 1) or len(parts) != first + 2 + len(levels):
            _refuse(path, number, "line has another number of fields", text, shape)
        name = parts.pop(first + 1)
        if name not in names:
            _refuse(path, number, "the standard has no such command", name, list(names))
        whole = [_whole(path, number, part, shape) for part in parts]
        channel, clock, fields = whole[0] if first else 0, whole[first], tuple(whole[first + 1 :])
        if clock < last.get(channel, 0):
            _refuse(path, number, "clock falls", clock, f"{last[channel]} or later")
        last[channel] = clock
        commands.append(Command(clock, name, fields, channel))
    if not commands:
        raise ConfigError("trace holds no command", location=Location(str(path), None, None))
    return commands


def write_requests(
    requests: Requests, *, bytes_per_block: int, write: Callable[[str], object]
) -> None:
    """Write requests as a trace of the ``archsim`` format, line by line."""
    for block, is_write, cycle in zip(
        requests.blocks.tolist(),
        requests.writes.tolist(),
        requests.earliest_ticks.tolist(),
        strict=True,
    ):
        write(f"{cycle},{'W' if is_write else 'R'},{block * bytes_per_block:#x}\n")


def format_commands(commands: Sequence[Command]) -> str:
    """Return a command trace as text, one line per command, newline-ended.

    The channel is written only where there is more than the first.
    """
    several = any(item.channel for item in commands)
    return "".join(
        f"{f'{item.channel},' if several else ''}"
        f"{item.clock},{item.name},{','.join(map(str, item.fields))}\n"
        for item in commands
    )


def _whole(path: Path, number: int, text: str, shape: str) -> int:
    if len(text) <= 19 and re.fullmatch(r"-?[0-9]+", text) and int(text) >= -1:
        return int(text)
    return _refuse(path, number, "field is no whole number from -1 on", text, shape)


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            for number, raw in enumerate(stream, start=1):
                if len(raw) > MAX_LINE_CHARACTERS:
                    _refuse(
                        path,
                        number,
                        "line is too long for a trace",
                        f"{len(raw)} characters",
                        f"up to {MAX_LINE_CHARACTERS}",
                    )
                text = raw.strip()
                if text and not text.startswith("#"):
                    yield number, text
    except OSError as error:
        raise ConfigError(
            f"trace cannot be read: {error.strerror}", given=str(path), allowed="a file"
        ) from None


def _refuse(
    path: Path, number: int, message: str, given: object, allowed: str | Sequence[str]
) -> NoReturn:
    raise ConfigError(
        message,
        location=Location(str(path), number, None),
        given=given,
        allowed=allowed,
    )
