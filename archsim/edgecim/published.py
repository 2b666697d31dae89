"""What was published about EdgeCIM and about edge devices: single figures, quoted.

References
----------
EdgeCIM, arXiv:2604.11512v1 (2026): abstract, Sections IV and V, Table II (read). Its figures are
drawings without values and are not used. Figures of other devices are those it quotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["value", "above", "below"]

MODELS: Final = (
    "tinyllama-1.1b",
    "llama3.2-1b",
    "llama3.2-3b",
    "phi-3.5-mini",
    "qwen2.5-0.5b",
    "qwen2.5-1.5b",
    "qwen2.5-3b",
    "smollm2-1.7b",
    "smollm3-3b",
    "qwen3-0.6b",
    "qwen3-1.7b",
    "qwen3-4b",
)
"""The twelve published models."""

MEAN_TOKENS_PER_S: Final = 336.42
"""Mean over the models, INT4, 128 + 128 tokens, alpha 1 (abstract)."""

MEAN_TOKENS_PER_J: Final = 173.02
"""Mean over the models, as above (abstract)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A published number.

    Attributes
    ----------
    value
        The number.
    kind
        Whether it is the value, or a bound ("over 1000", "nearly 400").
    """

    value: float
    kind: Kind = "value"


TOKENS_PER_S: Final = {
    "llama3.2-1b": Figure(400),
    "llama3.2-3b": Figure(139.3),
    "tinyllama-1.1b": Figure(400, "below"),
    "qwen2.5-0.5b": Figure(1000, "above"),
}
"""INT4, 128 + 128 tokens, alpha 1 (Section V, Table II)."""

TOKENS_PER_J: Final = {
    "llama3.2-1b": Figure(181),
    "tinyllama-1.1b": Figure(120, "above"),
    "qwen2.5-0.5b": Figure(600, "above"),
}
"""As above (Section V)."""


OPTIMUM: Final = {
    "clusters_v": 2,
    "clusters_h": 3,
    "tiles_v": 4,
    "tiles_h": 2,
    "tile_sets": 1,
    "elements": 2,
    "chip_bus_bits": 4096,
    "cluster_bus_bits": 4096,
    "tile_bus_bits": 4096,
}
"""Best design for LLaMA3.2-3B INT8 at alpha 0.5 (Section IV)."""


@dataclass(frozen=True, slots=True)
class Device:
    """An edge device as quoted.

    Attributes
    ----------
    name, model
        Device and model, INT4.
    tokens_per_s
        Rate.
    tokens_per_j
        Efficiency, if quoted.
    source
        Where it is from.
    """

    name: str
    model: str
    tokens_per_s: float
    tokens_per_j: float | None
    source: str


DEVICES: Final = (
    Device("Jetson Orin Nano", "llama3.2-1b", 54.8, 3.65, "Sec. V-A"),
    Device("Jetson AGX Orin", "llama3.2-1b", 163.9, None, "Sec. V-A"),
    Device("Jetson Orin Nano", "llama3.2-3b", 27.7, None, "Table II"),
    Device("Jetson Orin Nano Super", "llama3.2-3b", 43.07, None, "Table II"),
    Device("Jetson AGX Orin", "llama3.2-3b", 80.4, None, "Table II"),
    Device("Qualcomm SA8255P", "llama3.2-3b", 14.0, None, "Table II"),
)
"""Edge GPUs (vendor pages) and an automotive chip of phone class (model hub), as EdgeCIM quotes
them. The tokens/J of the Orin Nano are its rate over the 15 W rating, not a measurement."""
