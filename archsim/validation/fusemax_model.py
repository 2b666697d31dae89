"""Predictions for the points of the FuseMax paper: machine, attention and mapper of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from archsim import registry
from archsim.engine import run_program
from archsim.machine import Machine, load_hardware
from archsim.mapping import ClosedFormMapping, MapContext, Mapper, MemoryCache, Placement
from archsim.numberformat import parse_precision
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.program import Program
    from workloads import Cascade

BATCH: Final = 64
"""Sequences of every published point (FuseMax, MICRO 2024, section VI-A)."""

PRECISION: Final = "weights=fp16,act=fp16,kv=fp16,accumulator=fp16"
"""16 bits everywhere (artifact)."""

WORD_BYTES: Final = 2
"""Bytes of a value at that precision."""

PAPER_TABLE: Final = "hardware.energy_table=fusemax-paper-45nm"


@dataclass(frozen=True, slots=True)
class Shape:
    """A model as the paper uses it: heads, head dimension, model and hidden dimension."""

    heads: int
    head_dim: int
    hidden: int
    ffn: int

    def linear_products(self) -> tuple[tuple[int, int], ...]:
        """Return rows and columns of the weights of a layer: Q, K, V, output, two for the FFN."""
        wide = self.heads * self.head_dim
        projection = (self.hidden, wide)
        return (
            *(projection,) * 3,
            (wide, self.hidden),
            (self.hidden, self.ffn),
            (self.ffn, self.hidden),
        )


MODELS: Final = {
    "BERT": Shape(12, 64, 768, 3072),
    "T5": Shape(8, 64, 512, 2048),
    "TrXL": Shape(16, 64, 1024, 4096),
    "XLM": Shape(16, 128, 2048, 8192),
}
"""Models by their names in the paper (section VI-A)."""

CONFIGS: Final = {
    "Unfused": ("flat-cloud", "unfused"),
    "FLAT": ("flat-cloud", "flat"),
    "+Cascade": ("flat-cloud", "fusemax-cascade"),
    "+Architecture": ("fusemax-cloud", "fusemax-architecture"),
    "+Binding": ("fusemax-cloud", "fusemax-binding"),
}
"""Machine and mapper of every configuration."""

CASCADE_BUFFER: Final = "hardware.components.buffer.capacity=16 MiB"
"""The artifact sizes +Cascade's row blocks for 16 MiB, not for FLAT's 32 MiB."""


@runtime_checkable
class HasClosedForm(Protocol):
    """A mapper that gives a closed form without mapping anything tile by tile."""

    def closed_form(
        self, cascade: Cascade, machine: Machine, placement: Placement
    ) -> Program | None:
        """Return the closed form as a program, or None."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one configuration takes for the attention of one layer.

    Attributes
    ----------
    latency_s, dram_bytes, energy_pj
        Time, traffic, dynamic energy.
    busy
        Share of the time in which a resource is occupied.
    busy_s
        Occupied time of a resource.
    array_busy
        Share of the time that each einsum keeps the array, by its name in the paper.
    """

    latency_s: float
    dram_bytes: int
    energy_pj: float
    busy: Mapping[str, float]
    busy_s: Mapping[str, float]
    array_busy: Mapping[str, float] = field(default_factory=dict)


@cache
def machine_of(name: str, overrides: tuple[str, ...]) -> Machine:
    """Return a machine with the energies behind the paper."""
    return load_hardware(name, overrides=(PAPER_TABLE, *overrides))


@cache
def predict(config: str, model: str, length: int, decisions: str | None = None) -> Prediction:
    """Predict one point of a configuration.

    Parameters
    ----------
    config, model
        Names as in the paper.
    length
        Tokens of a sequence.
    decisions
        FLAT's mapping as published, in the form of option ``decisions`` of mapper flat.
    """
    hardware, mapper = CONFIGS[config]
    overrides = (CASCADE_BUFFER,) if config == "+Cascade" else ()
    options: dict[str, Json] = {}
    if mapper.startswith("fusemax"):
        options["buffering"] = "single"
    if decisions is not None:
        options["decisions"] = decisions
    return predict_on(machine_of(hardware, overrides), mapper, model, length, options)


def predict_on(
    machine: Machine, mapper: str, model: str, length: int, options: Mapping[str, Json]
) -> Prediction:
    """Predict one point on some machine with some mapper, in closed form."""
    cascade = attention_of(model, length)
    program = closed_program(machine, mapper, cascade, options)
    timing = run_program(program, path=False)
    counts = program.total_counts()
    latency_ps = timing.makespan_ps
    busy = {name: ps / latency_ps for name, ps in timing.busy_ps.items()}
    outer = machine.outermost
    return Prediction(
        latency_s=latency_ps / PS_PER_S,
        dram_bytes=sum(n for (name, _, _), n in counts.items() if name == outer),
        energy_pj=sum(
            n * machine.component(name).energy_pj(action, number)
            for (name, action, number), n in counts.items()
        ),
        busy=busy,
        busy_s={name: ps / PS_PER_S for name, ps in timing.busy_ps.items()},
        array_busy=_array_shares(machine, program, timing.instance_counts, latency_ps),
    )


def attention_of(model: str, length: int) -> Cascade:
    """Return the attention of one layer: self-attention of an encoder, 64 sequences."""
    from workloads import attention_cascade

    shape = MODELS[model]
    return attention_cascade(
        "3-pass",
        queries=length,
        keys=length,
        head_dim=shape.head_dim,
        batch=BATCH,
        kv_heads=shape.heads,
        precision=parse_precision(PRECISION),
    )


def mapping_of(
    machine: Machine, name: str, cascade: Cascade, options: Mapping[str, Json]
) -> ClosedFormMapping:
    """Return what a mapper by its id makes of an attention, with the whole buffer to itself.

    Raises
    ------
    TypeError
        It does not fit, or has no closed form.
    """
    mapper = _mapper(name)
    if not isinstance(mapper, Mapper):
        raise TypeError(f"{name} is no mapper")
    context = MapContext(_makespan_ps, _whole(machine), MemoryCache())
    mapping = mapper.map(cascade, machine, options, context)
    if not isinstance(mapping, ClosedFormMapping):
        raise TypeError(f"mapper {name} has no closed form for {cascade.name}")
    return mapping


def closed_program(
    machine: Machine, name: str, cascade: Cascade, options: Mapping[str, Json]
) -> Program:
    """Return the closed form of a mapper by its id.

    Raises
    ------
    TypeError
        The mapper has none for this attention.
    """
    mapper = _mapper(name)
    if isinstance(mapper, HasClosedForm):
        found = mapper.closed_form(cascade, machine, _whole(machine))
        if found is None:
            raise TypeError(f"mapper {name} has no closed form for {cascade.name}")
        return found
    return mapping_of(machine, name, cascade, options).analytic()


def _mapper(name: str) -> object:
    made = registry.mappers.get(name)
    return made() if callable(made) else made


def _whole(machine: Machine) -> Placement:
    return Placement({}, {level: machine.capacity_bytes(level) for level in machine.levels})


def _makespan_ps(program: Program) -> int:
    return run_program(program, path=False).makespan_ps


def _array_shares(
    machine: Machine, program: Program, instances: tuple[int, ...], latency_ps: int
) -> dict[str, float]:
    """Return the share of the time that each einsum keeps the array, from what it counts.

    Products are told apart by their einsum, what happens to held scores by its operations: one
    maximum for LM, a difference and an exponential for SLN, a further sum for SLD.
    """
    array = machine.array
    assert array is not None
    macs: dict[str, int] = {}
    held: dict[str, int] = {}
    for op, number in enumerate(instances):
        for (name, action, _), count in program.counts[op].items():
            if name == array.name and action == "mac":
                einsum = program.tags[op].get("einsum", "")
                macs[einsum] = macs.get(einsum, 0) + count * number
            elif name == array.name:
                held[action] = held.get(action, 0) + count * number
    elements = array.law.rows * array.law.columns * array.law.count
    rate = array.clock.period_ps / elements / latency_ps
    shares = {
        "QK": macs.get("scores", 0) * rate,
        "SLNV": macs.get("context", 0) * rate,
        "AV": macs.get("context", 0) * rate,
    }
    if held:
        cycles = array.array.cycles_per_operation
        exponentials = held.get("exp", 0)
        shares |= {
            "LM": held.get("max", 0) * cycles["max"] * rate,
            "SLN": exponentials * (cycles["exp"] + cycles["add"]) * rate,
            "SLD": (held.get("add", 0) - exponentials) * cycles["add"] * rate,
        }
    return shares


@dataclass(frozen=True, slots=True)
class Linear:
    """What a layer's linear parts take: time, and traffic with every operand moved once."""

    latency_s: float
    dram_bytes: int


