"""Commands of a run as a trace that checkers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.dram.traces import Command
from archsim.errors import SimulationError
from archsim.pim import kernel_layout as at

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
    nodes = _Nodes(device)
    found = []
    for clock, command, channel, number in run.log.tolist():
        if number < 0:
            scope = ALL if names[command] == "PREA" else -1 - number
            fields: tuple[int, ...] = (scope, ALL, ALL, ALL, ALL, ALL)
        else:
            fields = nodes.fields(names[command], stream.requests[number].tolist())
        found.append(Command(clock, names[command], fields, run.classes[channel]))
    return found


class _Nodes:
    """Turns nodes of a request back into fields."""

    def __init__(self, device: PimDevice) -> None:
        sizes = device.sizes
        self._groups, self._banks = sizes.get("bankgroup", 1), sizes["bank"]
        self._first_bank = (
            1
            + sizes.get("pseudochannel", 1)
            + sizes.get("rank", 1)
            + sizes.get("rank", 1) * self._groups
        )
        unit = device.unit
        self._macs = {unit.mac, unit.activate, unit.precharge}
        self._mac = unit.mac
        self._activate = unit.activate
        self._open = {"bank": 3, "bankgroup": 2, "buffer": 0}[unit.placement]

    def fields(self, name: str, request: list[int]) -> tuple[int, ...]:
        """Return the fields of a command that a request needed."""
        bank = request[at.NODES + 3] - self._first_bank
        groups, own = divmod(bank, self._banks)
        rank, group = divmod(groups, self._groups)
        place = [rank, group, own]
        row = column = ALL
        if name in self._macs:
            for level in range(self._open):
                place[level] = ALL
            row = ALL if name not in (self._mac, self._activate) else request[at.ROW_NUMBER]
            column = request[at.COLUMN_NUMBER] if name == self._mac else ALL
        return (ALL, *place, row, column)


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
