"""Feed seeded random inputs to everything that reads input.

``python -m tests.fuzz.run --inputs 100000 --seed 0``. Each input depends only on the seed, the
target and its index, so a failure is repeated by the command that is printed with it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.errors import ArchsimError
from tests.fuzz.guard import Escape, Hang, guarded, install
from tests.fuzz.targets import TARGETS, Target, warm_up

DEFAULT_TARGETS = [target.name for target in TARGETS if target.name != "simulation"]
MAX_FAILURES = 10
MAX_MESSAGE_CHARACTERS = 4000


@dataclass(frozen=True)
class Failure:
    """An input that did not end in success or in an ArchsimError."""

    target: str
    index: int
    seed: int
    text: str
    problem: str

    def __str__(self) -> str:
        return (
            f"FAILED {self.target}:{self.index}\n{self.problem}\ninput: {self.text!r:.2000}\n"
            f"again: python -m tests.fuzz.run --seed {self.seed} --only {self.target}:{self.index}"
        )


@dataclass
class Tally:
    """What came of the inputs."""

    accepted: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    slowest: str = ""


def input_of(target: Target, seed: int, index: int) -> str:
    """Return the input of a target at an index."""
    return target.generate(random.Random(f"{seed}/{target.name}/{index}"))


def try_input(
    target: Target, seed: int, index: int, seconds: float, tally: Tally
) -> Failure | None:
    """Read one input under guard; return what went wrong, if anything did."""
    text = input_of(target, seed, index)
    problem: str | None = None
    start = time.perf_counter()
    try:
        with guarded(seconds, may_load=target.may_load):
            target.read(text)
        tally.accepted += 1
    except ArchsimError as error:
        problem = message_problem(str(error))
        tally.refused += 1
    except (Exception, Hang, Escape):
        problem = traceback.format_exc(limit=-8)
    elapsed = time.perf_counter() - start
    if elapsed > tally.slowest_s:
        tally.slowest_s, tally.slowest = elapsed, f"{target.name}:{index}"
    return None if problem is None else Failure(target.name, index, seed, text, problem)


def message_problem(message: str) -> str | None:
    """Return what is wrong with a message: it must be one printable line of bounded length."""
    if len(message) > MAX_MESSAGE_CHARACTERS:
        return f"a message of {len(message)} characters: {message[:200]}"
    if not message.strip() or any(ord(c) < 0x20 or c in "\x7f\x85\u2028\u2029" for c in message):
        return f"a message that is not one printable line: {message!r}"
    try:
        message.encode("utf-8")
    except UnicodeEncodeError:
        return f"a message that cannot be printed: {message!a}"
    return None


def fuzz(
    targets: Sequence[Target], inputs: int, seed: int, seconds: float
) -> tuple[Tally, list[Failure]]:
    """Share the inputs among the targets by weight; stop after too many failures."""
    tally = Tally()
    failures: list[Failure] = []
    total = sum(target.weight for target in targets)
    for target in targets:
        for index in range(max(1, inputs * target.weight // total)):
            failure = try_input(target, seed, index, seconds, tally)
            if failure is not None:
                failures.append(failure)
                if len(failures) >= MAX_FAILURES:
                    return tally, failures
    return tally, failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fuzzer; 0 if nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="watchdog of one input")
    parser.add_argument("--memory-mib", type=int, default=4096, help="address space in all")
    parser.add_argument("--targets", default=",".join(DEFAULT_TARGETS))
    parser.add_argument("--only", metavar="TARGET:INDEX", help="repeat one input")
    chosen = parser.parse_args(arguments)
    by_name = {target.name: target for target in TARGETS}
    warm_up()
    install(chosen.memory_mib)
    # Inputs that write files do so in a folder of their own; so do the caches they fill.
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.update(HOME=folder, XDG_CACHE_HOME=folder, NUMBA_CACHE_DIR=folder)
        try:
            if chosen.only:
                name, _, index = chosen.only.partition(":")
                tally = Tally()
                found = try_input(by_name[name], chosen.seed, int(index), chosen.seconds, tally)
                failures = [] if found is None else [found]
            else:
                targets = [by_name[name] for name in chosen.targets.split(",")]
                tally, failures = fuzz(targets, chosen.inputs, chosen.seed, chosen.seconds)
        finally:
            os.chdir("/")
    for failure in failures:
        print(failure, end="\n\n")
    print(
        f"{tally.accepted} accepted, {tally.refused} refused, {len(failures)} failed; "
        f"slowest {tally.slowest_s:.2f} s ({tally.slowest})"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
