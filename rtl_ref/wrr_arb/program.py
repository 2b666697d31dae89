"""The arbiter as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.components.arbiter_laws import cycles_wrr_drain, cycles_wrr_grant, wrr_grants
from archsim.engine import EventTiming, simulate_events
from archsim.program import Program, ProgramBuilder
from archsim.program.arbitration import Opening, weighted
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


def backlog(parameters: dict[str, int], case: Case) -> list[int]:
    """Return the transfers that each requester wants, all from the first cycle."""
    if "backlog" in case:
        return list(case["backlog"])
    return [case["rounds"] * weight for weight in case["weights"][: parameters["N"]]]


def simulate_requests(
    weights: Sequence[int], arrivals: Sequence[Sequence[int]], ready: str = "1"
) -> EventTiming:
    """Let the event kernel find the grants.

    Parameters
    ----------
    weights
        Transfers in a row of each requester.
    arrivals
        For each requester the cycle in which each of its transfers is first wanted.
    ready
        In which cycles transfers are taken, over and over.
    """
    b = ProgramBuilder("wrr_arb")
    bus = b.resource("bus")
    names = [f"transfer{index}" for index in range(len(weights))]
    for name, times in zip(names, arrivals, strict=True):
        with b.loop(len(times), name):
            b.place(b.op(name, holds=[(bus, 1)], latency=1, cause="bandwidth"))
    rule = weighted(
        weights,
        {name: index for index, name in enumerate(names)},
        opening=Opening.pattern(ready),
    )
    return simulate_events(
        b.build(), {"bus": rule}, arrivals_ps=dict(zip(names, arrivals, strict=True))
    )


def grants(timing: EventTiming) -> list[tuple[int, int]]:
    """Return who transferred and in which cycle, in order."""
    return [
        (int(grant.op.removeprefix("transfer")), grant.served.start_ps)
        for grant in timing.grants("bus")
    ]
