"""What a stream's program needs before it is written: lost slots, and where refreshes go."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SUPER_INTERVAL = 8
"""Refreshes over which two counts of sets alternate: within 0.07 % of a time-triggered refresh
for row times of 54 to 166 ns (computed over a grid of row times, intervals and refresh times)."""


def lost_slots(groups: int, activate_ps: int, short_ps: int, long_ps: int) -> int:
    """Return the time that data bus slots stay empty while the rows of a set are opened, ps.

    Parameters
    ----------
    groups
        Bank groups of the set; their rows open one after another.
    activate_ps
        Distance of two activations.
    short_ps, long_ps
        Distances of two bursts of different groups and of one group.

    Notes
    -----
    A slot comes every `short_ps`. Group g has its row open from ``g * activate_ps`` on, counted
    from the first burst, and can serve a burst every `long_ps`. Each slot takes the oldest burst,
    in the order round the groups, that an open group can serve. Slots without one are lost.
    """
    served = [0] * groups
    free_ps = [group * activate_ps for group in range(groups)]
    slot_ps = lost_ps = 0
    while slot_ps < (groups - 1) * activate_ps:
        ready = [group for group in range(groups) if free_ps[group] <= slot_ps]
        if ready:
            oldest = min(ready, key=lambda group: (served[group], group))
            served[oldest] += 1
            free_ps[oldest] = slot_ps + long_ps
        else:
            lost_ps += short_ps
        slot_ps += short_ps
    return lost_ps


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """Where refreshes stand between the sets of a stream.

    Attributes
    ----------
    groups
        ``(repeat, ((sets, refreshes), …))``: so often, so many intervals of so many sets, each
        closed by a refresh. Two numbers of sets alternate, so that their mean meets the interval.
    rest
        Sets behind the last refresh, before the last set.
    """

    groups: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    rest: int

    @property
    def count(self) -> int:
        """Refreshes in all."""
        return sum(repeat * sum(times for _, times in parts) for repeat, parts in self.groups)

    @property
    def sets(self) -> int:
        """Sets in all, without the last."""
        return self.rest + sum(
            repeat * sum(sets * times for sets, times in parts) for repeat, parts in self.groups
        )


def spread(sets: int, refreshes: int, rest: int) -> RefreshPlan:
    """Return a plan that spreads refreshes evenly over sets.

    Parameters
    ----------
    sets
        Sets in all, without the last.
    refreshes
        Refreshes in all.
    rest
        Sets wanted behind the last refresh; what does not divide evenly is added to them.
    """
    if not refreshes:
        return RefreshPlan((), sets)
    span = max(0, sets - rest)
    length = min(MAX_SUPER_INTERVAL, refreshes)
    every = span * length // refreshes
    low, more = divmod(every, length)
    parts = tuple(
        (count, times) for count, times in ((low, length - more), (low + 1, more)) if times
    )
    whole, left = divmod(refreshes, length)
    groups = [(whole, parts)]
    if left:
        groups.append((1, ((low, left),)))
    plan = RefreshPlan(tuple(groups), 0)
    return RefreshPlan(plan.groups, sets - plan.sets)
