"""The command line. It parses, calls and prints; it holds no model of anything.

Nothing heavy is imported before a command needs it, so that ``archsim --help`` is instant.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``archsim`` and return its exit code.

    Parameters
    ----------
    arguments
        Words after the program's name; those of the process by default.

    Returns
    -------
    int
        0 done, 2 bad input, 3 infeasible, 4 a bar was missed, 5 not run, 130 interrupted.
    """
    from archsim.cli.entry import run

    return run(arguments)
