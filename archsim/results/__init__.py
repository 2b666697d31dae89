"""What a run found: the frozen :class:`Result`, its parts, and its JSON and CSV forms."""

from archsim.results.records import (
    Devices,
    Energy,
    EngineStatistics,
    ErrorBand,
    Fidelity,
    Operator,
    Phase,
    Roofline,
    WhatIf,
)
from archsim.results.result import SCHEMA_VERSION, Result, csv_table

__all__ = [
    "SCHEMA_VERSION",
    "Devices",
    "Energy",
    "EngineStatistics",
    "ErrorBand",
    "Fidelity",
    "Operator",
    "Phase",
    "Result",
    "Roofline",
    "WhatIf",
    "csv_table",
]
