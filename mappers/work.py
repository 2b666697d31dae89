"""One unit of work for an engine operation: holds, latency, counts and expressions together.

Mappers ask components for services and turn them into operations; this is the form in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.components.base import BoundComponent, Service
    from archsim.machine import Machine
    from archsim.program import OpRef, ProgramBuilder

CountKey = tuple[str, str, str]
"""(component, action, number format)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one operation does.

    Attributes
    ----------
    holds
        ``(resource, occupancy in ps, unrounded occupancy expression)``; all start together.
    latency_ps, latency_expr
        Time from start to result.
    counts
        Actions of one instance.
    cause
        Cause label of the time spent.
    num_bytes
        Bytes moved by a transfer; 0 for other work.
    """

    holds: tuple[tuple[str, int, str | None], ...]
    latency_ps: int
    latency_expr: str | None = None
    counts: Mapping[CountKey, int] = field(default_factory=dict)
    cause: str = "compute"
    num_bytes: int = 0

    @property
    def occupancies(self) -> dict[str, int]:
        """Occupancy by resource, ps."""
        return {resource: occupancy for resource, occupancy, _ in self.holds}

    def define(self, builder: ProgramBuilder, name: str, tags: Mapping[str, str]) -> OpRef:
        """Define an operation of a program that does this work."""
        return builder.op(
            name,
            holds=[(builder.resource(resource), ps) for resource, ps, _ in self.holds],
            latency=self.latency_ps,
            cause=self.cause,
            counts=dict(self.counts),
            tags=dict(tags),
            occupancy_expr=[expression for _, _, expression in self.holds],
            latency_expr=self.latency_expr,
        )


def in_turn(works: Sequence[Work], cause: str) -> Work:
    """Return the work of doing several things one after the other on the same resources.

    Occupancies add up by resource. The latency is that of the last one behind the occupancies of
    those before it, at least the longest occupancy.
    """
    if len(works) == 1:
        return replace(works[0], cause=cause)
    total: dict[str, int] = {}
    texts: dict[str, list[str] | None] = {}
    counts: dict[CountKey, int] = {}
    for work in works:
        for resource, occupancy, expression in work.holds:
            total[resource] = total.get(resource, 0) + occupancy
            known = texts.setdefault(resource, [])
            if expression is None or known is None:
                texts[resource] = None
            else:
                known.append(expression)
        for key, amount in work.counts.items():
            counts[key] = counts.get(key, 0) + amount
    before = [max((ps for _, ps, _ in work.holds), default=0) for work in works[:-1]]
    latency = sum(before) + works[-1].latency_ps
    parts = [_longest_expr(work) for work in works[:-1]] + [works[-1].latency_expr]
    return Work(
        tuple((resource, ps, _sum_expr(texts[resource])) for resource, ps in total.items()),
        latency,
        _sum_expr([part for part in parts if part is not None] if all(parts) else None),
        counts,
        cause,
    )


def _longest_expr(work: Work) -> str | None:
    return max(work.holds, key=lambda hold: hold[1])[2] if work.holds else None


def _sum_expr(parts: Sequence[str] | None) -> str | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else " + ".join(f"({part})" for part in parts)


def transfer_work(
    machine: Machine, source: str, target: str, num_bytes: int, format_name: str
) -> Work:
    """Return the work of moving bytes between two memory levels."""
    transfer = machine.transfer(source, target, num_bytes, format_name)
    return Work(
        tuple((hold.resource, hold.occupancy_ps, hold.expr) for hold in transfer.holds),
        transfer.latency_ps,
        transfer.latency_expr,
        transfer.counts,
        "bandwidth",
        num_bytes,
    )


def service_work(
    component: BoundComponent,
    action: str,
    shape: Mapping[str, int],
    format_name: str,
    cause: str = "compute",
) -> Work:
    """Return the work of one service of a component.

    A memory has one resource per direction, every other component one for all it does.
    """
    service: Service = component.service(action, shape, format_name)
    resources = component.resources()
    resource = next(iter(resources)) if len(resources) == 1 else component.resource(action)
    return Work(
        ((resource, service.occupancy_ps, service.occupancy_expr),),
        service.latency_ps,
        service.latency_expr,
        service.counts,
        cause,
    )


def port_work(
    machine: Machine, action: str, parts: Sequence[tuple[int, str]], cause: str = "buffer"
) -> Work | None:
    """Return the work of reading or writing the innermost level.

    Parameters
    ----------
    machine
        The machine.
    action
        ``read`` or ``write``.
    parts
        ``(bytes, number format)`` of every tensor touched.
    cause
        Cause label.

    Returns
    -------
    Work or None
        None if nothing is moved.
    """
    level = machine.component(machine.innermost)
    works = [
        service_work(level, action, {"bytes": num_bytes}, name, cause)
        for num_bytes, name in parts
        if num_bytes
    ]
    return in_turn(works, cause) if works else None


def keep_work(machine: Machine, num_bytes: int, format_name: str) -> Work:
    """Return the work of writing a finished tile to its place in the innermost level."""
    work = port_work(machine, "write", [(num_bytes, format_name)], "bandwidth")
    return Work((), 0) if work is None else work


def apart(work: Work, level: str) -> tuple[Work, Work | None]:
    """Return a transfer without its hold on a level's port, and that hold as work of its own.

    Held from the same start, a port in use by the steps before would keep the transfer from running
    ahead of them.
    """
    near = tuple(hold for hold in work.holds if hold[0].partition(".")[0] == level)
    far = tuple(hold for hold in work.holds if hold not in near)
    if not near or not far:
        return work, None
    return replace(work, holds=far), Work(near, near[0][1], near[0][2], {}, "buffer")
