"""A short run of the fuzzer, and proof that it would notice each kind of failure."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from archsim.errors import ConfigError
from tests.fuzz.guard import listen
from tests.fuzz.run import Tally, fuzz, input_of, message_problem, try_input
from tests.fuzz.targets import TARGETS, Target, warm_up

ROOT = Path(__file__).parents[2]


def run(*words):
    command = [sys.executable, "-m", "tests.fuzz.run", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_three_thousand_inputs():
    result = run("--inputs", "3000", "--seed", "7")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 failed" in result.stdout


@pytest.mark.slow
def test_one_hundred_thousand_inputs():
    result = run("--inputs", "100000", "--seed", "11")
    assert result.returncode == 0, result.stdout + result.stderr


def test_inputs_depend_on_seed_target_and_index_alone():
    for target in TARGETS:
        first = [input_of(target, 3, index) for index in range(20)]
        assert [input_of(target, 3, index) for index in range(20)] == first
        assert [input_of(target, 4, index) for index in range(20)] != first


def test_inputs_are_of_both_kinds(monkeypatch, tmp_path):
    warm_up()
    monkeypatch.chdir(tmp_path)
    for target in TARGETS:
        if target.may_load or target.name == "bytes":
            continue
        tally, failures = fuzz([target], 300, 5, 10.0)
        assert not failures
        assert tally.refused > 20, target.name
        assert tally.accepted > 5, target.name


def broken(read):
    return Target("broken", 1, lambda rng: str(rng.random()), read)


def raise_key_error(text):
    raise KeyError(text)


def spin(_):
    while True:
        pass


def exhaust(_):
    raise MemoryError


def recurse(text):
    recurse(text)


def spawn(_):
    subprocess.run(["true"], check=True)


def evaluate(_):
    eval("1 + 1")


def write(_):
    (ROOT / "pwned").write_text("x")


def two_lines(_):
    error = ConfigError("x")
    error.args = ("two\nlines",)
    raise error


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (raise_key_error, "KeyError"),
        (spin, "Hang"),
        (exhaust, "MemoryError"),
        (recurse, "RecursionError"),
        (spawn, "subprocess.Popen"),
        (evaluate, "compile"),
        (write, "Escape: open"),
        (two_lines, "not one printable line"),
    ],
)
def test_failures_are_noticed(read, problem, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    listen()
    start = time.monotonic()
    failure = try_input(broken(read), 0, 0, 0.2, Tally())
    assert time.monotonic() - start < 5
    assert failure is not None
    assert problem in str(failure)
    assert "again: python -m tests.fuzz.run --seed 0 --only broken:0" in str(failure)
    assert not (ROOT / "pwned").exists()


def test_a_swallowed_escape_is_noticed():
    def swallow(_):
        try:
            subprocess.run(["true"], check=True)
        except BaseException:
            return

    listen()
    failure = try_input(broken(swallow), 0, 0, 5.0, Tally())
    assert failure is not None
    assert "subprocess.Popen" in failure.problem


def test_too_many_failures_end_the_run():
    _, failures = fuzz([broken(raise_key_error)], 1000, 0, 5.0)
    assert len(failures) == 10


def test_bad_messages():
    assert message_problem("fine → ≥") is None
    assert message_problem("") is not None
    assert message_problem("x" * 5000) is not None
    assert message_problem("a\ud800") is not None


def test_only_one_input_can_be_repeated():
    result = run("--seed", "3", "--only", "expression:12")
    assert result.returncode == 0
    assert "1 accepted, 0 refused" in result.stdout or "0 accepted, 1 refused" in result.stdout
