"""Programs written to break one rule of folding each."""

from __future__ import annotations

from archsim.program import Program, ProgramBuilder, affine


def two_rates_in_a_nest(window: int) -> Program:
    """Two uncoupled rates: the slack of x runs out inside an inner fold of a later outer turn."""
    b = ProgramBuilder(f"two-rates-{window}")
    slow = b.op("y", holds=[(b.resource("a"), 20)], latency=20)
    fast = b.op("x", holds=[(b.resource("b"), 10)], latency=10)
    with b.loop(77, "outer"), b.loop(50, "inner"):
        b.place(slow)
        b.place(fast)
    b.after(fast, slow, delay=-window, anchor="start")
    return b.build()


def two_speed_groups(seed: int, lead: int, ahead: int, turns: int) -> Program:
    """Two groups at nearly the same speed that meet late, with a marker outside."""
    b = ProgramBuilder(f"groups-{seed}")
    first = b.op("first", holds=[(b.resource("a"), 100)], latency=100)
    second = b.op("second", holds=[(b.resource("b"), 100 + lead)], latency=140)
    third = b.op("third", holds=[(b.resource("a"), 7 * lead)], latency=3)
    join = b.op("join", holds=[(b.resource("c"), 5)], latency=9)
    done = b.marker("done")
    with b.loop(turns, "outer"):
        with b.loop(20 + seed % 31, "inner"):
            b.place(first)
            b.place(second)
            b.place(join)
        with b.loop(seed % 4, "rest"):
            b.place(third)
        b.place(done)
    b.after(join, first, delay=ahead)
    b.after(join, second)
    b.after(done, join)
    if seed % 3 == 0:
        b.after(first, done, delay=-50 * lead)
    if seed % 5 == 0:
        b.after(second, join, back=2 + seed % 7, anchor="start", delay=-ahead)
    return b.build()


def late_wait(*, scoped: bool) -> Program:
    """A wait for itself that looks 25 back and so applies late."""
    b = ProgramBuilder(f"late-{scoped}")
    op = b.op("x", holds=[(b.resource("r"), 10)], latency=10)
    with b.loop(6, "outer") as outer, b.loop(90, "inner") as inner:
        b.place(op)
    b.after(op, op, back=25, delay=4000, anchor="start", scope=inner if scoped else outer)
    return b.build()


def growing_inner() -> Program:
    """An inner loop that is empty at first."""
    b = ProgramBuilder("growing")
    head = b.op("head", holds=[(b.resource("r"), 10)], latency=12)
    body = b.op("body", holds=[(b.resource("s"), 7)], latency=30)
    with b.loop(40, "outer") as outer:
        b.place(head)
        with b.loop(affine(-5, 1, outer), "inner"):
            b.place(body)
    b.after(body, head)
    b.after(head, body, back=3)
    return b.build()


def late_reader() -> Program:
    """A reader behind a folded nest looks further back than the nest was simulated."""
    b = ProgramBuilder("late-reader")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=8)
    reader = b.op("reader", holds=[(b.resource("s"), 1)], latency=1)
    with b.loop(14, "outer"), b.loop(7, "inner"):
        b.place(op)
    b.place(reader)
    b.after(reader, op, back=29, delay=1000)
    return b.build()


def near_tie(first: int, second: int, turns: int = 900) -> Program:
    """Two resources of nearly the same speed feed one join."""
    b = ProgramBuilder(f"near-tie-{first}-{second}")
    left = b.op("left", holds=[(b.resource("a"), first)], latency=first)
    right = b.op("right", holds=[(b.resource("b"), second)], latency=second)
    join = b.op("join", holds=[(b.resource("c"), 3)], latency=3)
    with b.loop(turns, "loop"):
        b.place(left)
        b.place(right)
        b.place(join)
    b.after(join, left, delay=250)
    b.after(join, right)
    return b.build()


