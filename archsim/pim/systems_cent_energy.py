"""CENT: energy of a token from the commands of its blocks.

Constants: Yufeng98/CENT cent_simulation/cent_power_calculator.py (read): Micron's power of GDDR6
operations, halved; data pins 5.5 pJ a bit, PCIe 4.4; controllers by command. That file divides the
active cycles of a device twice by its channels, so its standby power is that of one channel in 32;
here it is that of all, as its own component, and ``pim background`` is left out of comparisons
with the published energies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.pim.cent import BANKS, LANES, ROW_ELEMENTS

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


@dataclass(slots=True)
class Commands:
    """Commands of one channel, of all channels together."""

    activations: float = 0.0
    columns: float = 0.0
    vectors: float = 0.0
    results: float = 0.0

    def product(self, rows: int, inner: int, channels: int) -> None:
        """Add a matrix times a vector on some channels, broadcast to all of them."""
        groups = -(-rows // (channels * BANKS))
        tiles = -(-inner // ROW_ELEMENTS)
        bursts = -(-inner // LANES)
        self.activations += channels * groups * tiles
        self.columns += channels * groups * bursts
        self.vectors += channels * bursts
        self.results += channels * groups * tiles

    def attention(self, model: ServedModel, tokens: int, place: Layout) -> None:
        """Add scores and contexts of a token."""
        channels = place.channels
        groups = -(-tokens // (channels * BANKS))
        used = min(channels, -(-tokens // BANKS))
        columns = -(-model.head_size // LANES)
        rows = -(-model.kv_heads * model.head_size // ROW_ELEMENTS)
        self.activations += used * groups * rows
        self.columns += used * groups * model.heads * columns
        self.vectors += used * groups * rows * model.group * (ROW_ELEMENTS // LANES)
        self.results += used * groups * model.heads
        passes = -(-model.head_size // BANKS)
        tiles, bursts = -(-tokens // ROW_ELEMENTS), -(-tokens // LANES)
        heads = -(-model.kv_heads // place.channels) * model.group * place.channels
        self.activations += heads * passes * tiles
        self.columns += heads * passes * bursts
        self.vectors += heads * bursts
        self.results += heads * passes * tiles

    def joules(self) -> dict[str, float]:
        """Return the energy of the commands by component."""
        moved = self.vectors + 2 * self.results
        return {
            "pim memory": 1e-9 * self.activations * BANKS * ACTIVATE_NJ,
            "pim compute": 1e-9 * self.columns * MULTIPLY_NJ,
            "pim registers": 1e-9 * self.results * (READ_NJ + WRITE_NJ),
            "pins": 1e-9 * moved * PINS_NJ,
            "controllers": 1e-9 * (self.columns + moved) * COMMAND_NJ,
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
    commands = Commands()
    channels = place.channels * place.devices
    keys, width = model.kv_heads * model.head_size, model.width
    for rows, inner in (
        *((width, width), (width, width), (keys, width), (keys, width)),
        *((model.ffn, width), (model.ffn, width), (width, model.ffn)),
    ):
        commands.product(rows, inner, channels)
    commands.attention(model, tokens, place)
    elements = width if place.devices == 1 else 10 * width + 2 * model.ffn
    links = 1e-9 * LINK_NJ_PER_ELEMENT * elements * place.devices
    found = {name: model.layers * joules for name, joules in commands.joules().items()}
    return found | {"links": model.layers * links}
