"""The arbiter as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.arbiter_laws import cycles_wrr_drain, cycles_wrr_grant, wrr_grants
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles until the backlog is moved; without one, of `rounds` full rounds."""
    weights = case["weights"]
    if len(weights) != parameters["N"]:
        raise ValueError(f"{len(weights)} weights for {parameters['N']} requesters")
    if "backlog" in case:
        return cycles_wrr_drain(weights, case["backlog"])
    last = len(weights) - 1
    return cycles_wrr_grant(weights, last, case["rounds"] * weights[last] - 1) + 1


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case: transfers over one bus in the order of the grants."""
    b = ProgramBuilder("wrr_arb")
    bus = b.resource("bus")
    transfers = [
        b.op(f"transfer{index}", holds=[(bus, 1)], latency=1, cause="bandwidth")
        for index, weight in enumerate(case["weights"])
        if weight and ("backlog" not in case or case["backlog"][index])
    ]
    if "backlog" in case:
        names = [index for index, size in enumerate(case["backlog"]) if size]
        for index in wrr_grants(case["weights"], case["backlog"]):
            b.place(transfers[names.index(index)])
    else:
        with b.loop(case["rounds"], "rounds"):
            for index in range(parameters["N"]):
                with b.loop(case["weights"][index], "turn"):
                    b.place(transfers[index])
    return b.build()