def overtaken_by_the_first_wait(rate: int, gap: int) -> Program:
    """The source that catches up is asked first, and so decides from the tie on."""
    b = ProgramBuilder(f"overtaken-{rate}-{gap}")
    left = b.op("left", holds=[(b.resource("a"), 100 + rate)], latency=0)
    right = b.op("right", holds=[(b.resource("b"), 100)], latency=0)
    join = b.op("join", holds=[(b.resource("c"), 3)], latency=3)
    with b.loop(600, "loop"):
        b.place(left)
        b.place(right)
        b.place(join)
    b.after(join, left)
    b.after(join, right, delay=gap * rate)
    return b.build()


def zero_advance_reader() -> Program:
    """Nothing moves in the loop, and a reader behind it looks back at an early instance."""
    b = ProgramBuilder("zero-advance")
    op = b.op("x", holds=[(b.resource("r"), 0)], latency=0)
    reader = b.op("reader", holds=[(b.resource("s"), 1)], latency=1)
    with b.loop(100, "loop"):
        b.place(op)
    b.place(reader)
    b.after(reader, op, back=29, delay=1000)
    return b.build()


def blocked_server(servers: int) -> Program:
    """One server of many is held for long, and no wait looks back as far as its turn."""
    b = ProgramBuilder(f"blocked-{servers}")
    wide = b.resource("wide", servers)
    long = b.op("long", holds=[(wide, 50_000)], latency=0)
    op = b.op("x", holds=[(wide, 20)], latency=10)
    b.place(long)
    with b.loop(20 * servers, "loop"):
        b.place(op)
    b.after(op, op, delay=10, anchor="start")
    return b.build()


def exact_ties() -> Program:
    """Every start has several reasons."""
    b = ProgramBuilder("ties")
    ops = [b.op(f"o{i}", holds=[(b.resource(f"r{i}"), 10)], latency=10) for i in range(3)]
    with b.loop(50, "outer"), b.loop(9, "inner"):
        for op in ops:
            b.place(op)
    for i, op in enumerate(ops):
        b.after(op, ops[i - 1], back=1 if i else 2)
        b.after(op, op, back=1, delay=10, anchor="start")
        b.after(op, ops[(i + 1) % 3], back=3, delay=20, anchor="start")
    return b.build()


def coprime_cycles(backs: tuple[int, ...], turns: int) -> Program:
    """Self loops whose periods multiply."""
    b = ProgramBuilder("coprime")
    ops = [
        b.op(f"o{i}", holds=[(b.resource(f"r{i}"), 1 + i)], latency=2) for i in range(len(backs))
    ]
    with b.loop(turns, "loop"):
        for op in ops:
            b.place(op)
    for op, back in zip(ops, backs, strict=True):
        b.after(op, op, back=back, delay=100 * back + back % 2, anchor="start")
    for later, earlier in zip(ops[1:], ops, strict=False):
        b.after(later, earlier, delay=-40)
    return b.build()


def empty_loops() -> Program:
    """Loops that run nothing, and operations that never run."""
    b = ProgramBuilder("empty")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=5)
    never = b.op("never", holds=[(b.resource("r"), 50)], latency=5)
    shrunk = b.op("shrunk", holds=[(b.resource("s"), 50)], latency=5)
    with b.loop(30, "outer") as outer:
        b.place(op)
        with b.loop(0, "zero"):
            b.place(never)
            with b.loop(affine(3, 1, outer), "inside"):
                b.place(never)
        with b.loop(5, "nothing"), b.loop(5, "at-all"):
            pass
        with b.loop(affine(-60, 1, outer), "negative"):
            b.place(shrunk)
    with b.loop(-3, "below-zero"):
        b.place(never)
    b.after(op, never, delay=500)
    b.after(op, shrunk, delay=500)
    return b.build()


def nested_in_nothing() -> Program:
    """Loops that would run, in one that never does, in one that does again and again."""
    b = ProgramBuilder("nested-in-nothing")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=5)
    with b.loop(4, "outer"), b.loop(3, "again"):
        b.place(op)
        with b.loop(-1, "never"), b.loop(2, "inner"), b.loop(7, "innermost"):
            b.place(op)
    b.after(op, op, back=2, delay=3)
    return b.build()


