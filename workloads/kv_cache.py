"""What the caches of a model hold: rows per layer, bytes per row."""

from __future__ import annotations

from archsim.numberformat import NumberFormat
from workloads.layer_kinds import LayerKind
from workloads.model import ModelConfig


def kept_rows(model: ModelConfig, kind: LayerKind, positions: int) -> int:
    """Return how many of some positions a layer keeps: all, or those in its window or memory."""
    if model.memory:
        return min(positions, model.memory)
    return min(positions, kind.window) if kind.window else positions


def cache_bytes(model: ModelConfig, number_format: NumberFormat, rows: int) -> int:
    """Return the bytes of some rows of one layer's caches.

    Keys and values of all heads; of latent attention one vector; of a layer with a memory its
    input.
    """
    if model.memory:
        return number_format.bytes(rows * model.hidden_size)
    if model.mla is not None:
        return number_format.bytes(rows * (model.mla.latent_rank + model.mla.rotary_dim))
    return 2 * number_format.bytes(rows * model.kv_heads * model.head_dim)
