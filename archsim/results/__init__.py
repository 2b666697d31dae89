"""What a run found: the frozen :class:`Result`, its parts, and its JSON and CSV forms."""

from archsim.results.records import (
    Energy,
    EngineStatistics,
    ErrorBand,
    Fidelity,
    Phase,
    Roofline,
    WhatIf,
)
from archsim.results.result import SCHEMA_VERSION, Result, csv_table

__all__ = [
    "SCHEMA_VERSION",
    "Energy",
    "EngineStatistics",
    "ErrorBand",
    "Fidelity",
    "Phase",
    "Result",
    "Roofline",
    "WhatIf",
    "csv_table",
]
