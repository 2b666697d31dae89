from __future__ import annotations

import pytest

from archsim.errors import SimulationError
from archsim.program import Program, ProgramBuilder, affine, table
from archsim.program.ir import MAX_BACK, MAX_WEIGHT_PS


def small() -> ProgramBuilder:
    b = ProgramBuilder("small")
    x = b.op("x", holds=[(b.resource("r"), 5)], latency=7, counts={("r", "mac", "bf16"): 3})
    with b.loop(4, "outer") as outer:
        b.place(x)
        with b.loop(affine(1, 2, outer), "inner"):
            b.place(b.op("y", counts={("r", "mac", "bf16"): 2, ("r", "read", "bf16"): 1}))
    return b


def open_loop(builder: ProgramBuilder, trip) -> None:
    with builder.loop(trip, "loop"):
        pass


def test_counts_are_exact_without_running():
    program = small().build()
    assert program.num_instances() == {"x": 4, "y": 1 + 3 + 5 + 7}
    assert program.total_counts() == {
        ("r", "mac", "bf16"): 4 * 3 + 16 * 2,
        ("r", "read", "bf16"): 16,
    }


def test_constraints_without_a_scope_come_first():
    b = small()
    x = b.find("x")
    with b.loop(3, "more") as loop:
        z = b.op("z")
        b.place(z)
    b.after(z, z, delay=1, scope=loop)
    b.after(z, x, delay=2)
    program = b.build()
    assert [program.delays_ps[c] for c in program.constraints(program.op_ids["z"])] == [2, 1]


def test_same_name_is_the_same_resource():
    b = ProgramBuilder("p")
    assert b.resource("r") == b.resource("r")
    with pytest.raises(SimulationError, match="has capacity 1 and cannot have 2"):
        b.resource("r", 2)
    with pytest.raises(SimulationError, match="capacity 0; allowed: 1 to"):
        b.resource("s", 0)


def test_operations_without_holds_are_ordered_by_a_private_resource():
    program = small().build()
    y = program.op_ids["y"]
    ((resource, occupancy),) = program.holds(y)
    assert program.private[resource]
    assert occupancy == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latency": -1}, "latency is -1 ps; allowed: 0 to"),
        ({"latency": MAX_WEIGHT_PS}, "latency is 1152921504606846976 ps"),
        ({"latency": 1.5}, "latency must be whole ps; given 1.5"),
        ({"latency": True}, "latency must be whole ps; given True"),
        ({"occupancy_expr": ["1", "2"]}, "2 occupancy expressions for 0 holds"),
    ],
)
def test_bad_operations_are_refused(arguments, message):
    with pytest.raises(SimulationError, match=message):
        ProgramBuilder("p").op("x", **arguments)


def test_bad_holds_are_refused():
    b, other = ProgramBuilder("p"), ProgramBuilder("q")
    r = b.resource("r")
    with pytest.raises(SimulationError, match="holds the same resource twice"):
        b.op("x", holds=[(r, 1), (r, 2)])
    with pytest.raises(SimulationError, match="the resource belongs to another program"):
        other.op("x", holds=[(r, 1)])
    with pytest.raises(SimulationError, match="occupancy is -4 ps"):
        b.op("x", holds=[(r, -4)])


def test_names_are_unique_and_found():
    b = small()
    with pytest.raises(SimulationError, match="'x' is already defined"):
        b.op("x")
    with pytest.raises(SimulationError, match="no operation is called 'xx'"):
        b.find("xx")


def test_bad_waits_are_refused():
    b, other = small(), small()
    x, y = b.find("x"), b.find("y")
    with pytest.raises(SimulationError, match=f"looks 0 instances back; allowed: 1 to {MAX_BACK}"):
        b.after(x, y, back=0)
    with pytest.raises(SimulationError, match=f"looks {MAX_BACK + 1} instances back"):
        b.after(x, y, back=MAX_BACK + 1)
    with pytest.raises(SimulationError, match="anchor 'end'; allowed: result, start"):
        b.after(x, y, anchor="end")
    with pytest.raises(SimulationError, match="the op belongs to another program"):
        b.after(x, other.find("y"))
    with pytest.raises(SimulationError, match="a delay of"):
        b.after(x, y, delay=-MAX_WEIGHT_PS)