def linear_parts(model: str, length: int, machine: Machine) -> Linear:
    """Return what projections and feed-forward part of a layer take, one after the other.

    Notes
    -----
    Each product takes the longer of its MACs at the array's peak and its operands at the memory's
    bandwidth; norms and activations are left out, as in the paper.
    """
    array, outer = machine.array, machine.component(machine.outermost)
    assert array is not None
    elements = array.law.rows * array.law.columns * array.law.count
    seconds, moved = 0.0, 0
    for rows, columns in MODELS[model].linear_products():
        tokens = BATCH * length
        num_bytes = WORD_BYTES * (tokens * (rows + columns) + rows * columns)
        compute_s = -(-tokens * rows * columns // elements) * array.clock.period_ps / PS_PER_S
        seconds += max(compute_s, num_bytes / outer.bandwidth_bytes_per_s("read"))
        moved += num_bytes
    return Linear(seconds, moved)


@cache
def sweep_machine(dimension: int, model: str, length: int) -> Machine:
    """Return the machine of the array-size sweep with a square array of some side.

    Notes
    -----
    The buffer starts at ``side · P1min · E · 16 B``, P1min = max(1, tiles / (length / side)),
    tiles = 2 · max(1, side / E), and doubles until the memory is no slower than the 1D array
    (FuseMax, MICRO 2024, Fig. 12; artifact).
    """
    depth = MODELS[model].head_dim
    tiles = 2 * max(1, dimension // depth)
    least = max(1, tiles * dimension // length)
    capacity = dimension * least * depth * 16
    while True:
        machine = machine_of(
            "fusemax-cloud",
            (
                f"hardware.components.array.rows={dimension}",
                f"hardware.components.array.columns={dimension}",
                f"hardware.components.vector.lanes={dimension}",
                f"hardware.components.buffer.capacity={capacity} B",
            ),
        )
        found = predict_on(machine, "fusemax-binding", model, length, {"buffering": "single"})
        if found.busy_s[machine.outermost] <= found.busy_s["vector"]:
            return machine
        capacity *= 2
