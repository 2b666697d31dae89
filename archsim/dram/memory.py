"""A memory as the user gives it, and the requests for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.dram.address_map import AddressMap
from archsim.dram.patterns import Space, generate_all, parse_patterns
from archsim.dram.run import MAX_REQUESTS, DramRun, check_policies, simulate_requests
from archsim.dram.standard_loading import read_memory
from archsim.dram.traces import read_requests
from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.config.document import Document
    from archsim.dram.controller import ControllerConfig
    from archsim.dram.patterns import Requests
    from archsim.dram.standard import Standard


@dataclass(frozen=True)
class Memory:
    """Channels of one standard with a controller each.

    Attributes
    ----------
    standard, controller, channels
        Devices of a channel, policies, how many.
    address_map
        Which bits select what.
    document
        The file it came from, overrides included.
    """

    standard: Standard
    controller: ControllerConfig
    channels: int
    address_map: AddressMap
    document: Document

    @property
    def peak_bytes_per_s(self) -> float:
        """Peak bandwidth of all channels, B/s."""
        return self.channels * self.standard.peak_bytes_per_s

    @property
    def space(self) -> Space:
        """What patterns walk through."""
        return Space(
            num_blocks=self.channels * self.standard.num_blocks,
            row_step=self.address_map.step("row"),
            column_step=self.address_map.step("column"),
        )

    def requests_of_pattern(self, text: str) -> Requests:
        """Return the requests of a pattern, such as ``random:n=1000,write=50``.

        Raises
        ------
        ConfigError
            Not a pattern, or more than :data:`~archsim.dram.run.MAX_REQUESTS` requests.
        """
        patterns = parse_patterns(text)
        num = sum(pattern.num_requests for pattern in patterns)
        if num > MAX_REQUESTS:
            raise ConfigError(
                "too many requests for a run one by one", given=num, allowed=f"up to {MAX_REQUESTS}"
            )
        return generate_all(patterns, self.space)

    def requests_of_trace(self, path: Path) -> Requests:
        """Return the requests of a trace file.

        Raises
        ------
        ConfigError
            A line that is no request, with file and line.
        """
        return read_requests(
            path,
            bytes_per_block=self.standard.burst_bytes,
            num_blocks=self.channels * self.standard.num_blocks,
        )

    def run(self, requests: Requests, *, log_commands: bool = False) -> DramRun:
        """Run requests in program order; see :func:`archsim.dram.run.simulate_requests`."""
        return simulate_requests(
            self.standard,
            self.controller,
            requests,
            channels=self.channels,
            log_commands=log_commands,
        )


def load_memory(name: str, overrides: Sequence[str] = ()) -> Memory:
    """Load a memory: the id of a standard, or a YAML file that adds a controller to one.

    Parameters
    ----------
    name
        Id or path.
    overrides
        ``hardware.controller.scheduler=fifo``, ``hardware.timings.nRAS=40`` and the like.

    Raises
    ------
    ConfigError
        Anything wrong, with its place.
    """
    loaded = read_memory(name, overrides)
    config, document = loaded.config, loaded.document
    controller = config.controller
    try:
        check_policies(loaded.standard, controller)
        where = AddressMap.of(
            loaded.standard, controller.address_map, controller.address_xor, config.channels
        )
    except ConfigError as error:
        wrong = "controller.address_map"
        if error.given == config.channels:
            wrong = "channels"
        elif error.given in controller.address_xor:
            wrong = "controller.address_xor"
        path = error.path or f"hardware.{wrong}"
        raise error.at(path=path, location=document.location(path)) from None
    return Memory(loaded.standard, controller, config.channels, where, document)
