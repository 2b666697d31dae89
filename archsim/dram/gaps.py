"""Distances between two kinds of command, read from a constraint table, in picoseconds.

Distances are rounded up to whole clocks: a program whose commands all stand at rising edges then
keeps every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.dram.standard import Command, Standard


@dataclass(frozen=True)
class Gaps:
    """The constraint table of a standard, asked by name.

    Attributes
    ----------
    standard
        Whose table.
    """

    standard: Standard
    _known: dict[tuple[str, str, str, int], int] = field(default_factory=dict, repr=False)

    @property
    def activate(self) -> str:
        """The command that begins an activation."""
        return "ACT1" if self.standard.has("ACT1") else "ACT"

    @property
    def group_level(self) -> str:
        """Level inside which bursts keep the longer distance; that above banks without groups."""
        names = [level.name for level in self.standard.levels]
        return "bankgroup" if "bankgroup" in names else names[names.index("bank") - 1]

    @property
    def above_group(self) -> str:
        """Level inside which bursts of different groups keep the shorter distance."""
        names = [level.name for level in self.standard.levels]
        inner = "bankgroup" if "bankgroup" in names else "bank"
        return names[names.index(inner) - 1]

    @property
    def num_groups(self) -> int:
        """Bank groups of a rank, stack or channel; 1 for a standard without."""
        return next((x.size for x in self.standard.levels if x.name == "bankgroup"), 1)

    def clocks_ps(self, ticks: int) -> int:
        """Return ticks as ps, rounded up to whole clocks."""
        return -(-ticks // self.standard.ticks_per_clock) * self.standard.clock_ps

    def bus_ps(self, name: str) -> int:
        """Return for how long a command keeps its bus from one of its kind, ps."""
        return self.clocks_ps(self._command(name).ticks)

    def between(self, previous: str, following: str, level: str, window: int = 1) -> int:
        """Return the least distance of two commands that share a node of a level, ps.

        Parameters
        ----------
        previous, following
            Names of the commands.
        level
            The innermost level of which they share a node: rows of the table at this level and
            those above it apply.
        window
            1 for distances from the last command, 4 for the row that counts four activations.

        Returns
        -------
        int
            0 if no row applies.
        """
        key = (previous, following, level, window)
        if key not in self._known:
            self._known[key] = self._between(*key)
        return self._known[key]

    def apart(self, previous: str, following: str) -> int:
        """Return the least distance of two commands to different ranks or stacks, ps."""
        standard = self.standard
        first, second = standard.command_id(previous), standard.command_id(following)
        ticks = max(
            (
                standard.gap(row, first, second)
                for row in standard.constraints
                if first in row.previous and second in row.following and row.sibling
            ),
            default=0,
        )
        return max(0, self.clocks_ps(ticks))

    def _between(self, previous: str, following: str, level: str, window: int) -> int:
        standard = self.standard
        first, second = standard.command_id(previous), standard.command_id(following)
        depth = standard.level_index(level)
        ticks = max(
            (
                standard.gap(row, first, second)
                for row in standard.constraints
                if first in row.previous
                and second in row.following
                and row.level <= depth
                and row.window == window
                and not row.sibling
            ),
            default=0,
        )
        return max(0, self.clocks_ps(ticks))

    def _command(self, name: str) -> Command:
        return self.standard.commands[self.standard.command_id(name)]
