"""CENT: energy of a token from the commands of its blocks.

Constants: Yufeng98/CENT cent_simulation/cent_power_calculator.py (read): Micron's power of GDDR6
operations, halved; data pins 5.5 pJ a bit, PCIe 4.4; controllers by command. That file divides the
active cycles of a device twice by its channels, so its standby power is that of one channel in 32;
here it is that of all, as its own component, and ``pim background`` is left out of comparisons
with the published energies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.pim.cent import BANKS
from archsim.pim.systems_cent_block import Instructions, block_instructions

if TYPE_CHECKING:
    from archsim.pim.systems_cent import Layout
    from archsim.pim.systems_model import ServedModel

ACTIVATE_NJ: Final = 66.3e-3 * 44.5
"""A bank's row: 66.3 mW over tRC."""
MULTIPLY_NJ: Final = 3 * 438.15e-3 * 1.0
"""A column of all 16 banks: three times a read, over tCCD."""
READ_NJ: Final = 438.15e-3 * 1.25
WRITE_NJ: Final = 553.15e-3 * 1.25
PINS_NJ: Final = 5.5e-3 * 256
"""256 bits over the data pins."""
COMMAND_NJ: Final = (267.7 + 381.0) * 1e-3 / 2 * 0.5
"""Transaction engine and interface of a controller of two channels, one command of 0.5 ns."""
LINK_NJ_PER_ELEMENT: Final = 4.4e-3
"""PCIe; elements are counted as bits in that file, which is kept."""


def instruction_joules(counts: Instructions, channels: int) -> dict[str, float]:
    """Return the energy of the instructions of a device by component.

    Parameters
    ----------
    counts
        Of one channel.
    channels
        Channels that do the same; bursts of the host are of all of them.
    """
    results, bursts = channels * counts.results, counts.bursts
    moved = channels * counts.vectors + 2 * results + bursts
    # A product of elements is a quarter of a column of all banks.
    columns = channels * (counts.columns + counts.products / 4)
    return {
        "pim memory": 1e-9 * channels * counts.rows * BANKS * ACTIVATE_NJ,
        "pim compute": 1e-9 * columns * MULTIPLY_NJ,
        "pim registers": 1e-9 * (results + bursts / 2) * (READ_NJ + WRITE_NJ),
        "pins": 1e-9 * moved * PINS_NJ,
        "controllers": 1e-9 * (columns + moved) * COMMAND_NJ,
    }


def token_joules(model: ServedModel, tokens: int, place: Layout) -> dict[str, float]:
    """Return the dynamic energy of a token through all layers.

    Parameters
    ----------
    model, tokens
        What is served, and tokens in the cache.
    place
        Channels and devices of a block.
    """
    parts = block_instructions(model, tokens, place.channels, place.devices, 1)
    found: dict[str, float] = {}
    for name, counts in parts.items():
        # Matrices are on all devices of a block, the rest on the first.
        devices = place.devices if name in ("projections", "ffn") else 1
        for part, joules in instruction_joules(counts, place.channels * devices).items():
            found[part] = found.get(part, 0.0) + model.layers * joules
    elements = model.width if place.devices == 1 else 10 * model.width + 2 * model.ffn
    links = 1e-9 * LINK_NJ_PER_ELEMENT * elements * place.devices
    return found | {"links": model.layers * links}
