"""A documentation page as blocks: what it prints, what it feeds to a command, what it refers to.

Fenced blocks mean something by their language. ``console`` holds commands after ``$`` with what
they print. A ``yaml``, ``python`` or ``toml`` block whose first line is a comment with a file name
is that file: commands of the page find it in their folder. Other blocks are for reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import archsim

FOLDER = Path(archsim.__file__).parent / "docs"
PAGES = tuple(sorted(path.name for path in FOLDER.glob("*.md")))

_FENCE = re.compile(r"```(\w*)")
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|py|toml))")
_PROMPT = "$ "


@dataclass(frozen=True)
class Command:
    """A command of a console block and the lines printed under it."""

    text: str
    output: tuple[str, ...]
    line: int
    """Line of the page, from 1, at which the command stands."""

    @property
    def words(self) -> str:
        """The command on one line."""
        return re.sub(r"\\\n\s*", "", self.text)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its lines; ``line`` is that of the fence, from 1."""

    language: str
    lines: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def file(self) -> str | None:
        """The file that the block stands for."""
        found = _FILE.fullmatch(self.lines[0]) if self.lines else None
        return found[1] if found and self.language in ("yaml", "python", "toml") else None

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of a console block."""
        if self.language != "console":
            return ()
        made: list[Command] = []
        number = 0
        while number < len(self.lines):
            assert self.lines[number].startswith(_PROMPT), f"line {self.line + 1}: no command"
            start = number
            while self.lines[number].endswith("\\"):
                number += 1
            number += 1
            command = "\n".join(self.lines[start:number]).removeprefix(_PROMPT)
            first = number
            while number < len(self.lines) and not self.lines[number].startswith(_PROMPT):
                number += 1
            made.append(Command(command, self.lines[first:number], self.line + 1 + start))
        return tuple(made)


@dataclass(frozen=True)
class Page:
    """A page: its name, its lines, and its blocks in order."""

    name: str
    lines: tuple[str, ...]
    blocks: tuple[Block, ...]

    def commands(self) -> tuple[Command, ...]:
        return tuple(command for block in self.blocks for command in block.commands())

    def files(self) -> dict[str, str]:
        """Return the text of each file that the page writes down."""
        return {block.file: block.text for block in self.blocks if block.file is not None}

    def prose(self) -> str:
        """Return the page without its blocks."""
        inside = {
            number
            for block in self.blocks
            for number in range(block.line, block.line + len(block.lines) + 2)
        }
        return "\n".join(text for i, text in enumerate(self.lines, 1) if i not in inside)


def read(name: str) -> Page:
    """Read a page of the package."""
    return parse(name, (FOLDER / name).read_text("utf-8"))


def parse(name: str, text: str) -> Page:
    """Return the page that a text is."""
    lines = tuple(text.splitlines())
    blocks: list[Block] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.fullmatch(lines[number])
        if fence is None:
            assert not lines[number].startswith("```"), f"{name}:{number + 1}: odd fence"
            number += 1
            continue
        end = lines.index("```", number + 1)
        blocks.append(Block(fence[1], lines[number + 1 : end], number + 1))
        number = end + 1
    return Page(name, lines, tuple(blocks))
