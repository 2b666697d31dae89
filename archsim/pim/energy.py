"""Energy of the commands of a run, of refreshes, and of banks that stand by.

Dynamic energy is the sum over commands of their number times the energy of one; refreshes likewise.
Banks that stand by take a power that depends on whether a row is open, times the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice

BITS: Final = 8
PICO: Final = 1e-12
DYNAMIC: Final = ("activate", "access", "compute", "move", "refresh")
"""What commands spend energy on: rows opened and closed again; columns on their way to the units;
multiplications; vectors, and bursts on their way to the host; refreshes."""
STATIC: Final = "standby"
"""What banks take while they stand by."""

Parts = Mapping[str, float]


def addressed_banks(device: PimDevice, command: str) -> int:
    """Return the banks of a channel that a command addresses."""
    spans = device.spans[command]
    levels = device.standard.levels[1 : device.standard.bank_level + 1]
    return prod(level.size for level in levels if level.name in spans)


@lru_cache(maxsize=64)
def unit_energy_j(device: PimDevice) -> dict[str, Parts]:
    """Return the energy of one command in one channel by what it is spent on, J.

    Commands whose energy is not known are left out.
    """
    found: dict[str, Parts] = {}
    if device.energy is not None:
        found |= _by_bit(device)
    for name, joule in device.config.energy_per_command.items():
        found[name] = {_purpose(device, name): joule}
    energy = device.standard.energy
    if energy is not None:
        found["REFab"] = {"refresh": energy.refresh_all_pj * PICO}
    return found


def _purpose(device: PimDevice, name: str) -> str:
    """Return what a command's energy is spent on where it is given as one number."""
    command = device.standard.commands[device.standard.command_id(name)]
    if command.meaning.opens:
        return "activate"
    return "access" if name in device.row_commands else "move"


def _by_bit(device: PimDevice) -> dict[str, Parts]:
    bits = device.energy
    assert bits is not None
    burst = device.standard.burst_bytes * BITS * PICO
    moves = device.moves
    vectors = (moves.write_vector, moves.read_result, moves.move_vector)
    found: dict[str, Parts] = {}
    for command in device.standard.commands:
        name, banks = command.name, addressed_banks(device, command.name)
        if command.meaning.opens:
            found[name] = {"activate": banks * burst * device.columns * bits.activate_pj}
        elif name == device.unit.mac:
            read = device.banks_per_mac * burst
            found[name] = {"access": read * bits.access_pj, "compute": read * bits.compute_pj}
        elif name in vectors or name in ("WRMAC16", "RDAF16"):
            found[name] = {"move": burst * bits.move_pj}
        elif command.meaning.access:
            found[name] = {"move": _external_j(device, command.meaning.access)}
        elif name in ("RDCP", "WRCP", "EWMUL16", "AF16", "MAC"):
            found[name] = {"access": banks * burst * bits.access_pj}
    return found


def _external_j(device: PimDevice, access: str) -> float:
    """Return the energy of an ordinary burst between cells and host, J."""
    energy, bits = device.standard.energy, device.energy
    if energy is not None:
        inside = energy.read_pj if access == "read" else energy.write_pj
        return (inside + energy.io_pj) * PICO
    assert bits is not None
    burst = device.standard.burst_bytes * BITS * PICO
    return burst * (bits.access_pj + bits.move_pj)


def dynamic_j(device: PimDevice, counts: Mapping[str, int], vectors: int = 1) -> dict[str, float]:
    """Return the energy of commands on all stacks by what it is spent on, J.

    Parameters
    ----------
    device
        Energies of one command.
    counts
        Commands of all channels of a stack, by name.
    vectors
        Vectors that a MAC command serves: multiplications for each.

    Notes
    -----
    ``sum over commands of count * energy of one * stacks``.
    """
    units = unit_energy_j(device)
    if not units:
        return {}
    found = dict.fromkeys(DYNAMIC, 0.0)
    for name, count in counts.items():
        for part, joule in units.get(name, {}).items():
            times = vectors if part == "compute" else 1
            found[part] += count * joule * times * device.stacks
    return {part: joule for part, joule in found.items() if joule or part != "refresh"}


def closed_ticks(device: PimDevice, counts: Mapping[str, int], ticks: int) -> int:
    """Return for how many ticks all banks of a channel are closed, about.

    Notes
    -----
    ``closings * tRP + refreshes * tRFC`` where a command closes all banks; nothing where banks
    close one by one, since others are open meanwhile. An estimate.
    """
    of = device.standard.timings
    channels = device.channels
    scopes = device.standard.levels[1].size if device.standard.refresh.scope_level else 1
    closed = counts.get("REFab", 0) // (channels * scopes) * of["nRFC"]
    if device.unit.precharge == "PREA":
        closed += counts.get("PREA", 0) // channels * of["nRP"]
    return min(ticks, closed)


def standby_j(device: PimDevice, counts: Mapping[str, int], ticks: int) -> float | None:
    """Return the energy of standing by on all stacks, J; None if not known.

    Notes
    -----
    ``(open time * open power + closed time * closed power) * scopes * channels * stacks``.
    """
    energy = device.standard.energy
    if energy is None:
        return None
    standard = device.standard
    closed = closed_ticks(device, counts, ticks)
    scopes = standard.levels[1].size if standard.refresh.scope_level else 1
    open_s = standard.time_ps(ticks - closed) * PICO
    closed_s = standard.time_ps(closed) * PICO
    each = energy.standby_open_w * open_s + energy.standby_closed_w * closed_s
    return each * scopes * device.channels * device.stacks


def energy_j(
    device: PimDevice, counts: Mapping[str, int], ticks: int = 0, vectors: int = 1
) -> dict[str, float]:
    """Return the energy of a run on all stacks by what it is spent on, J; empty if not known.

    Parameters
    ----------
    device
        Energies and powers.
    counts
        Commands of all channels of a stack, by name.
    ticks
        Duration.
    vectors
        Vectors that a MAC command serves.
    """
    found = dynamic_j(device, counts, vectors)
    standby = standby_j(device, counts, ticks)
    if found and standby is not None:
        found[STATIC] = standby
    return found
