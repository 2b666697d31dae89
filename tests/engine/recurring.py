"""Programs in which loops are entered again as before, written to break one rule each."""

from __future__ import annotations

from archsim.program import Program, ProgramBuilder, affine, table


def scoped_wait_applies_late(turns: int) -> Program:
    """All moves alike until a wait with a scope finds an instance, in every activation anew."""
    b = ProgramBuilder(f"scoped-late-{turns}")
    source = b.op("source", holds=[(b.resource("a"), 10)], latency=10)
    reader = b.op("reader", holds=[(b.resource("b"), 10)], latency=10)
    with b.loop(turns, "outer"):
        with b.loop(30, "ahead"):
            b.place(source)
        with b.loop(60, "inner") as inner:
            b.place(source)
            b.place(reader)
    b.after(reader, source, back=20, delay=500, anchor="start", scope=inner)
    return b.build()


def gap_before_the_loop(back: int) -> Program:
    """What a reader behind a loop looks back at is older than the loop, not always regular."""
    b = ProgramBuilder(f"gap-{back}")
    unit = b.resource("unit")
    op = b.op("x", holds=[(unit, 10)], latency=10)
    gap = b.op("gap", holds=[(unit, 7)], latency=7)
    reader = b.op("reader", holds=[(b.resource("other"), 1)], latency=1)
    with b.loop(12, "outer") as outer:
        with b.loop(table([0, 0, 0, 3, 0, 0, 2, 0, 0, 0, 1, 0], outer), "gaps"):
            b.place(gap)
        with b.loop(table([20, 8, 20, 20, 20, 20, 20, 9, 20, 30, 20, 20], outer), "inner"):
            b.place(op)
        b.place(reader)
    b.after(reader, op, back=back, delay=1000)
    return b.build()


def slack_of_a_known_loop(lead: int) -> Program:
    """A loop known from a summary holds the wait whose slack runs out in the loop around it."""
    b = ProgramBuilder(f"known-slack-{lead}")
    chaser = b.op("chaser", holds=[(b.resource("a"), 12)], latency=12)
    op = b.op("x", holds=[(b.resource("b"), 2)], latency=2)
    with b.loop(300, "outer"):
        b.place(chaser)
        with b.loop(5, "inner"):
            b.place(op)
    b.after(op, chaser, delay=-lead, anchor="start")
    return b.build()


def heads_of_rows(heads: int, rows: int) -> Program:
    """Causal attention of several heads: a loop that is never folded is entered as before."""
    b = ProgramBuilder(f"heads-{heads}-{rows}")
    load = b.op("load", holds=[(b.resource("dma"), 30)], latency=55)
    score = b.op("score", holds=[(b.resource("array"), 40)], latency=60)
    soft = b.op("soft", holds=[(b.resource("vector"), 25)], latency=25)
    store = b.op("store", holds=[(b.resource("dma"), 10)], latency=20)
    with b.loop(heads, "head"), b.loop(rows, "row") as row:
        with b.loop(affine(1, 1, row), "column") as column:
            for op in (load, score, soft):
                b.place(op)
        b.place(store)
    b.after(score, load)
    b.after(load, score, back=2)
    b.after(soft, score)
    b.after(soft, soft, delay=31, anchor="start", scope=column)
    b.after(store, soft)
    return b.build()


def tile_rows(rows: int, columns: int) -> Program:
    """Rows of a double-buffered tile pipeline, each stored at its end."""
    b = ProgramBuilder(f"tiles-{rows}-{columns}")
    dma = b.resource("dma")
    load = b.op("load", holds=[(dma, 50)], latency=80)
    work = b.op("work", holds=[(b.resource("array"), 90)], latency=120)
    post = b.op("post", holds=[(b.resource("vector"), 40)], latency=60)
    store = b.op("store", holds=[(dma, 30)], latency=40)
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


def experts(tokens: tuple[int, ...], layers: int) -> Program:
    """Table-driven loops: experts load weights if they have tokens, then work token by token."""
    b = ProgramBuilder(f"experts-{len(tokens)}-{layers}")
    weights = b.op("weights", holds=[(b.resource("hbm"), 300)], latency=420)
    token = b.op("token", holds=[(b.resource("array"), 11)], latency=30)
    done = b.marker("done")
    with b.loop(layers, "layer"):
        with b.loop(len(tokens), "expert") as expert:
            with b.loop(table([min(n, 1) for n in tokens], expert), "needed"):
                b.place(weights)
            with b.loop(table(tokens, expert), "token"):
                b.place(token)
        b.place(done)
    b.after(token, weights)
    b.after(weights, token, back=40)
    b.after(done, token)
    b.after(weights, done, delay=100)
    return b.build()


def recurring_programs() -> list[Program]:
    """Return every one."""
    return [
        scoped_wait_applies_late(2),
        scoped_wait_applies_late(9),
        gap_before_the_loop(29),
        gap_before_the_loop(21),
        slack_of_a_known_loop(150),
        slack_of_a_known_loop(330),
        heads_of_rows(6, 14),
        tile_rows(5, 33),
        experts((7, 0, 30, 7, 7, 0, 1, 30), 5),
    ]
