"""Commands of a run as a trace that checkers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.dram.traces import Command
from archsim.errors import SimulationError
from archsim.pim import kernel_layout as at
from archsim.pim.segments import Nodes

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.run import PimRun
    from archsim.pim.segments import Stream

ALL = -1


def trace(device: PimDevice, stream: Stream, run: PimRun) -> list[Command]:
    """Return the commands of a run, those of one channel for each class of channels alike.

    Raises
    ------
    SimulationError
        The run kept no commands.

    Notes
    -----
    A command for several banks has -1 (all) in the fields that it leaves open. Moves address both
    pseudo channels at a time.
    """
    if run.log is None:
        raise SimulationError("the run kept no commands")
    names = [command.name for command in device.standard.commands]
    fields = _Fields(device, stream)
    return [
        Command(
            line[at.LOG_TICK],
            names[line[at.LOG_COMMAND]],
            fields.of(names[line[at.LOG_COMMAND]], line),
            run.classes[line[at.LOG_CHANNEL]],
        )
        for line in run.log.tolist()
    ]


class _Fields:
    """Turns nodes of a request back into fields."""

    def __init__(self, device: PimDevice, stream: Stream) -> None:
        self._nodes = Nodes(device)
        self._keys = stream.key_places
        depth = len(self._nodes.sizes)
        self._depth = depth
        self._sizes = device.sizes
        self._spans = device.spans
        self._rows = device.row_commands
        self._opening = {row.activate: row.parts for row in device.row_commands.values()}

    def of(self, name: str, line: list[int]) -> tuple[int, ...]:
        """Return the fields of a logged command."""
        scope = line[at.LOG_SCOPE]
        if scope >= 0:
            place = [ALL] * self._depth
            if name == "REFab" and self._nodes.names[0] == "pseudochannel":
                place[0] = scope
            return (*place, ALL, ALL)
        nodes = line[at.LOG_NODE : at.LOG_NODE + self._depth]
        if scope < ALL:
            nodes = self._keys[-2 - scope].tolist()[: self._depth]
        place = list(self._nodes.fields(nodes))
        if self._opening.get(name, 1) > 1:
            part, ranks = line[at.LOG_PART], self._sizes.get("rank", 1)
            place[self._nodes.names.index("bankgroup")] = part // ranks
            if "rank" in self._sizes:
                place[self._nodes.names.index("rank")] = part % ranks
        for level, name_of_level in enumerate(self._nodes.names):
            if name_of_level in self._spans[name]:
                place[level] = ALL
        row = column = ALL
        if name in self._opening or name in self._rows:
            row = line[at.LOG_ROW]
        if name in self._rows:
            column = line[at.LOG_COLUMN]
        return (*place, row, column)


def command_text(device: PimDevice, commands: list[Command]) -> str:
    """Return a command file: a header, then ``channel,clock,NAME,fields`` lines."""
    standard = device.standard
    levels = ",".join(level.name for level in standard.levels[1:])
    lines = [
        f"# archsim pim commands: device={device.standard.name} tick_ps={standard.tick_ps:g}"
        f" levels={levels}"
    ]
    lines += [
        f"{item.channel},{item.clock},{item.name},{','.join(map(str, item.fields))}"
        for item in commands
    ]
    return "\n".join(lines) + "\n"
