"""What ranks of a machine with computing memories send each other.

Ranks are joined by a switch: each sends its parts to all others at the same time, once to add them
up and once to hand the sums round, so a collective takes the time of its bytes on one link and the
latency of each turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsim.components.base import ANY_FORMAT
from mappers.closed_form import Phase, Tally
from mappers.gpu_collective import SHARED
from mappers.work import service_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json
    from workloads import Cascade


def ranks_of(options: Mapping[str, Json]) -> dict[str, int]:
    """Return the degrees of sharing of a run, 1 where it names none."""
    text = str(options.get("parallel", ""))
    found = dict(item.split("=") for item in text.split(",") if item)
    return {name: int(found.get(name, 1)) for name in ("tp", "pp", "ep")}


def behind_products(
    machine: Machine, cascade: Cascade, options: Mapping[str, Json]
) -> tuple[Phase, ...]:
    """Return what follows the products of a fragment among tensor-parallel ranks.

    Partial sums over shared heads or inner columns are added up; logits are gathered.
    """
    ranks = ranks_of(options)["tp"]
    if ranks == 1:
        return ()
    found = []
    for einsum in cascade.einsums:
        dims = einsum.matmul()
        if dims is None:
            continue
        num_bytes = cascade.tensor(dims.out).num_bytes(cascade)
        if einsum.op_class == "head":
            found.append(_sent(machine, "gather-logits", einsum.name, (ranks - 1) * num_bytes, 1))
        elif {name for name, _ in dims.k_variables} & SHARED:
            part = 2 * (ranks - 1) * num_bytes // ranks
            found.append(_sent(machine, "all-reduce", einsum.name, part, 2))
    return tuple(found)


def behind_lookup(
    machine: Machine, cascade: Cascade, options: Mapping[str, Json]
) -> tuple[Phase, ...]:
    """Return what follows an embedding: the sum over ranks, and hand-overs between stages."""
    ranks = ranks_of(options)
    lookups = [einsum for einsum in cascade.einsums if einsum.op_class == "embedding"]
    found = []
    for einsum in lookups:
        num_bytes = cascade.tensor(einsum.output.tensor).num_bytes(cascade)
        if ranks["tp"] > 1:
            part = 2 * (ranks["tp"] - 1) * num_bytes // ranks["tp"]
            found.append(_sent(machine, "all-reduce", einsum.name, part, 2))
        stages = range(1, ranks["pp"])
        found += [_sent(machine, f"send {n}", einsum.name, num_bytes, 1) for n in stages]
    return tuple(found)


def _sent(machine: Machine, name: str, einsum: str, num_bytes: int, turns: int) -> Phase:
    link = machine.component(machine.config.devices.link or "")
    work = service_work(link, "transfer", {"bytes": num_bytes}, ANY_FORMAT)
    tally = Tally()
    tally.add(einsum, work, 1)
    held = work.holds[0][1]
    wait = work.latency_ps - held
    texts = [text for text in (work.latency_expr, work.holds[0][2]) if text is not None]
    text = None
    if len(texts) == 2:
        text = f"({texts[0]}) + {turns - 1} * (({texts[0]}) - ({texts[1]}))"
    return Phase(f"{name}/{einsum}", held + turns * wait, "link", tally, text)