def test_scope_must_hold_both_ends():
    b = small()
    with b.loop(2, "elsewhere") as elsewhere:
        b.place(b.op("z"))
    b.after(b.find("x"), b.find("z"), scope=elsewhere)
    with pytest.raises(SimulationError, match="scope 'elsewhere' of the wait of 'x' for 'z' does"):
        b.build()


def test_weight_of_latency_and_delay_must_fit():
    b = ProgramBuilder("p")
    x = b.op("x", latency=MAX_WEIGHT_PS - 1)
    b.place(x)
    b.after(x, x, delay=MAX_WEIGHT_PS - 1)
    with pytest.raises(SimulationError, match="weighs"):
        b.build()


def test_tree_errors():
    b = ProgramBuilder("p")
    b.op("x")
    with pytest.raises(SimulationError, match="'x' is defined but never placed"):
        b.build()
    with (
        b.loop(2, "first") as first,
        pytest.raises(SimulationError, match="loop 'first' is still open"),
    ):
        b.build()
    with pytest.raises(SimulationError, match="'first', which does not enclose it"):
        open_loop(b, affine(1, 1, first))
    with pytest.raises(SimulationError, match="runs 100000000000000000000000000000 times; allowed"):
        open_loop(b, 10**29)
    with b.loop(3, "outer") as outer, pytest.raises(SimulationError, match="has 2 entries"):
        open_loop(b, table([1, 2], outer))


def test_waits_that_never_apply_are_warned_of():
    b = small()
    b.after(b.find("y"), b.find("x"), back=2)
    assert b.build().warnings == ()
    c = ProgramBuilder("c")
    x = c.op("x")
    with c.loop(3, "loop"):
        c.place(x)
    c.after(x, x, back=4)
    assert c.build().warnings == (
        "the wait of 'x' for 'x' never applies: it looks 4 back and the program runs it 3 times",
    )


def test_json_round_trip_and_hash():
    b = small()
    b.after(b.find("y"), b.find("x"), delay=3, delay_expr="3 * {hardware.clocks.core}", cause="a")
    program = b.build()
    copy = Program.from_json(program.to_json())
    assert copy == program
    assert copy.structure_hash() == program.structure_hash()
    longer = program.with_times(latencies_ps=[9, 9])
    assert longer.structure_hash() == program.structure_hash()
    assert longer != program
    assert small().build().structure_hash() != program.structure_hash()


def test_with_times_checks_what_it_is_given():
    program = small().build()
    with pytest.raises(SimulationError, match="latencies_ps needs 2 values; given 1"):
        program.with_times(latencies_ps=[1])
    with pytest.raises(SimulationError, match="occupancies_ps holds -1 ps"):
        program.with_times(occupancies_ps=[-1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "version 9, not 1"),
        ({"version": None}, "version None"),
        ({"sources": None}, "lacks"),
        ({"tape_args": [0, 0, 1, 7, 1, 0]}, "is not a program"),
        ({"tape_kinds": [1, 0, 1, 0, 2, 0]}, "is not a program"),
        ({"hold_resources": [5, 1]}, "is not a program"),
        ({"latencies_ps": [-5, 0]}, "is not a program"),
        ({"capacities": [0, 1]}, "is not a program"),
        ({"hold_offsets": [0, 9, 2]}, "is not a program"),
        ({"ops": ["x", "x"]}, "is not a program"),
        ({"ops": [1, 2]}, "is not a program"),
        ({"trips": [[1, 2]]}, "is not a program"),
    ],
)
def test_damaged_data_is_refused(change, message):
    data = small().build().to_json() | change
    if change.get("sources", 0) is None:
        del data["sources"]
    with pytest.raises(SimulationError, match=message):
        Program.from_json(data)