def triangular() -> Program:
    """Causal attention in miniature: the inner trip is the row, the rows repeat per head."""
    b = ProgramBuilder("triangular")
    load = b.op("load", holds=[(b.resource("dma"), 30)], latency=55)
    score = b.op("score", holds=[(b.resource("array"), 40)], latency=60)
    soft = b.op("soft", holds=[(b.resource("vector"), 25)], latency=25)
    store = b.op("store", holds=[(b.resource("dma"), 10)], latency=20)
    with b.loop(6, "head"), b.loop(20, "row") as row:
        with b.loop(affine(1, 1, row), "column") as column:
            b.place(load)
            b.place(score)
            b.place(soft)
        b.place(store)
    b.after(score, load)
    b.after(load, score, back=2)
    b.after(soft, score)
    b.after(soft, soft, delay=31, anchor="start", scope=column)
    b.after(store, soft)
    return b.build()


def shared_definitions(turns: int) -> Program:
    """Prologue, body and epilogue place the same operations; an operation sits twice in a body."""
    b = ProgramBuilder("sites")
    load = b.op("load", holds=[(b.resource("dma"), 12)], latency=20)
    work = b.op("work", holds=[(b.resource("array"), 15)], latency=18)
    tail = b.op("tail", holds=[(b.resource("vector"), 4)], latency=6)
    b.place(load)
    with b.loop(turns, "body"):
        b.place(load)
        b.place(work)
        b.place(tail)
        b.place(tail)
    b.place(work)
    with b.loop(turns // 2, "again"):
        b.place(tail)
        b.place(load)
    b.after(work, load, back=2)
    b.after(load, work, back=2)
    b.after(tail, work)
    b.after(load, tail, back=5)
    return b.build()


def gpu_waves(blocks: int, slots: int) -> Program:
    """Blocks on a machine with many slots: in-order issue on a resource with many servers."""
    b = ProgramBuilder("waves")
    load = b.op("load", holds=[(b.resource("hbm"), 3)], latency=90)
    work = b.op("work", holds=[(b.resource("slots", slots), 700)], latency=700)
    with b.loop(blocks, "block"):
        b.place(load)
        b.place(work)
    b.after(work, load)
    b.after(load, work, back=slots)
    return b.build()


def dram_rows(rows: int, reads: int) -> Program:
    """Activate, a loop of reads, precharge, with the waits of a DRAM bank group."""
    b = ProgramBuilder("dram")
    row_bus, column_bus = b.resource("row-bus"), b.resource("column-bus")
    act = b.op("act", holds=[(row_bus, 2)], latency=0, cause="activation")
    read = b.op("read", holds=[(column_bus, 2)], latency=20, cause="bandwidth")
    pre = b.op("pre", holds=[(row_bus, 2)], latency=0, cause="activation")
    with b.loop(rows, "row"):
        b.place(act)
        with b.loop(reads, "read"):
            b.place(read)
        b.place(pre)
    for back, delay in ((1, 8), (4, 40), (16, 90)):
        b.after(act, act, back=back, delay=delay, anchor="start")
    b.after(act, pre, back=16, delay=28, anchor="start")
    b.after(read, act, delay=28, anchor="start")
    b.after(read, read, delay=4, anchor="start")
    b.after(pre, act, delay=64, anchor="start")
    b.after(pre, read, delay=12, anchor="start")
    return b.build()


def directed_programs() -> list[Program]:
    """Return every directed program."""
    return [
        *(two_rates_in_a_nest(window) for window in range(20_000, 20_601, 25)),
        *(two_speed_groups(i, 1 + i % 9, 40 * (i % 11), 3 + i % 13) for i in range(150)),
        late_wait(scoped=False),
        late_wait(scoped=True),
        growing_inner(),
        late_reader(),
        near_tie(99, 100),
        near_tie(100, 99),
        near_tie(100, 100),
        exact_ties(),
        overtaken_by_the_first_wait(1, 100),
        overtaken_by_the_first_wait(3, 70),
        zero_advance_reader(),
        blocked_server(16),
        blocked_server(33),
        coprime_cycles((2, 3), 400),
        coprime_cycles((2, 3, 5), 700),
        coprime_cycles((2, 3, 5, 7), 2500),
        empty_loops(),
        nested_in_nothing(),
        triangular(),
        shared_definitions(60),
        shared_definitions(5),
        gpu_waves(900, 37),
        dram_rows(150, 8),
    ]
