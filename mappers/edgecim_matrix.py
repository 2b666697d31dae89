"""Matrices with stationary weights on tiles of compute-in-memory macros.

Weights that have a rank of heads (projections of queries, keys and values) go head by head to the
clusters, which work side by side; heads beyond them take further rounds. All others are spread over
the whole chip. Where the vectors are more than half of the global buffer holds, they pass in blocks
and each block streams the weights again.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section III-C (read): placement of the phases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.components.systolic_laws import ceil_div
from mappers.edgecim_stream import EdgeMachine, Stream, fetch_work, weight_bits
from mappers.work import CountKey, service_work

if TYPE_CHECKING:
    from archsim.numberformat import NumberFormat
    from workloads import Cascade, Einsum

HEAD_VARIABLE = "g"
"""Variable of the rank of key and value heads, which clusters share out."""


@dataclass(frozen=True, slots=True)
class Product:
    """Matrix products with one input: what they multiply, and for how many vectors.

    Attributes
    ----------
    names
        Einsums; their outputs stand side by side.
    source
        Tensor of the input vectors.
    rows, columns
        Inputs, and outputs of all einsums together, of one head.
    heads
        Heads that clusters share out; 0 for weights that the whole chip holds.
    vectors
        Input vectors.
    format
        Format of the weights.
    macs
        MACs of each einsum.
    vector_bytes
        Bytes of one input vector.
    """

    names: tuple[str, ...]
    source: str
    rows: int
    columns: int
    heads: int
    vectors: int
    format: NumberFormat
    macs: tuple[int, ...]
    vector_bytes: int

    def beside(self, other: Product) -> Product:
        """Return both as one, their outputs side by side."""
        return Product(
            (*self.names, *other.names),
            self.source,
            self.rows,
            self.columns + other.columns,
            self.heads,
            self.vectors,
            self.format,
            (*self.macs, *other.macs),
            self.vector_bytes,
        )


def products(cascade: Cascade) -> list[Product] | str:
    """Return the products of a fragment, or why they cannot be mapped.

    Neighbours that the whole chip holds and that have one input are taken together.
    """
    found: list[Product] = []
    for einsum in cascade.einsums:
        product = _product(cascade, einsum)
        if isinstance(product, str):
            return product
        together = (
            bool(found)
            and product.heads == found[-1].heads == 0
            and product.source == found[-1].source
            and product.format == found[-1].format
        )
        if together:
            found[-1] = found[-1].beside(product)
        else:
            found.append(product)
    return found


def _product(cascade: Cascade, einsum: Einsum) -> Product | str:
    dims = einsum.matmul()
    if dims is None:
        return f"einsum {einsum.name} is not a matrix product"
    if dims.batch != 1:
        return f"einsum {einsum.name} has other weights for each of {dims.batch} products"
    heads = dict(dims.n_variables).get(HEAD_VARIABLE, 0)
    return Product(
        (einsum.name,),
        dims.lhs,
        dims.k,
        dims.n // max(1, heads),
        heads,
        dims.m,
        cascade.tensor(dims.rhs).format,
        (einsum.macs(),),
        cascade.tensor(dims.lhs).format.bytes(dims.k),
    )


def streams(edge: EdgeMachine, product: Product) -> Iterator[Stream]:
    """Yield the streams of a product: full rounds of heads and a last, partial one."""
    if product.heads == 0:
        yield _stream(edge, product, 0, 1)
        return
    full, rest = divmod(product.heads, edge.tiles.clusters)
    if full:
        yield _stream(edge, product, edge.tiles.clusters, full)
    if rest:
        yield _stream(edge, product, rest, 1)


def passes(edge: EdgeMachine, product: Product) -> int:
    """Return how often the weights are streamed: once for each block of input vectors.

    Outputs are finished column by column, so they take no room of their own beside those that stay.
    """
    room = 2 * edge.stays_bytes
    block = max(1, room // product.vector_bytes)
    return ceil_div(product.vectors, block)


def _stream(edge: EdgeMachine, product: Product, clusters: int, rounds: int) -> Stream:
    """Return one stream; `clusters` at work, 0 for all of them on one matrix."""
    tiles, built = edge.tiles, edge.tiles.tiles
    rows, columns = tiles.cluster_rows, tiles.cluster_columns
    matrix_bytes = product.format.bytes(product.rows * product.columns)
    if clusters:
        level, held = 2, clusters * rounds
        steps = ceil_div(product.rows, rows) * ceil_div(product.columns, columns)
        cluster = ceil_div(matrix_bytes, steps)
        chip = cluster * clusters
    else:
        level, held = 3, 1
        steps = ceil_div(product.rows, rows * built.clusters_v)
        steps *= ceil_div(product.columns, columns * built.clusters_h)
        chip = ceil_div(matrix_bytes, steps)
        cluster = ceil_div(chip, tiles.clusters)
    blocks = passes(edge, product)
    steps *= rounds * blocks
    number = product.format.name.partition(":")[0]
    sizes = (chip, cluster, ceil_div(cluster, tiles.active_tiles))
    fetch, rest = fetch_work(edge, sizes, matrix_bytes * held * blocks, steps, number)
    shape = {
        "vectors": ceil_div(product.vectors, blocks),
        "input_bits": weight_bits(edge, number),
        "level": level,
    }
    compute = service_work(edge.tiles, "mac", {**shape, "macs": 0}, number)
    counts: dict[str, dict[CountKey, int]] = {}
    for name, macs in zip(product.names, product.macs, strict=True):
        share = {**shape, "macs": macs * held // max(1, product.heads)}
        counts[name] = dict(edge.tiles.service("mac", share, number).counts)
    for key, count in rest.items():
        counts[product.names[0]][key] = counts[product.names[0]].get(key, 0) + count
    label = product.names[0] + ("/last" if 0 < clusters < tiles.clusters else "")
    return Stream(label, steps, fetch, compute, tiles.sets, counts)
