"""Attention on tiles of compute-in-memory macros: keys and values are written like weights.

A head of keys and values goes to a cluster; heads beyond the clusters take further rounds. Half of
the active tiles take a block of keys, half its values. All queries that share the head use a block,
pipelined: scores, the block's softmax with the running maximum and sum, then values. Where a
cluster's buffer does not hold all queries of a prompt, they pass in blocks of positions, each of
which streams the keys and values that it sees.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section III-C (read): blocks, reuse within a group of queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.components.systolic_laws import ceil_div
from mappers.edgecim_stream import EdgeMachine, Stream, fetch_work, weight_bits
from mappers.work import CountKey, Work, service_work

if TYPE_CHECKING:
    from archsim.components.vector_unit import BoundVectorUnit
    from archsim.numberformat import NumberFormat
    from workloads import Cascade, Einsum

SUM_BYTES = 4
"""Bytes of an element of a running output, maximum or sum (fp32)."""

SCORE_OPERATIONS = {"max": 1, "add": 2, "exp": 1}
"""Vector operations of a score: running maximum, difference, exponential, sum."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What an attention fragment computes.

    Attributes
    ----------
    scores, context
        Its two products.
    heads
        Heads of keys and values, of all sequences.
    group, positions
        Query heads that share one, and query positions.
    key_width, value_width
        Elements of a key and of a value.
    blocks
        Blocks of positions.
    length
        Keys that a block of positions sees, rounded up from the mean.
    format
        Format of keys and values.
    number
        Format of scores.
    """

    scores: Einsum
    context: Einsum
    heads: int
    group: int
    positions: int
    key_width: int
    value_width: int
    blocks: int
    length: int
    format: NumberFormat
    number: str

    @property
    def queries(self) -> int:
        """Queries that use a block of keys one after the other."""
        return self.group * ceil_div(self.positions, self.blocks)


def attention(cascade: Cascade, edge: EdgeMachine) -> Attention | str:
    """Return what a fragment computes, or why it cannot be mapped."""
    products = [einsum for einsum in cascade.einsums if einsum.matmul() is not None]
    if len(products) != 2:
        return f"attention has two products; given {len(products)}"
    scores, context = products
    dims, values = scores.matmul(), context.matmul()
    assert dims is not None
    assert values is not None
    keys, wide = cascade.tensor(dims.rhs), cascade.tensor(values.rhs)
    if keys.format != wide.format:
        return f"keys ({keys.format.name}) and values ({wide.format.name}) have other formats"
    extents = dict(dims.m_variables)
    positions = extents.get("p", 1)
    group = dims.m // positions
    act = cascade.tensor(dims.lhs).format
    each = act.bytes(dims.k) + SUM_BYTES * (values.n + 2)
    room = min((item.capacity_bytes() or 1 << 60 for item in edge.buffers), default=1 << 60)
    blocks = ceil_div(positions, max(1, room // (group * each)))
    length = dims.n
    if dims.filter is not None:
        ends = [positions * (block + 1) // blocks - 1 for block in range(blocks)]
        length = ceil_div(sum(dims.filter.visible(end) for end in ends), blocks)
    number = cascade.tensor(dims.out).format.name.partition(":")[0]
    return Attention(
        scores,
        context,
        dims.batch,
        group,
        positions,
        dims.k,
        values.n,
        blocks,
        length,
        keys.format,
        number,
    )


def streams(edge: EdgeMachine, work: Attention) -> Iterator[Stream]:
    """Yield the streams of an attention: full rounds of heads and a last, partial one."""
    full, rest = divmod(work.heads, edge.tiles.clusters)
    if full:
        yield _stream(edge, work, edge.tiles.clusters, full)
    if rest:
        yield _stream(edge, work, rest, 1)


def _stream(edge: EdgeMachine, work: Attention, clusters: int, rounds: int) -> Stream:
    tiles, macro = edge.tiles, edge.tiles.tiles.macro
    width = max(work.key_width, work.value_width)
    half = tiles.active_tiles * macro.rows * macro.columns * tiles.tiles.elements**2 // 2
    steps = ceil_div(work.length, max(1, half // width))
    tokens = ceil_div(work.length, steps)
    head_bytes = work.format.bytes(work.length * (work.key_width + work.value_width))
    cluster = ceil_div(head_bytes, steps)
    sizes = (cluster * clusters, cluster, ceil_div(cluster, tiles.active_tiles))
    held = clusters * rounds
    steps *= rounds * work.blocks
    number = work.format.name.partition(":")[0]
    fetch, rest = fetch_work(edge, sizes, head_bytes * held * work.blocks, steps, number)
    compute = _compute(edge, work, tokens, number)
    counts: dict[str, dict[CountKey, int]] = {}
    for einsum in (work.scores, work.context):
        macs = einsum.macs() * held // work.heads
        shape = {"vectors": 1, "input_bits": 1, "macs": macs}
        counts[einsum.name] = dict(tiles.service("mac", shape, number).counts)
    first = counts[work.scores.name]
    for key, count in rest.items():
        first[key] = first.get(key, 0) + count
    vector = _vector(edge)
    softmax = _softmax(work, tokens)
    for action, count in softmax.items():
        key = (vector.name, action, work.number)
        first[key] = first.get(key, 0) + count * work.queries * clusters * steps
    label = work.scores.name + ("/last" if clusters < tiles.clusters else "")
    return Stream(label, steps, fetch, compute, tiles.sets, counts)


def _compute(edge: EdgeMachine, work: Attention, tokens: int, number: str) -> Work:
    """Return the work of all queries of a head on one block.

    Notes
    -----
    ``2 t + s + (q - 1) max(n, s)``: the first query passes keys (t), softmax (s) and values (t),
    the others follow at the pace of the macros (n) or of the softmax unit.
    """
    tiles, vector = edge.tiles, _vector(edge)
    shape = {"vectors": 1, "input_bits": weight_bits(edge, number), "level": 2, "macs": 0}
    once = service_work(tiles, "mac", shape, number)
    shape["vectors"] = 2
    twice = service_work(tiles, "mac", shape, number)
    softmax = service_work(vector, "elementwise", _softmax(work, tokens), work.number)
    step_ps = twice.latency_ps - once.latency_ps
    slower = softmax.latency_ps > step_ps
    pace_ps = max(step_ps, softmax.latency_ps)
    time_ps = 2 * once.latency_ps + softmax.latency_ps + (work.queries - 1) * pace_ps
    pace = softmax.latency_expr if slower else f"({twice.latency_expr}) - ({once.latency_expr})"
    expression = (
        f"2 * ({once.latency_expr}) + ({softmax.latency_expr}) + {work.queries - 1} * ({pace})"
    )
    busy_ps = work.queries * softmax.latency_ps
    return Work(
        (
            (once.holds[0][0], time_ps, expression),
            (softmax.holds[0][0], busy_ps, f"{work.queries} * ({softmax.latency_expr})"),
        ),
        time_ps,
        expression,
        {},
        "compute",
    )


def finish_work(edge: EdgeMachine, work: Attention) -> Work:
    """Return the work of dividing outputs by their sums, at the end of every round."""
    rounds = ceil_div(work.heads, edge.tiles.clusters) * work.blocks
    elements = work.queries * work.value_width
    one = service_work(_vector(edge), "elementwise", {"div": elements}, work.number)
    resource, ps, text = one.holds[0]
    total = work.heads * work.group * work.positions * work.value_width
    counts = {(_vector(edge).name, "div", work.number): total}
    expression = f"{rounds} * ({text})"
    return Work(((resource, rounds * ps, expression),), rounds * ps, expression, counts, "compute")


def _softmax(work: Attention, tokens: int) -> Mapping[str, int]:
    """Return the vector operations of one query on one block.

    Scores, and the correction of the running output by the change of the maximum.
    """
    counts = {action: times * tokens for action, times in SCORE_OPERATIONS.items()}
    return {**counts, "mul": work.value_width}


def _vector(edge: EdgeMachine) -> BoundVectorUnit:
    vector = edge.machine.vector
    assert vector is not None
    return vector
