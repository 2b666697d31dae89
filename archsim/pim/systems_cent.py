"""Blocks of a model on GDDR6-AiM channels, as CENT lays them out: from instruction times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.errors import ConfigError
from archsim.pim.cent import BlockShape, attention_ns, gemv_ns, stretch
from archsim.pim.device import load_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archsim.pim.systems_file import SystemConfig
    from archsim.pim.systems_model import ServedModel


def block_parts_s(
    system: SystemConfig, model: ServedModel, lengths: NDArray[np.int64]
) -> dict[str, float]:
    """Return the time of all layers and the head, one request after another.

    Parameters
    ----------
    system
        A system whose ``pim.blocks`` names a GDDR6-AiM device; a block has all channels of a stage.
    model
        A dense model with a gated feed-forward part.
    lengths
        int64[requests].

    Raises
    ------
    ConfigError
        The model is not of this kind.
    """
    pim = system.pim
    if pim is None or pim.blocks is None:
        return {}
    if model.expert_layers or model.ffn_matrices != 3:
        raise ConfigError(
            "blocks of this memory are dense with a gated feed-forward part", given=model.name
        )
    device = load_device(pim.blocks)
    channels = max(1, pim.stacks * pim.channels // system.stages)
    shape = BlockShape(model.width, model.ffn, model.heads, model.kv_heads)
    keys = model.kv_heads * model.head_size
    width = model.width

    def products(*matrices: tuple[int, int]) -> float:
        return sum(gemv_ns(device, rows, inner, channels) for rows, inner in matrices)

    seconds = 1e-9 * stretch(device)
    each = seconds * model.layers * len(lengths)
    attention = sum(attention_ns(device, shape, int(n), channels) for n in lengths)
    return {
        "projections": each
        * products((width, width), (width, width), (keys, width), (keys, width)),
        "attention": seconds * model.layers * attention,
        "ffn": each * products((model.ffn, width), (model.ffn, width), (width, model.ffn)),
        "head": seconds * len(lengths) * products((model.vocabulary, width)),
    }
