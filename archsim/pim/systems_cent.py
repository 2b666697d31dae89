"""CENT: tokens through blocks of GDDR6-AiM channels, controllers and CXL links, one at a time.

A pipeline stage has some devices (matrices over the channels of all of them, keys and values on the
first), or devices have some stages each (channels are then shared out). Controllers
do norms, softmax and rotary embedding after the channels; nothing overlaps within a token.

Source: Yufeng98/CENT, cent_simulation: TransformerBlock.py, run_sim.py, cent_power_calculator.py
(read); times of links: cxl_latency.py of its fork juhojjang123/CENT 768780f (read).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.pim.device import load_device
from archsim.pim.systems_cent_block import Instructions, block_instructions

if TYPE_CHECKING:
    from archsim.pim.systems_file import CxlConfig, SystemConfig
    from archsim.pim.systems_model import ServedModel

CONTROLLER_HZ: Final = 2e9
"""Clock that the cycles below count (read: cent_power_calculator.py)."""
UNIT_LANES: Final = 16
CORES: Final = 8
"""RISC-V cores of a controller."""
NORM_CYCLES: Final = 29.0
"""Reduction (3) and reciprocal root on a core (26) of a norm."""
SOFTMAX_HEAD_CYCLES: Final = 18.25
"""Of a head: reduction, 16 writes, two cycles on eight cores, a read."""
ROTARY_CYCLES: Final = 3.0
"""Of an element on one core."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a block lies.

    Attributes
    ----------
    channels
        Of each device that it has.
    devices
        Devices of a block.
    blocks
        Blocks that share a device and its controller.
    """

    channels: int
    devices: int
    blocks: int


def layout(system: SystemConfig, model: ServedModel) -> Layout:
    """Return how blocks lie on devices.

    Raises
    ------
    ConfigError
        Stages do not divide the devices, or a device has fewer channels than blocks.
    """
    pim = system.pim
    assert pim is not None
    stages = system.stages
    if stages <= pim.stacks:
        if pim.stacks % stages:
            raise ConfigError(
                "stages do not divide the devices",
                given=stages,
                allowed=f"divisors of {pim.stacks}",
            )
        return Layout(pim.channels, pim.stacks // stages, 1)
    if stages != model.layers:
        raise ConfigError(
            "with more stages than devices a stage is a layer",
            given=stages,
            allowed=str(model.layers),
        )
    blocks = -(-stages // pim.stacks)
    if blocks > pim.channels:
        raise ConfigError("a device has fewer channels than blocks", given=blocks)
    return Layout(pim.channels // blocks, 1, blocks)


def check_model(model: ServedModel) -> None:
    """Refuse what blocks of this memory are not laid out for.

    Raises
    ------
    ConfigError
        The model has experts or no gated feed-forward part.
    """
    if model.expert_layers or model.ffn_matrices != 3:
        raise ConfigError(
            "blocks of this memory are dense with a gated feed-forward part", given=model.name
        )


def block_parts_s(system: SystemConfig, model: ServedModel, tokens: int) -> dict[str, float]:
    """Return the time of one token through all layers and the head, by part.

    Parameters
    ----------
    system
        A system whose ``pim.blocks`` names a GDDR6-AiM device.
    model
        A dense model with a gated feed-forward part.
    tokens
        Tokens in the cache, the new one included.

    Raises
    ------
    ConfigError
        The model is not of this kind.
    """
    pim = system.pim
    if pim is None or pim.blocks is None:
        return {}
    check_model(model)
    device = load_device(pim.blocks)
    place = layout(system, model)
    tick_s = device.standard.tick_ps * 1e-12
    parts = block_instructions(model, tokens, place.channels, place.devices, place.blocks)
    seconds = {name: part.ticks(device) * tick_s for name, part in parts.items()}
    head = Instructions()
    head.add_matrix(model.vocabulary, model.width, place.channels * place.devices)
    controllers = controller_s(model, tokens, pim.channels) * place.blocks
    return {
        "projections": model.layers * seconds["projections"],
        "attention": model.layers * seconds["attention"],
        "ffn": model.layers * seconds["ffn"],
        "vectors": model.layers * seconds["elementwise"],
        "head": head.ticks(device) * tick_s,
        "elementwise": model.layers * controllers,
        "collectives": model.layers * link_s(system, model, place),
        "host": 0.0 if system.cxl is None else system.cxl.sampling_s,
    }


def controller_s(model: ServedModel, tokens: int, channels: int) -> float:
    """Return the time of a block's norms, softmax and rotary embedding in the controller.

    Parameters
    ----------
    model, tokens
        Block, and tokens in the cache.
    channels
        Units of a controller: one accumulator and one exponential unit for each channel.
    """
    add, exponential = 2.0 * channels + 2, channels + 12.0
    norms = 2 * (model.width / UNIT_LANES**2 / channels * add + NORM_CYCLES)
    softmax = tokens * model.heads / UNIT_LANES / channels * (add + exponential)
    softmax += model.heads * SOFTMAX_HEAD_CYCLES
    rotary = model.width * ROTARY_CYCLES / CORES * (1 + 1 / model.group)
    return (norms + softmax + rotary) / CONTROLLER_HZ


def link_s(system: SystemConfig, model: ServedModel, place: Layout) -> float:
    """Return the time of a block's vectors on the links.

    On to the next block where devices have several; where blocks have whole devices, three
    broadcasts and five gathers of a vector of the stream, a broadcast and two gathers of one of the
    feed-forward part, empty gathers from a single device included (as published).
    """
    cxl = system.cxl
    if cxl is None or system.pim is None:
        return 0.0
    devices = place.devices
    width, inner = model.width, model.ffn
    if system.stages > system.pim.stacks:
        return transfer_s(cxl, system.pim.stacks, width, 1)
    parts = (
        (3, width, 1),
        (1, inner, 1),
        (5, ceil(width / devices), devices - 1),
        (2, ceil(inner / devices), devices - 1),
    )
    return sum(
        times * transfer_s(cxl, system.pim.stacks, elements, senders)
        for times, elements, senders in parts
    )


def transfer_s(cxl: CxlConfig, devices: int, elements: int, senders: int) -> float:
    """Return the time of vectors of two-byte elements, one of each sender, to or from a device.

    ``hop + flits of three 64-byte messages x 256 bytes / (lanes of a device x rate)``.
    """
    flits = ceil(elements * 2 / 64 / 3) * senders
    rate = cxl.lanes // devices * cxl.lane_bytes_per_s
    return cxl.hop_s + flits * 256 / rate
