"""The parts of a result: phases, energy, roofline position and the like, each a frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.mapping import Json


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a run.

    Attributes
    ----------
    latency_s
        Time of the whole phase in seconds.
    num_steps
        Passes through the model: 1 for a prefill, one per new token for a decode.
    num_tokens
        Tokens that the phase works on: prompt tokens for a prefill, new tokens for a decode, in
        both cases summed over the batch.
    energy_j
        Dynamic and static energy of the phase in joules; None on a rung that counts no actions.
    macs, dram_bytes
        Useful multiply-accumulates, and bytes moved to and from the outermost memory.
    bound_s
        Roofline bound of the phase in seconds.
    """

    latency_s: float
    num_steps: int
    num_tokens: int
    energy_j: float | None
    macs: int
    dram_bytes: int
    bound_s: float

    @property
    def tokens_per_s(self) -> float:
        """Tokens of the phase over its time."""
        return self.num_tokens / self.latency_s if self.latency_s > 0 else 0.0

    def to_json_object(self) -> dict[str, Json]:
        """Return the JSON object of the phase."""
        return {
            "latency_s": self.latency_s,
            "tokens_per_s": self.tokens_per_s,
            "num_steps": self.num_steps,
            "num_tokens": self.num_tokens,
            "energy_j": self.energy_j,
            "macs": self.macs,
            "dram_bytes": self.dram_bytes,
            "bound_s": self.bound_s,
        }


@dataclass(frozen=True, slots=True)
class Energy:
    """Where the energy went, in joules.

    Attributes
    ----------
    dynamic
        Sum of action counts times energy per action.
    static
        Sum of static power times latency.
    component
        Dynamic plus static energy of each component; sums to ``dynamic + static``.
    """

    dynamic: float
    static: float
    component: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Roofline:
    """The lower bound on latency that the roofline rung gives.

    Attributes
    ----------
    bound_s
        Lower bound in seconds, summed over what must run one after another.
    compute_s
        Time at the array's peak in seconds.
    memory_s
        Time of the compulsory bytes at full bandwidth in seconds.
    operational_intensity_macs_per_byte
        Useful MACs over compulsory bytes.
    ridge_macs_per_byte
        Intensity at which the machine's compute and memory times are equal.
    limited_by
        Resource that sets the bound.
    """

    bound_s: float
    compute_s: float
    memory_s: float
    operational_intensity_macs_per_byte: float
    ridge_macs_per_byte: float
    limited_by: str


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """How much work the timing engine did.

    Attributes
    ----------
    operations
        Operation instances of the programs, the unrolled size.
    simulated
        Instances computed one by one.
    jumps
        Times that the engine proved a loop periodic and jumped.
    recalls
        Times that a loop was entered as before and taken from the summary of then.
    """

    operations: int
    simulated: int
    jumps: int
    recalls: int


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the run, all its calls together.

    Attributes
    ----------
    stage, name, kind
        Stage of the model, name of the operator, and what kind it is.
    calls, launches
        How often it ran, and how many kernels were launched for all of them.
    time_s
        Time of all calls in seconds.
    limited_by
        What sets most of its time.
    compute, memory
        Useful MACs over the peak rate, and bytes over the peak bandwidth of device memory, both
        during its time; None where it has none.
    power_w
        Mean power of the device during its time; None where it is not known apart.
    """

    stage: str
    name: str
    kind: str
    calls: int
    launches: int
    time_s: float
    limited_by: str
    compute: float | None = None
    memory: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class Devices:
    """What all devices of a run do together; other numbers of a result are those of one rank.

    Attributes
    ----------
    count, sharing
        How many devices, and how they share the model.
    tokens_per_s_per_device
        The result's tokens/s over the devices.
    power_w
        Power of all devices.
    stages
        Stages of the pipeline; 1: there is none.
    stage_s
        Time of the slowest stage in a step (of a prefill: in the pass), one batch at a time.
    steady_tokens_per_s
        Tokens a second of all devices with a batch of this size in every stage; None if the caches
        of so many batches do not fit.
    steady_tbt_s
        Time between tokens then; None without a decode.
    """

    count: int
    sharing: str
    tokens_per_s_per_device: float
    power_w: float | None
    stages: int
    stage_s: float
    steady_tokens_per_s: float | None
    steady_tbt_s: float | None


@dataclass(frozen=True, slots=True)
class ErrorBand:
    """Range in which the true latency is expected.

    Attributes
    ----------
    low_s, high_s
        Ends of the range in seconds.
    basis
        What the range rests on: a validation suite or the marked estimates of the machine.
    """

    low_s: float
    high_s: float
    basis: str


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Which rung of the fidelity ladder was asked for, and which one each part used.

    Attributes
    ----------
    requested
        ``roofline``, ``analytic``, ``tile`` or ``command``.
    used
        Rung used for each operation class.
    """

    requested: str
    used: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Outcome of re-simulating with one structural parameter changed.

    Attributes
    ----------
    factor
        What the parameter was multiplied by.
    gain
        Latency before over latency after, so above 1 is faster.
    """

    factor: float
    gain: float
