"""A progress bar on the terminal for runs of many passes; silent everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]


@contextmanager
def progress_bar(label: str) -> Iterator[Report]:
    """Show how far a run is, on standard error, if that is a terminal and there is much to do.

    Parameters
    ----------
    label
        What runs.

    Yields
    ------
    callable
        To be called with the passes done and the passes in all.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: list[TaskID] = []

        def report(done: int, total: int) -> None:
            if total > 1:
                if not tasks:
                    tasks.append(bar.add_task(label, total=total))
                bar.update(tasks[0], completed=done)

        yield report


def _silent(done: int, total: int) -> None:
    """Report nothing."""
    del done, total
