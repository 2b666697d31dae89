"""The memory controller's parameters, and the file of a memory: a standard with its controller."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.config.schema import ConfigModel, Fraction01, NonNegativeInt, Whole
from archsim.dram.standard_file import StandardConfig

BufferSize = Annotated[int, Whole(1, 4096)]
Owed = Annotated[int, Whole(0, 64)]
Channels = Annotated[int, Whole(1, 1024)]

Scheduler = Literal["fr-fcfs", "fr-fcfs-row-hit", "fr-fcfs-grouped", "fifo"]
PagePolicy = Literal["open", "closed", "open-adaptive", "closed-adaptive"]
Buffers = Literal["read-write", "shared", "bankwise"]
ResponseQueue = Literal["reorder", "fifo"]
Arbiter = Literal["simple", "fifo", "reorder"]
RefreshPolicy = Literal["all-bank", "per-bank", "none"]


class ControllerConfig(ConfigModel):
    """Policies and sizes of the controller of one channel; all channels have the same."""

    scheduler: Scheduler = "fr-fcfs"
    """Which waiting request goes first."""
    row_hit_cap: NonNegativeInt = 0
    """Accesses of an open row after which older requests for other rows go first; 0: no cap."""
    page_policy: PagePolicy = "open"
    """When an access closes its row."""
    buffers: Buffers = "read-write"
    """One buffer for reads and one for writes, one for both, or one for each bank."""
    request_buffer_size: BufferSize = 32
    """Places of each buffer; of the read buffer only, where the write buffer has its own size."""
    write_buffer_size: BufferSize | None = None
    """Places of the write buffer of ``buffers: read-write``; absent: as the read buffer."""
    write_high_watermark: Fraction01 = 0.8
    """Share of the write buffer above which writes are drained."""
    write_low_watermark: Fraction01 = 0.2
    """Share of the write buffer below which draining ends when reads wait."""
    forwarding: bool = True
    """Whether a read takes its data from a waiting write to its address."""
    merging: bool = True
    """Whether a write replaces a waiting write to its address."""
    posted_writes: bool = False
    """Whether a write is answered when it is accepted, rather than when its command issues."""
    response_queue: ResponseQueue = "reorder"
    """Whether read data leaves as it comes, or in the order in which reads were accepted."""
    arbiter: Arbiter = "simple"
    """How requests reach channels: see ``archsim/docs/dram.md``."""
    max_active_transactions: NonNegativeInt = 0
    """Requests between acceptance and response; 0: no limit but the buffers."""
    requests_per_tick: NonNegativeInt = 0
    """Requests that may be sent in one tick; 0: one for each data bus."""
    refresh: RefreshPolicy = "all-bank"
    """Which refreshes are done."""
    refresh_max_postponed: Owed = 0
    """Refreshes of a scope that may be owed while there is work."""
    refresh_max_pulled_in: Owed = 0
    """Refreshes of a scope that may be done ahead while there is none."""
    address_map: str = Field(default="bank-group-interleave", min_length=1)
    """Named map, or fields from the most to the least significant: ``row bank column:5 …``."""
    address_xor: tuple[str, ...] = ()
    """Fields folded into others: ``bank ^ row``, ``bankgroup ^ row>>2``."""


class MemoryConfig(StandardConfig):
    """Top level of the file of a memory: a standard, its channels and their controllers."""

    channels: Channels = 1
    """Channels side by side."""
    controller: ControllerConfig = Field(default_factory=ControllerConfig)
    """The controller of each channel."""
