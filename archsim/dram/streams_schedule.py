"""What a stream's program needs before it is written: lost slots, and where refreshes go."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SUPER_INTERVAL = 8
"""Refreshes over which two counts of sets alternate: within 0.07 % of a time-triggered refresh
for row times of 54 to 166 ns (computed over a grid of row times, intervals and refresh times)."""


def opening_ps(groups: int, step_ps: int, window_ps: int) -> tuple[int, ...]:
    """Return when the rows of a set open after its first one, if nothing else holds them up, ps.

    Parameters
    ----------
    groups
        Rows, one after another.
    step_ps
        Distance of two activations.
    window_ps
        Distance of an activation from the fourth before it; 0 for no such limit.
    """
    times: list[int] = []
    for group in range(groups):
        times.append(
            max(times[-1] + step_ps if times else 0, times[-4] + window_ps if group > 3 else 0)
        )
    return tuple(times)


def lost_ps(opening: tuple[int, ...], short_ps: int, long_ps: int, columns: int) -> int:
    """Return how far the bursts of a set fall behind an even spacing while its rows open, ps.

    Parameters
    ----------
    opening
        When the row of each group of the set opens, the first at 0, ps.
    short_ps, long_ps
        Distances of two bursts of different groups and of one group.
    columns
        Bursts of each row.

    Notes
    -----
    Whenever the data bus is free, the oldest burst, in the order round the groups, that an open
    group can serve goes first. When all rows are open, bursts come every `short_ps`.
    """
    served = [0] * len(opening)
    free_ps = list(opening)
    count = now_ps = 0
    while True:
        left = [group for group, done in enumerate(served) if done < columns]
        now_ps = max(now_ps, min(free_ps[group] for group in left))
        ready = [group for group in left if free_ps[group] <= now_ps]
        oldest = min(ready, key=lambda group: (served[group], group))
        served[oldest] += 1
        free_ps[oldest] = now_ps + long_ps
        if all(served):
            return now_ps - count * short_ps
        count += 1
        now_ps += short_ps


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
