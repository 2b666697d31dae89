"""Runs one directed case and keeps what every port did, edge by edge."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtl_ref.harness.blocks import Block
from rtl_ref.harness.runner import simulate

HEADER = re.compile(r"^module\s+(\w+)\b.*?^\);", re.DOTALL | re.MULTILINE)
PORT = re.compile(r"^\s*(input|output)\s+logic\s*(?:\[(.+):0\])?\s*(\w+)\s*,?\s*$", re.MULTILINE)
COUNT = re.compile(r"^([A-Za-z]\w*)(\*.+)?-1$")
PARAMETER = re.compile(r"^\s*parameter int\s+(\w+)\s*=\s*(\d+)\s*,?\s*$", re.MULTILINE)
LAW_TEST = r"\.law$"


@dataclass(frozen=True, slots=True)
class Port:
    """A top-level port.

    Attributes
    ----------
    name
        As in the source, with ``_i`` or ``_o``.
    lanes
        Elements of a packed vector; 1 for one number and 0 for a single wire.
    """

    name: str
    lanes: int

    @property
    def is_input(self) -> bool:
        """Whether the bench drives it."""
        return self.name.endswith("_i")

    @property
    def role(self) -> str:
        """``valid``, ``ready`` or ``data``; ``done`` announces if it leaves, takes if it enters."""
        stem = self.name[:-2].rpartition("_")[2]
        if stem == "done":
            return "ready" if self.is_input else "valid"
        return stem if stem in ("valid", "ready") else "data"


@dataclass(frozen=True, slots=True)
class Handshake:
    """Neighbouring ports that belong to one handshake, as columns of the trace.

    Attributes
    ----------
    columns
        All its ports.
    valid, ready
        Its two control ports; None where it has none.
    """

    columns: tuple[int, ...]
    valid: int | None
    ready: int | None

    def transfers(self, sample: Sequence[str]) -> bool:
        """Return whether something changes hands on an edge."""
        if self.valid is None or sample[self.valid] != "1":
            return False
        return self.ready is None or sample[self.ready] == "1"


@dataclass(frozen=True, slots=True)
class Trace:
    """One case, sampled on every rising edge as a flop would.

    Attributes
    ----------
    block, case
        What ran.
    ports
        Ports in the order of the source, without clock and reset.
    samples
        Bits of each port on each edge, most significant first.
    start
        Index of the edge of the first transfer: edge 0 of the case.
    end
        Index of the edge on which the case was measured.
    law, measured
        Cycles predicted and taken.
    waveform
        The FST file.
    """

    block: Block
    case: str
    ports: tuple[Port, ...]
    samples: tuple[tuple[str, ...], ...]
    start: int
    end: int
    law: int
    measured: int
    waveform: Path


def read_ports(source: str, top: str, parameters: Mapping[str, int]) -> tuple[Port, ...]:
    """Return the ports of a module without clock and reset.

    A range ``Count*Bits-1:0`` makes `Count` lanes. A range of one parameter makes that many
    wires, unless the parameter is called a width.

    Raises
    ------
    ValueError
        The module is not in the source.
    """
    header = next((m[0] for m in HEADER.finditer(source) if m[1] == top), None)
    if header is None:
        raise ValueError(f"module {top} is not in its source")
    every = {key: int(value) for key, value in PARAMETER.findall(header)} | dict(parameters)
    return tuple(
        Port(name, _lanes(width.replace(" ", ""), every))
        for _, width, name in PORT.findall(header)
        if name not in ("clk_i", "rst_ni")
    )


def _lanes(width: str, parameters: Mapping[str, int]) -> int:
    """Return the lanes of a packed range ``[width:0]``."""
    if not width:
        return 0
    count = COUNT.match(width)
    if count is None or (count[2] is None and count[1].endswith("Width")):
        return 1
    return parameters[count[1]]


def handshakes(ports: Sequence[Port]) -> tuple[Handshake, ...]:
    """Group ports in the order of the source: each valid begins a handshake.

    Ports before the first valid stand alone, unless a ready of the same handshake is among them.
    """
    groups: list[list[int]] = [[]]
    for column, port in enumerate(ports):
        stem = port.name[:-2].removesuffix("valid")
        before = {ports[i].name[:-2] for i in groups[-1]}
        if port.role == "valid" and groups[-1] and f"{stem}ready" not in before:
            groups.append([])
        groups[-1].append(column)
    found = []
    for group in groups:
        by_role = {ports[column].role: column for column in group}
        found.append(Handshake(tuple(group), by_role.get("valid"), by_role.get("ready")))
    return tuple(found)


def trace_case(block: Block, case: str, folder: Path) -> Trace:
    """Run one case in Icarus Verilog and return what its ports did.

    Parameters
    ----------
    block, case
        The case by its name, as `Block.case_names` gives it.
    folder
        Empty folder for everything that is written, the waveform included.

    Raises
    ------
    RuntimeError
        The case failed.
    """
    config, index = block.case_names()[case]
    top = next(path for path in block.sources if path.stem == block.top)
    parameters = block.configs[config].parameters
    ports = read_ports(top.read_text(encoding="utf-8"), block.top, parameters)
    names = [port.name for port in ports]
    outcome = simulate(block, config, folder, only=LAW_TEST, case=index, ports=names, waves=True)
    if outcome.failures:
        raise RuntimeError(outcome.failures[0])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    samples = tuple(tuple(row) for row in report["samples"])
    ((_, law, measured),) = outcome.measured
    (end,) = report["ends"]
    groups = handshakes(ports)
    start = next(
        edge
        for edge in range(max(0, end - measured), len(samples))
        if any(group.transfers(samples[edge]) for group in groups)
    )
    waveform = folder / f"{block.top}.fst"
    return Trace(block, case, ports, samples, start, end, law, measured, waveform)
