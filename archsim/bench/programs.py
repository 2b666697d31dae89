"""Programs of the engine's bench and figures: the shapes that accelerators give the engine.

Durations are placeholders of plausible size: they exercise the engine and say nothing about a
machine. Every program stalls somewhere, so that waits as well as resources decide starts.
"""

from __future__ import annotations

from archsim.program import Program, ProgramBuilder, affine


def flat_body(turns: int, size: int = 20) -> Program:
    """Return one loop over a body of ``size`` operations on four resources, with waits."""
    b = ProgramBuilder("flat-body")
    units = [b.resource(f"unit{i}") for i in range(4)]
    ops = [
        b.op(f"op{i}", holds=[(units[i % 4], 100 + i)], latency=150 + i, cause="compute")
        for i in range(size)
    ]
    with b.loop(turns, "turn"):
        for op in ops:
            b.place(op)
    for later, earlier in zip(ops[1:], ops, strict=False):
        b.after(later, earlier)
    b.after(ops[0], ops[-1], back=2)
    for i in range(0, size, 3):
        b.after(ops[i], ops[(i + 7) % size], back=3)
    return b.build()


def tile_nest(rows: int, columns: int) -> Program:
    """Return a double-buffered tile pipeline in a nest of two loops."""
    b = ProgramBuilder("tile-nest")
    dma, array, vector = b.resource("dma"), b.resource("array"), b.resource("vector")
    load = b.op("load", holds=[(dma, 50)], latency=80, cause="bandwidth")
    work = b.op("work", holds=[(array, 90)], latency=120, cause="compute")
    post = b.op("post", holds=[(vector, 40)], latency=60, cause="compute")
    store = b.op("store", holds=[(dma, 30)], latency=40, cause="bandwidth")
    with b.loop(rows, "row"):
        with b.loop(columns, "column"):
            for op in (load, work, post):
                b.place(op)
        b.place(store)
    b.after(work, load)
    b.after(load, work, back=2)
    b.after(post, work)
    b.after(work, post, back=2)
    b.after(store, post)
    b.after(post, store)
    return b.build()


def attention(heads: int, rows: int, columns: int | None) -> Program:
    """Return fused attention: heads of rows of key tiles; without ``columns`` it is causal.

    A running maximum orders the key tiles of a row and starts anew with each row.
    """
    b = ProgramBuilder("attention" if columns else "causal-attention")
    dma, array, vector = b.resource("dma"), b.resource("array"), b.resource("vector")
    query = b.op("query", holds=[(dma, 20)], latency=45, cause="bandwidth")
    load = b.op("load", holds=[(dma, 30)], latency=55, cause="bandwidth")
    score = b.op("score", holds=[(array, 40)], latency=60, cause="compute")
    soft = b.op("soft", holds=[(vector, 25)], latency=25, cause="compute")
    context = b.op("context", holds=[(array, 40)], latency=60, cause="compute")
    store = b.op("store", holds=[(dma, 10)], latency=20, cause="bandwidth")
    with b.loop(heads, "head"), b.loop(rows, "row") as row:
        b.place(query)
        with b.loop(columns or affine(1, 1, row), "column") as column:
            for op in (load, score, soft, context):
                b.place(op)
        b.place(store)
    b.after(score, load)
    b.after(score, query)
    b.after(load, context, back=2)
    b.after(soft, score)
    b.after(soft, soft, delay=31, anchor="start", scope=column)
    b.after(context, soft)
    b.after(store, context)
    b.after(query, store, back=2)
    return b.build()


def pim_stream(layers: int, intervals: int, rows: int, macs: int) -> Program:
    """Return the commands of matrix-vector products in all banks of a memory at once.

    Rows are opened, worked through column by column and closed; a refresh follows every
    ``rows`` rows, as a loop and not as a trigger in time, which would not repeat.
    """
    b = ProgramBuilder("pim-stream")
    row_bus, column_bus = b.resource("row-bus"), b.resource("column-bus")
    activate = b.op("activate", holds=[(row_bus, 1_000)], cause="activate")
    mac = b.op("mac", holds=[(column_bus, 2_000)], cause="compute")
    precharge = b.op("precharge", holds=[(row_bus, 1_000)], cause="precharge")
    refresh = b.op("refresh", holds=[(row_bus, 1_000)], latency=350_000, cause="refresh")
    with b.loop(layers, "layer"), b.loop(intervals, "interval"):
        with b.loop(rows, "row"):
            b.place(activate)
            with b.loop(macs, "column"):
                b.place(mac)
            b.place(precharge)
        b.place(refresh)
    b.after(mac, activate, delay=14_000, anchor="start")
    b.after(precharge, mac, delay=7_000, anchor="start")
    b.after(precharge, activate, delay=33_000, anchor="start")
    b.after(activate, precharge, delay=14_000, anchor="start")
    b.after(refresh, precharge, delay=14_000, anchor="start")
    b.after(activate, refresh)
    return b.build()


def layer_pipeline(layers: int, operators: int, tiles: int) -> Program:
    """Return identical layers of operators, each a loop over tiles; a layer waits for the last."""
    b = ProgramBuilder("layer-pipeline")
    dma, array, vector = b.resource("dma"), b.resource("array"), b.resource("vector")
    begin, end = b.marker("begin"), b.marker("end")
    ops = [
        (
            b.op(f"load{i}", holds=[(dma, 40 + i)], latency=70 + i, cause="bandwidth"),
            b.op(f"work{i}", holds=[(array, 44)], latency=66, cause="compute"),
            b.op(f"post{i}", holds=[(vector, 20 + 2 * i)], latency=30, cause="compute"),
        )
        for i in range(operators)
    ]
    with b.loop(layers, "layer"):
        b.place(begin)
        for i, body in enumerate(ops):
            with b.loop(tiles, f"operator{i}"):
                for op in body:
                    b.place(op)
        b.place(end)
    for load, work, post in ops:
        b.after(load, begin)
        b.after(work, load)
        b.after(load, work, back=2)
        b.after(post, work)
        b.after(work, post, back=2)
        b.after(end, post)
    b.after(begin, end)
    return b.build()
