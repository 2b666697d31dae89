"""Rules of folding, summaries and the walk, broken one at a time, to see that a test notices.

``python -m tests.engine.mutants`` breaks every rule in turn, runs random and directed programs on
the kernel as plain Python until one of them differs from the interpreter, and prints which. A rule
that nothing notices is an error, unless it is listed with the reason why nothing can.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType

from archsim.engine import (
    folding,
    interpret,
    kernel,
    lowering,
    path_walk,
    recall,
    recurrence,
    run,
    run_program,
    summaries,
)
from archsim.errors import ArchsimError
from archsim.program import Program
from tests.engine.comparison import check_places
from tests.engine.directed import directed_programs
from tests.engine.generators import generate
from tests.engine.recurring import recurring_programs

MODULES = (kernel, folding, recurrence, summaries, recall, lowering, path_walk, run)
"""Where a broken function may be called from."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule and how to break it: text of one function, replaced.

    ``excuse`` says why no program can show that the rule is broken.
    """

    rule: str
    module: ModuleType
    function: str
    old: str
    new: str
    excuse: str = ""


MUTANTS = (
    Mutant(
        "a source that catches up ends a jump",
        folding,
        "catch_up",
        "if rate > 0:",
        "if rate > (1 << 60):",
    ),
    Mutant(
        "the bound of a jump is not two periods too long",
        folding,
        "catch_up",
        "(slack - 1) // rate",
        "(slack - 1) // rate + 2",
    ),
    Mutant(
        "a tie ends a jump: the first asked wins it",
        folding,
        "catch_up",
        "(slack - 1) // rate",
        "slack // rate",
    ),
    Mutant(
        "a period repeats every start that may be looked at",
        folding,
        "matches",
        "!= advance:\n                return False",
        "!= advance:\n                pass",
    ),
    Mutant(
        "a period repeats the releases of its resources",
        folding,
        "resources_match",
        "author != mem[at + 1] or mem[slot] - mem[at] != moved",
        "author != mem[at + 1]",
    ),
    Mutant(
        "a loop whose index sets a trip inside is not folded",
        lowering,
        "_tree",
        "is_index_used = True",
        "is_index_used = False",
    ),
    Mutant(
        "every start that may be looked at was made before the period",
        folding,
        "conclude",
        "(skipped or mem[at] + 1 < mem[op + NEED])",
        "skipped",
        "the comparison of rings already asks for it: an entry not yet written, minus infinity, "
        "is no start moved by an advance, and operations that did not run twice as far are left "
        "out of the guess; it is kept as the proof names it",
    ),
    Mutant(
        "a wait skipped in the period for lack of instances stops the jump",
        folding,
        "conclude",
        "(skipped or mem[at] + 1 < mem[op + NEED])",
        "mem[at] + 1 < mem[op + NEED]",
    ),
    Mutant(
        "a loop inside one that is recorded leaves its last period to be simulated",
        folding,
        "leap",
        "copies -= 1",
        "pass",
    ),
    Mutant(
        "what decided an instance goes on to do so",
        folding,
        "prove",
        "bound = 0",
        "pass",
    ),
    Mutant(
        "no start reaches the limit of time by a jump",
        folding,
        "fits",
        "return False",
        "pass",
        "the next start, or the end of the run, is refused in its place; it keeps the integers of "
        "compiled code from wrapping",
    ),
    Mutant(
        "time zero decides nothing that recurs",
        recurrence,
        "floors",
        "if floor <= 0:",
        "if floor < 0:",
    ),
    Mutant(
        "time zero decided nothing in the period",
        recurrence,
        "moved_alike",
        "mem[resource + FLOOR] <= advance",
        "mem[resource + FLOOR] < 0",
        "the increments before the snapshot are compared as well, so that every operation had "
        "advanced by then and left zero behind",
    ),
    Mutant(
        "every server moved in the period",
        recurrence,
        "moved_alike",
        "mem[mem[loop + DELTA] + mem[slot + AUTHOR]] != advance",
        "False",
    ),
    Mutant(
        "everything that ran moved by the same",
        recurrence,
        "moved_alike",
        "if moved != advance:",
        "if moved > (1 << 60):",
        "no program was found in 6,000: an operation that moves less than the last holder of its "
        "resources falls behind it in program order, which a state that matches hardly allows",
    ),
    Mutant(
        "a wait that applies from some iteration on applied in the period",
        recurrence,
        "recurs",
        "mem[source + MOVED] - mem[con + ENTRY] < mem[con + BACK]",
        "False",
    ),
    Mutant(
        "a key has the releases",
        summaries,
        "make_key",
        "mem[key] = mem[slot] - latest",
        "mem[key] = 0",
    ),
    Mutant(
        "a key says who held a server",
        summaries,
        "make_key",
        "mem[key + 1] = mem[slot + AUTHOR]",
        "mem[key + 1] = mem[resource + LAST_AUTHOR] * 0",
    ),
    Mutant(
        "a key has the starts that may decide something",
        summaries,
        "key_of_source",
        "if time > old else MINUS_INFINITY",
        "if time > NO_BOUND else MINUS_INFINITY",
    ),
    Mutant(
        "a start is too old only if resources come free after it",
        recurrence,
        "earliest",
        "return floor",
        "return floor + 20",
    ),
    Mutant(
        "what a start is too old for counts its delay",
        summaries,
        "key_of_source",
        "- mem[mem[wait] + WEIGHT]",
        "",
    ),
    Mutant(
        "a key says how many instances a scoped wait has",
        summaries,
        "make_key",
        "mem[key] = known if known < mem[con + BACK] else mem[con + BACK]",
        "mem[key] = 0",
    ),
    Mutant(
        "a key has the trips inside that depend on loops outside",
        summaries,
        "make_key",
        "mem[key] = trip_of(mem, mem[entry])",
        "mem[key] = 0",
    ),
    Mutant(
        "time zero decides nothing in a summary",
        recurrence,
        "floors",
        "return -1",
        "mem[resource + FLOOR] = floor",
    ),
    Mutant(
        "a summary jumps only as its own activation proved",
        summaries,
        "is_settled",
        "return False",
        "pass",
    ),
    Mutant(
        "a summary is no longer than the activation",
        recall,
        "look_up",
        "mem[area + SPAN] <= trip",
        "True",
    ),
    Mutant(
        "a summary jumps no further than its bound",
        recall,
        "apply",
        "if mem[area + REACH] < copies:",
        "if False:",
    ),
    Mutant(
        "no summary is applied while a loop around is recorded",
        recall,
        "recall",
        "if mem[NUM_RECORDING] > 0:",
        "if mem[NUM_RECORDING] > 99:",
    ),
    Mutant(
        "a summary counts every instance",
        recall,
        "push_starts",
        "mem[op + SHIFT] += count - kept",
        "pass",
    ),
    Mutant(
        "a summary moves the numbers of those that hold a server",
        recall,
        "put_releases",
        "mem[slot + NUMBER] = mem[at + 2] + mem[op + MOVED]",
        "mem[slot + NUMBER] = mem[at + 2]",
    ),
    Mutant(
        "a reference moves the numbers of operations outside",
        recall,
        "refer",
        "refer_one(mem, jumps, mem[entry], 0, area, spare, place)",
        "pass",
    ),
    Mutant(
        "a reference moves the numbers of other holders",
        recall,
        "refer",
        "if mem[op + STAMP] != mem[MOVES] + 1:",
        "if False:",
    ),
    Mutant(
        "a copy of a summary's period is crossed apart from the whole",
        path_walk,
        "_Walk.enter",
        "depth > 1 and copies[depth - 2].jump % 2",
        "False",
    ),
    Mutant(
        "a repeat leaves the activations inside it",
        path_walk,
        "_Walk.repeat",
        "self.open.pop()",
        "break",
    ),
)
"""Every rule."""


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """Break a rule for a while.

    Raises
    ------
    ValueError
        The text to replace is not there once.
    """
    owner: object = mutant.module
    *outer, name = mutant.function.split(".")
    for part in outer:
        owner = getattr(owner, part)
    good: FunctionType = getattr(owner, name)
    source = inspect.cleandoc("\n" + inspect.getsource(good))
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.function} has {mutant.old!r} {source.count(mutant.old)} times")
    space: dict[str, object] = {}
    code = compile(
        "from __future__ import annotations\n" + source.replace(mutant.old, mutant.new),
        name,
        "exec",
    )
    exec(code, mutant.module.__dict__, space)
    bad = space[name]
    places = [owner] if outer else [m for m in MODULES if getattr(m, name, None) is good]
    for place in places:
        setattr(place, name, bad)
    lowering._last.clear()
    try:
        yield
    finally:
        for place in places:
            setattr(place, name, good)
        lowering._last.clear()


def is_right(program: Program) -> bool:
    """Whether a folded run, with its log and summaries, is what the interpreter says."""
    reference = interpret(program)
    try:
        timing = run_program(program, backend="python", max_ops=10**6)
        for op, name in enumerate(program.ops):
            if timing.starts_ps(name) != [each.start_ps for each in reference.instances[op]]:
                return False
        check_places(reference, timing)
        lean = run_program(program, backend="python", path=False, max_ops=10**6)
        return (
            lean.last_starts_ps == timing.last_starts_ps
            and timing.makespan_ps == reference.makespan_ps
            and dict(timing.weight_counts) == dict(Counter(reference.path()))
        )
    except (ArchsimError, AssertionError, ArithmeticError, LookupError):
        return False


def programs(count: int) -> Iterator[Program]:
    """Yield what rules are tested with: directed programs first, then ``count`` random ones."""
    yield from recurring_programs()
    yield from directed_programs()
    for seed in range(count // 3):
        for kind in "CAB":
            yield generate(kind, 60_000 + seed)


def killer(mutant: Mutant, count: int) -> str | None:
    """Return the first program that shows a broken rule, None if none does."""
    with broken(mutant):
        for program in programs(count):
            if not is_right(program):
                return program.name
    return None


def main() -> int:
    """Break every rule and report; 1 if a test misses one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=3000, help="random programs for each rule")
    parser.add_argument("--rule", default="", help="only rules that contain this")
    given = parser.parse_args()
    missed = 0
    for mutant in MUTANTS:
        if given.rule not in mutant.rule:
            continue
        begun = time.process_time()
        found = killer(mutant, given.programs)
        missed += found is None and not mutant.excuse
        verdict = found or ("no program can: " + mutant.excuse if mutant.excuse else "MISSED")
        spent = time.process_time() - begun
        sys.stdout.write(f"{mutant.rule}: {verdict} ({spent:.0f} s)\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
