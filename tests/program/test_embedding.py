from __future__ import annotations

import time

import pytest

from archsim.engine import interpret, run_program
from archsim.errors import SimulationError
from archsim.program import Program, ProgramBuilder, affine
from tests.engine.comparison import check_program


def fragment(turns: int = 20, name: str = "gemm") -> Program:
    b = ProgramBuilder(name)
    dma, array = b.resource("dma"), b.resource("array")
    load = b.op("load", holds=[(dma, 5)], latency=30, tags={"einsum": "Q"})
    work = b.op("work", holds=[(array, 8)], latency=9, counts={("array", "mac", "bf16"): 2})
    free = b.op("free", holds=[(b.resource("vector"), 2)], latency=3)
    with b.loop(turns, "tile") as tile:
        b.place(load)
        with b.loop(affine(1, 1, tile), "part"):
            b.place(work)
        b.place(free)
    b.after(work, load)
    b.after(work, work, delay=1, scope=tile)
    b.after(load, work, back=2)
    return b.build()


def test_only_operations_that_may_run_ahead_wait_for_the_hand_over():
    program = fragment()
    assert [program.ops[op] for op in program.heads] == ["load", "free"]


def test_nothing_starts_before_the_hand_over_and_the_end_is_last():
    b = ProgramBuilder("model")
    start = b.op("start", holds=[(b.resource("host"), 1000)], latency=1000)
    b.place(start)
    first = b.embed(fragment(), after=start, name="first", tags={"layer": "attention"})
    second = b.embed(fragment(), after=first, name="second", tags={"layer": "ffn"})
    program = b.build()
    _, timing = check_program(program)
    alone = interpret(fragment())
    for op in fragment().ops:
        assert timing.starts_ps(f"first/{op}") == [1000 + s for s in alone.starts(op)]
    end = timing.start_ps("first/end", 0)
    assert min(timing.start_ps(f"second/{op}", 0) for op in fragment().ops) >= end
    assert timing.start_ps("second/end", 0) == timing.makespan_ps
    assert second.number == program.op_ids["second/end"]
    assert program.tags[program.op_ids["second/load"]] == {"einsum": "Q", "layer": "ffn"}


def test_fragments_of_a_layer_loop_fold():
    b = ProgramBuilder("layers")
    with b.loop(10**6, "layer"):
        layer = b.marker("layer")
        b.place(layer)
        end = b.embed(fragment(name="one"), after=layer)
        end = b.embed(fragment(name="two"), after=end)
    b.after(layer, end)
    program = b.build()
    timing = run_program(program)
    assert timing.simulated < 20_000
    assert timing.makespan_ps == 10**6 * 2 * run_program(fragment()).makespan_ps
    assert program.total_counts() == {("array", "mac", "bf16"): 2 * 10**6 * 2 * 210}


def test_operations_that_never_run_do_not_stop_an_outer_fold():
    inner = ProgramBuilder("part")
    never, op = inner.op("never", latency=4), inner.op("op", latency=4)
    with inner.loop(3, "turn") as turn:
        inner.place(op)
        with inner.loop(affine(-5, 1, turn), "nothing"):
            inner.place(never)
    inner.after(op, never)
    b = ProgramBuilder("layers")
    with b.loop(10**6, "layer"):
        b.embed(inner.build())
    assert run_program(b.build()).simulated < 500


def test_repeated_names_are_numbered():
    b = ProgramBuilder("model")
    for _ in range(3):
        b.embed(fragment(), name="x")
    assert {name.split("/")[0] for name in b.build().ops} == {"x", "x#2", "x#3"}


def test_resources_unify_by_name_and_must_agree():
    b = ProgramBuilder("model")
    b.resource("array", 2)
    with pytest.raises(SimulationError, match="'array' has capacity 2 and cannot have 1"):
        b.embed(fragment())


def test_embedding_takes_a_few_microseconds_per_operation():
    """Generous: 2.7 µs were measured; this only catches a change of order."""
    big = ProgramBuilder("big")
    previous = None
    for i in range(200):
        op = big.op(f"o{i}", holds=[(big.resource("r"), 5)], latency=5)
        big.place(op)
        if previous is not None:
            big.after(op, previous)
        previous = op
    program = big.build()
    outer = ProgramBuilder("outer")
    begun = time.process_time()
    for _ in range(20):
        outer.embed(program)
    assert (time.process_time() - begun) / (20 * 200) < 100e-6
