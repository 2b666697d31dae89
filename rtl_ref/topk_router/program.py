"""The router as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.router_laws import cycles_router
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first logit to the last result."""
    return cycles_router(parameters["NumExperts"], case["tokens"])


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case: a logit a cycle, the result one cycle behind the last.

    The last logit of a token also waits until the result before it has been taken.
    """
    b = ProgramBuilder("topk_router")
    entry, leave = b.resource("entry"), b.resource("leave")
    logit = b.op("logit", holds=[(entry, 1)], latency=1)
    last = b.op("last_logit", holds=[(entry, 1)], latency=1)
    result = b.op("result", holds=[(leave, 0)])
    b.after(result, last)
    b.after(last, result, anchor="start")
    with b.loop(case["tokens"], "tokens"):
        with b.loop(parameters["NumExperts"] - 1, "logits"):
            b.place(logit)
        b.place(last)
        b.place(result)
    return b.build()
