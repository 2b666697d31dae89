"""What one operation in memory costs: exact from its commands, a line where they are too many.

Times are those of :func:`archsim.pim.operations.run_operation`, so that ``archsim pim run`` and a
run of a whole model agree operation by operation. An operation alone begins right after a refresh;
operations that follow one another meet refreshes at their mean rate, and what falls due beyond the
refreshes that an operation met is told apart (:attr:`PimCost.due_ps`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.mapping import Infeasible

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Attention, Operation

BUDGET: Final = 1 << 18
"""Most MAC commands of a channel that are simulated; longer operations are continued as a line."""

PROBE_GROUPS: Final = 120
"""Groups of rows of the operation from which the cost of a refresh is measured."""

ROOM_TOKENS: Final = 4096
"""Tokens for which the command streams keep room (:func:`archsim.pim.attacc.attention`)."""

PICO: Final = 1e12
"""Picojoules of a joule."""

BLOCK: Final = 16
"""Token groups between moves of scores; commands repeat with this period."""


@dataclass(frozen=True, slots=True)
class PimCost:
    """Time and bytes of one operation on all stacks of a machine.

    Attributes
    ----------
    time_ps
        From the first command to the last.
    stream_ps, refresh_ps, vector_ps
        Of it: MACs at their least distance, refreshes, and vector moves that nothing hides; the
        rest is opening and closing of rows.
    due_ps
        Time of refreshes that fall due during the operation beyond those it met.
    read_bytes, useful_bytes
        Bytes that the units read, and those of them that the operation needs.
    moved_bytes
        Bytes of vectors moved to and from the units.
    activate_pj, access_pj, compute_pj, move_pj
        Dynamic energy of the commands: rows, columns on their way to the units, multiplications,
        vectors; all 0 if the device's file has no energies.
    is_line
        Whether the operation was continued as a line from shorter ones.
    """

    time_ps: int
    stream_ps: int
    refresh_ps: int
    vector_ps: int
    due_ps: int
    read_bytes: int
    useful_bytes: int
    moved_bytes: int
    activate_pj: int = 0
    access_pj: int = 0
    compute_pj: int = 0
    move_pj: int = 0
    is_line: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> PimCost:
        """Return the cost that a cache holds."""
        numbers = {key: int(value) for key, value in data.items() if isinstance(value, int)}
        line = bool(numbers.pop("is_line"))
        return cls(**numbers, is_line=line)

    @classmethod
    def total(cls, parts: Sequence[tuple[PimCost, int]]) -> PimCost:
        """Return operations one after the other, each so often, as one."""
        numbers = {
            field.name: sum(times * int(getattr(cost, field.name)) for cost, times in parts)
            for field in fields(cls)
            if field.name != "is_line"
        }
        return cls(**numbers, is_line=any(cost.is_line for cost, _ in parts))

    @property
    def rows_ps(self) -> int:
        """Time of opening and closing rows, and of waiting for them."""
        return self.time_ps - self.stream_ps - self.refresh_ps - self.vector_ps


@dataclass(frozen=True, slots=True)
class _Raw:
    """Time, time without refreshes, read bytes and commands of one stack."""

    time_ps: float
    plain_ps: float
    read_bytes: float
    commands: Mapping[str, float]
    energy_j: Mapping[str, float]

    def towards(self, further: _Raw, steps: float) -> _Raw:
        """Return the line through this and `further`, `steps` beyond `further`."""

        def line(one: float, two: float) -> float:
            return two + steps * (two - one)

        def lines(one: Mapping[str, float], two: Mapping[str, float]) -> dict[str, float]:
            names = sorted(one.keys() | two.keys())
            return {name: line(one.get(name, 0), two.get(name, 0)) for name in names}

        return _Raw(
            line(self.time_ps, further.time_ps),
            line(self.plain_ps, further.plain_ps),
            line(self.read_bytes, further.read_bytes),
            lines(self.commands, further.commands),
            lines(self.energy_j, further.energy_j),
        )

    def scaled(self, share: float) -> _Raw:
        """Return the same time with a share of the commands: some channels have nothing to do."""
        return replace(
            self,
            read_bytes=share * self.read_bytes,
            commands={name: share * count for name, count in self.commands.items()},
            energy_j={name: share * joule for name, joule in self.energy_j.items()},
        )


@lru_cache(maxsize=32)
def unrefreshed(device: PimDevice) -> PimDevice:
    """Return a device without its refreshes."""
    controller = device.controller.model_copy(update={"refresh": "none"})
    return replace(device, config=device.config.model_copy(update={"controller": controller}))


def operation_cost(device: PimDevice, operation: Operation) -> PimCost | Infeasible:
    """Return what an operation costs on a device.

    Parameters
    ----------
    device
        Stacks with units.
    operation
        Matrix times vector, or decode attention.
    """
    from archsim.pim.operations import Gemv, obstacle, peak_bytes_per_s

    reason = obstacle(device, operation)
    if reason is not None:
        return reason
    plain = unrefreshed(device)
    try:
        exact, raw = _raw(device, plain, like_commands(device, operation))
    except ConfigError as error:
        what = "gemv" if isinstance(operation, Gemv) else "attention"
        return Infeasible(f"kernel for {what}", 1, 0, "kernel", error.message)
    stretch = _stretch(device, plain)
    if not exact:
        raw = replace(raw, time_ps=max(raw.time_ps, raw.plain_ps * stretch))
    standard, moves = device.standard, device.moves
    burst = standard.burst_bytes
    vector_names = dict.fromkeys((moves.write_vector, moves.read_result, moves.move_vector))
    moved = sum(raw.commands.get(name, 0) for name in vector_names) * burst
    time_ps = round(raw.time_ps)
    refresh_ps = max(0, round(raw.time_ps - raw.plain_ps))
    stream_ps = min(time_ps - refresh_ps, round(raw.read_bytes / peak_bytes_per_s(device) * 1e12))
    vector_ps = 0
    if isinstance(operation, Gemv):
        writes = raw.commands.get(moves.write_vector, 0) / device.channels
        ticks = max(0.0, writes - 1) * _gap(device, moves.write_vector)
        vector_ps = min(time_ps - refresh_ps - stream_ps, round(ticks * standard.tick_ps))
    return PimCost(
        time_ps=time_ps,
        stream_ps=stream_ps,
        refresh_ps=refresh_ps,
        vector_ps=vector_ps,
        due_ps=max(0, round(raw.plain_ps * stretch) - time_ps),
        read_bytes=round(raw.read_bytes),
        useful_bytes=operation.needed_bytes(device.unit.vectors),
        moved_bytes=round(moved * device.stacks),
        activate_pj=round(raw.energy_j.get("activate", 0.0) * PICO),
        access_pj=round(raw.energy_j.get("access", 0.0) * PICO),
        compute_pj=round(raw.energy_j.get("compute", 0.0) * PICO),
        move_pj=round(raw.energy_j.get("move", 0.0) * PICO),
        is_line=not exact,
    )


def like_commands(device: PimDevice, operation: Operation) -> Operation:
    """Return the operation with as many tokens as give the same commands: whole groups.

    Beyond the tokens that room is kept for, where the next head begins depends on each token.
    """
    from archsim.pim.operations import Attention

    if not isinstance(operation, Attention) or device.config.mapping != "attacc":
        return operation
    tokens = _up(operation.tokens, device.units_per_channel) * device.units_per_channel
    return replace(operation, tokens=tokens) if tokens <= ROOM_TOKENS else operation


def _raw(device: PimDevice, plain: PimDevice, operation: Operation) -> tuple[bool, _Raw]:
    """Return whether all commands were simulated, and what they gave."""
    from archsim.pim.operations import Attention, Gemv

    if device.config.mapping == "attacc" and isinstance(operation, Attention):
        return _turns(device, plain, operation)
    if device.config.mapping != "attacc" or not isinstance(operation, Gemv):
        return True, _run(device, plain, operation)
    across = device.stacks * device.channels * device.units_per_channel
    return _continued(
        lambda groups: _run(device, plain, replace(operation, rows=groups * across)),
        lambda: (True, _run(device, plain, operation)),
        -(-operation.rows // across),
        _columns(device, operation.inner, operation.element_bytes),
    )


def items_of(device: PimDevice, operation: Attention) -> int:
    """Return how many key-value heads channels take, each once for the queries served at once."""
    vectors = min(operation.share, device.unit.vectors)
    return operation.kv_heads * operation.requests * _up(operation.share, vectors)


def _turns(device: PimDevice, plain: PimDevice, operation: Attention) -> tuple[bool, _Raw]:
    """Continue an attention over the pairs of heads that a channel has one after another."""
    across = device.stacks * device.channels
    vectors = min(operation.share, device.unit.vectors)
    heads = items_of(device, operation)
    turns = _up(heads, across)
    odd = turns % 2
    inner = 2 * _columns(device, operation.head_size, operation.element_bytes)
    pair = 2 * inner * _up(operation.tokens, device.units_per_channel)

    def at(pairs: int) -> _Raw:
        number = (2 * pairs - odd) * across
        some = replace(operation, heads=vectors * number, kv_heads=number, requests=1)
        return _tokens(device, plain, some)[1]

    exact, raw = _continued(at, lambda: _tokens(device, plain, operation), _up(turns, 2), pair)
    if _up(turns, 2) > _most(pair):
        raw = raw.scaled(_up(heads, device.stacks) / (turns * device.channels))
    return exact, raw


def _tokens(device: PimDevice, plain: PimDevice, operation: Attention) -> tuple[bool, _Raw]:
    """Continue an attention over its tokens if even few heads are too long."""
    inner = 2 * _columns(device, operation.head_size, operation.element_bytes)
    turns = _up(items_of(device, operation), device.stacks * device.channels)
    step = device.units_per_channel * BLOCK
    rest = operation.tokens % step
    return _continued(
        lambda blocks: _run(device, plain, replace(operation, tokens=blocks * step + rest)),
        lambda: (True, _run(device, plain, operation)),
        operation.tokens // step,
        turns * inner * BLOCK,
    )


def _most(each: int) -> int:
    return max(4, BUDGET // max(1, each))


def _continued(
    at: Callable[[int], _Raw],
    whole: Callable[[], tuple[bool, _Raw]],
    count: int,
    each: int,
) -> tuple[bool, _Raw]:
    """Return something of `count` like parts of `each` MACs: whole, or a line from fewer parts."""
    if count <= _most(each):
        return whole()
    half = _most(each) // 2
    short, longer = at(half), at(2 * half)
    return False, short.towards(longer, (count - 2 * half) / half)


def _columns(device: PimDevice, inner: int, element_bytes: int) -> int:
    """Return the MACs of a unit for one group of rows."""
    return _up(inner, device.split_inner * device.lanes(element_bytes))


def _run(device: PimDevice, plain: PimDevice, operation: Operation) -> _Raw:
    """Simulate an operation with and without refreshes."""
    from archsim.pim.operations import Outcome, run_operation

    found = run_operation(device, operation)
    bare = run_operation(plain, operation)
    assert isinstance(found, Outcome)
    assert isinstance(bare, Outcome)
    return _Raw(
        found.time_ps,
        min(bare.time_ps, found.time_ps),
        found.read_bytes,
        found.commands,
        found.energy_j,
    )


@lru_cache(maxsize=32)
def _stretch(device: PimDevice, plain: PimDevice) -> float:
    """Return by how much refreshes lengthen a busy time: ``tREFI / (tREFI - cost of one)``.

    The cost of one is measured on a matrix of many rows. It is 1 for kernels whose closed form
    counts refreshes itself.
    """
    from archsim.pim.operations import Gemv, Outcome, run_operation

    if device.controller.refresh == "none":
        return 1.0
    lanes = device.split_inner * device.lanes(2)
    rows = PROBE_GROUPS * device.stacks * device.channels * device.units_per_channel
    probe = Gemv(rows, 64 * lanes)
    found, bare = run_operation(device, probe), run_operation(plain, probe)
    if not isinstance(found, Outcome) or not isinstance(bare, Outcome):
        return 1.0
    scopes = device.channels * device.sizes.get("pseudochannel", 1)
    times = found.commands.get("REFab", 0) / scopes
    if not times:
        return 1.0
    interval_ps = device.standard.refresh.interval_ticks * device.standard.tick_ps
    return interval_ps / (interval_ps - (found.time_ps - bare.time_ps) / times)


def _gap(device: PimDevice, name: str) -> int:
    """Return the least distance of a command from the same command before it, ticks."""
    standard = device.standard
    number = standard.command_id(name)
    return max(
        (
            standard.gap(rule, number, number)
            for rule in standard.constraints
            if number in rule.previous and number in rule.following
        ),
        default=1,
    )


def _up(value: int, by: int) -> int:
    return -(-value // by)
