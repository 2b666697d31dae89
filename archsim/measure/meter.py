"""Power, energy and clock of a card as its driver reports them; everything here only reads."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


class Meter:
    """Readings of the first card; they work only where NVML is there."""

    def __init__(self) -> None:
        self.works: bool = False
        self.driver: str = ""
        try:
            self._nvml: Any = importlib.import_module("pynvml")
        except ImportError:
            return
        try:
            self._nvml.nvmlInit()
            self._handle: Any = self._nvml.nvmlDeviceGetHandleByIndex(0)
            self.driver = _text(self._nvml.nvmlSystemGetDriverVersion())
        except self._nvml.NVMLError:
            return
        self.works = True

    def power_w(self) -> float:
        """Return the board power, W: the driver's own mean."""
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3

    def clock_mhz(self) -> float:
        """Return the clock of the multiprocessors, MHz."""
        return float(self._nvml.nvmlDeviceGetClockInfo(self._handle, self._nvml.NVML_CLOCK_SM))

    def energy_j(self) -> float | None:
        """Return the energy since the driver was loaded, J; None if the card does not count it."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._nvml.NVMLError:
            return None

    def settings(self) -> dict[str, str]:
        """Return the settings of the card that measurements depend on, as they are."""
        if not self.works:
            return {}
        nvml, card = self._nvml, self._handle
        getters: dict[str, Callable[[], object]] = {
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1e3,
            "max_sm_clock_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM),
            "ecc": lambda: nvml.nvmlDeviceGetEccMode(card)[0],
            "mig": lambda: nvml.nvmlDeviceGetMigMode(card)[0],
            "persistence": lambda: nvml.nvmlDeviceGetPersistenceMode(card),
        }
        found = {}
        for name, get in getters.items():
            try:
                found[name] = _text(get())
            except nvml.NVMLError:
                found[name] = "not reported"
        return found


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
