"""The link with credits as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.credit_laws import (
    cycles_credit_latency,
    cycles_credit_round_trip,
    cycles_credit_stream,
)
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first item taken to the last one offered."""
    return cycles_credit_stream(
        parameters["Depth"], parameters["DataLatency"], parameters["CreditLatency"], case["items"]
    )


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    An item takes the wire for a cycle and needs the credit of the item `Depth` before it, which is
    back a round trip after that item was sent.
    """
    data, back = parameters["DataLatency"], parameters["CreditLatency"]
    b = ProgramBuilder("credit_link")
    wire = b.resource("wire")
    item = b.op("item", holds=[(wire, 1)], latency=cycles_credit_latency(data), cause="bandwidth")
    trip = cycles_credit_round_trip(data, back)
    b.after(item, item, back=parameters["Depth"], anchor="start", delay=trip, cause="credit")
    with b.loop(case["items"], "items"):
        b.place(item)
    return b.build()
