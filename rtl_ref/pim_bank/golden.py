"""A bank in plain Python: when each command is legal, what it reads and accumulates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.components.pim_laws import PimTiming

NOP, ACT, RD, MAC, WR, PRE, REF = range(7)
NAMES = {ACT: "activate", RD: "column", MAC: "column", WR: "column", PRE: "precharge"}
NAMES[REF] = "refresh"


class TimingModel:
    """Keeps when each command was last issued and checks every pair, open or closed."""

    def __init__(self, timing: PimTiming) -> None:
        t = timing
        column = (RD, MAC, WR)
        self.rules = [
            *(("tRCD", ACT, later, t.t_rcd) for later in column),
            ("tRAS", ACT, PRE, t.t_ras),
            *(("tCCD", first, later, t.t_ccd) for first in column for later in column),
            *(("tRTP", first, PRE, t.t_rtp) for first in (RD, MAC)),
            ("tWTP", WR, PRE, t.t_wtp),
            *(("tRP", PRE, later, t.t_rp) for later in (ACT, REF)),
            *(("tRFC", REF, later, t.t_rfc) for later in (ACT, REF)),
        ]
        self.last: dict[int, int] = {}
        self.open_row: int | None = None

    def earliest(self, command: int) -> tuple[int, frozenset[str]]:
        """Return the first legal edge and the names of the constraints that set it."""
        waits = [
            (self.last[first] + cycles, name)
            for name, first, later, cycles in self.rules
            if later == command and first in self.last
        ]
        edge = max((at for at, _ in waits), default=0)
        return edge, frozenset(name for at, name in waits if at == edge)

    def legal_state(self, command: int) -> bool:
        """Return whether the command suits a bank in this state, timing aside."""
        if command == NOP:
            return True
        return (self.open_row is None) == (command in (ACT, REF))

    def issue(self, command: int, edge: int, row: int) -> None:
        """Take a command, and break on one that comes too early or in the wrong state."""
        assert self.legal_state(command), f"{command} on edge {edge}: wrong state"
        first, names = self.earliest(command)
        assert edge >= first, f"{command} on edge {edge}: legal from {first} ({sorted(names)})"
        if command != NOP:
            self.last[command] = edge
        if command == ACT:
            self.open_row = row
        elif command == PRE:
            self.open_row = None


class DataModel:
    """Cells and accumulators, int8 times int8 into int32."""

    def __init__(self, lanes: int, rows: int, columns: int) -> None:
        self.cells: NDArray[np.int64] = np.zeros((rows, columns, lanes), dtype=np.int64)
        self.acc: NDArray[np.int64] = np.zeros(lanes, dtype=np.int64)

    def write(self, row: int, column: int, data: list[int]) -> None:
        """Store a word."""
        self.cells[row, column] = data

    def read(self, row: int, column: int) -> list[int]:
        """Return a word."""
        values: list[int] = self.cells[row, column].tolist()
        return values

    def mac(
        self, row: int, column: int, data: list[int], *, clear: bool, scalar: bool
    ) -> list[int]:
        """Multiply a word by a vector or by its first element; return the accumulators."""
        operand = np.array(data[:1] * len(data) if scalar else data, dtype=np.int64)
        start = np.zeros_like(self.acc) if clear else self.acc
        total = start + self.cells[row, column] * operand
        self.acc = (total + (1 << 31)) % (1 << 32) - (1 << 31)
        values: list[int] = self.acc.tolist()
        return values
