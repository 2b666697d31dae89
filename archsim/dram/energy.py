"""Energy of commands and background from published currents, or per command as published.

With currents (data sheets; the formulas are those of Micron's power notes, as in DRAMsim3's
``configuration.cc``), for one device and multiplied by the devices that share an access:
activate + precharge = V (IDD0 tRC - IDD3N tRAS - IDD2N (tRC - tRAS)); read = V (IDD4R - IDD3N) tBL;
write likewise; refresh = V (IDD5AB - IDD3N) tRFC; standby = V IDD3N or V IDD2N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.dram.standard import Energy

if TYPE_CHECKING:
    from archsim.config.document import Document
    from archsim.dram.standard_file import CommandEnergyConfig, CurrentsConfig, StandardConfig

BITS_PER_BYTE = 8
PJ_PER_J = 1e12


def resolve_energy(config: StandardConfig, document: Document) -> Energy | None:
    """Return the energies of one channel, or None if the file has none."""
    energy = config.energy
    if energy is None or (energy.currents is None and energy.commands is None):
        return None
    io_pj = energy.io_pj_per_bit * config.organisation.burst_bytes * BITS_PER_BYTE
    source = next(
        (text for path, text in document.sources.items() if path.startswith("hardware.energy.")),
        "",
    )
    if energy.commands is not None:
        return _from_commands(energy.commands, config.organisation.burst_bytes, io_pj, source)
    assert energy.currents is not None
    return _from_currents(energy.currents, config, io_pj, source)


def _from_commands(
    given: CommandEnergyConfig, burst_bytes: int, io_pj: float, source: str
) -> Energy:
    bits = burst_bytes * BITS_PER_BYTE
    return Energy(
        activate_pj=given.activate_j * PJ_PER_J,
        read_pj=given.read_pj_per_bit * bits,
        write_pj=given.write_pj_per_bit * bits,
        io_pj=io_pj,
        refresh_all_pj=given.refresh_all_j * PJ_PER_J,
        refresh_bank_pj=given.refresh_bank_j * PJ_PER_J,
        standby_open_w=given.standby_open_w,
        standby_closed_w=given.standby_closed_w,
        source=source,
    )


def _from_currents(
    given: CurrentsConfig, config: StandardConfig, io_pj: float, source: str
) -> Energy:
    cycles = config.timings
    watt_to_pj = config.period_s * PJ_PER_J
    """Picojoules of one watt during one clock cycle."""
    power = given.supply_v * config.organisation.devices
    standby_a = given.idd3n_a if given.activate_base == "IDD3N" else given.idd2n_a
    closed_cycles = cycles["nRC"] - cycles["nRAS"]
    activate_a = (
        given.idd0_a * cycles["nRC"] - standby_a * cycles["nRAS"] - given.idd2n_a * closed_cycles
    )
    burst = cycles["nBL"] * watt_to_pj * power
    refresh_a = given.idd5ab_a - given.idd3n_a
    return Energy(
        activate_pj=max(0.0, activate_a) * watt_to_pj * power,
        read_pj=(given.idd4r_a - given.idd3n_a) * burst,
        write_pj=(given.idd4w_a - given.idd3n_a) * burst,
        io_pj=io_pj,
        refresh_all_pj=refresh_a * cycles["nRFC"] * watt_to_pj * power,
        refresh_bank_pj=refresh_a * cycles.get("nRFCpb", 0) * watt_to_pj * power,
        standby_open_w=given.idd3n_a * power,
        standby_closed_w=given.idd2n_a * power,
        source=source,
    )
