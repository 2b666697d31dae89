"""Trace readers: each format, its round trip, and the place of every malformed line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.dram.patterns import Pattern, Space, generate
from archsim.dram.traces import (
    FORMATS,
    Command,
    format_commands,
    read_commands,
    read_requests,
    write_requests,
)
from archsim.errors import ConfigError

LEVELS = ("rank", "bankgroup", "bank", "row", "column")
NAMES = ("ACT", "RD", "PREab")


def written(tmp_path, text):
    path = tmp_path / "trace.txt"
    path.write_text(text, encoding="utf-8")
    return path


def read(path, **changes):
    return read_requests(path, **{"bytes_per_block": 64, "num_blocks": 1024, **changes})


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("# mine\n\n0,R,0x40\n7, W ,128\n", [0, 7]),
        ("0x40 READ 0\n0x80 WRITE 7\n", [0, 7]),
        ("LD 0x40\nST 0x80\n", [0, 0]),
        ("0x40 R\n128 W\n", [0, 0]),
        ("0:\tread\t0x40\n7:\twrite\t0x80\n", [0, 7]),
    ],
)
def test_each_format(tmp_path, text, cycles):
    made = read(written(tmp_path, text), window=4)
    assert made.blocks.tolist() == [1, 2]
    assert made.writes.tolist() == [False, True]
    assert made.earliest_ticks.tolist() == cycles
    assert made.window == 4


@pytest.mark.parametrize("known", FORMATS, ids=lambda item: item.name)
def test_examples_belong_to_their_format_alone(known):
    assert [item for item in FORMATS if item.pattern.fullmatch(known.example)] == [known]


def test_own_format_round_trips(tmp_path):
    made = generate(Pattern("random", num_requests=300, write_percent=40, gap_ticks=3), Space(1024))
    path = tmp_path / "own.txt"
    with path.open("w", encoding="utf-8") as stream:
        write_requests(made, bytes_per_block=64, write=stream.write)
    again = read(path)
    assert np.array_equal(made.blocks, again.blocks)
    assert np.array_equal(made.writes, again.writes)
    assert np.array_equal(made.earliest_ticks, again.earliest_ticks)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("LD 0x40\nLD zz\n", 2, "no request of the loadstore format; given 'LD zz'"),
        ("load 4\n", 1, "no request of any known format"),
        ("\n\nLD 0x41\n", 3, "does not lie at the beginning of a burst; given '0x41'"),
        ("LD 0x40\nLD 0x100000\n", 2, "lies beyond the memory"),
        ("5,R,0\n4,R,0\n", 2, "cycle falls; given 4; allowed: 5 or later"),
        ("5,R,0\n6 R 0\n", 2, "no request of the archsim format"),
        ("LD 0x" + "0" * 500 + "\n", 1, "too long"),
        ("LD 0x00000000000000000\n", 1, "no request of any known format"),
    ],
)
def test_malformed_lines_are_named(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


def test_missing_and_empty_traces(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="holds no request"):
        read(written(tmp_path, "# nothing\n"))
    with pytest.raises(ConfigError, match="holds no command"):
        read_commands(written(tmp_path, ""), names=NAMES, levels=LEVELS)


@given(
    st.lists(
        st.builds(
            Command,
            st.integers(0, 10**12),
            st.sampled_from(NAMES),
            st.tuples(*[st.integers(-1, 10**6)] * len(LEVELS)),
            st.integers(0, 3),
        ),
        min_size=1,
    )
)
def test_command_traces_round_trip(tmp_path_factory, commands):
    commands = sorted(commands, key=lambda item: item.clock)
    path = written(tmp_path_factory.mktemp("trace"), format_commands(commands))
    assert read_commands(path, names=NAMES, levels=LEVELS) == commands


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("1,ACT,0,0,0,0,0\n2,RD,0,0,0,0\n", 2, "another number of fields"),
        ("1,ACTIVATE,0,0,0,0,0\n", 1, "no such command; given 'ACTIVATE'"),
        ("2,ACT,0,0,0,0,0\n1,RD,0,0,0,0,0\n", 2, "clock falls; given 1"),
        ("2,ACT,0,0,0,x,0\n", 1, "no whole number"),
        ("2,ACT,0,0,0,-2,0\n", 1, "no whole number"),
    ],
)
def test_malformed_commands_are_named(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_commands(path, names=NAMES, levels=LEVELS)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


def test_channels_have_clocks_of_their_own(tmp_path):
    path = written(tmp_path, "# x\n0,5,ACT,0,0,0,0,0\n1,2,ACT,0,0,0,0,0\n0,6,RD,0,0,0,0,1\n")
    made = read_commands(path, names=NAMES, levels=LEVELS)
    assert [(item.channel, item.clock) for item in made] == [(0, 5), (1, 2), (0, 6)]
    path = written(tmp_path, "0,5,ACT,0,0,0,0,0\n0,4,ACT,0,0,0,0,0\n")
    with pytest.raises(ConfigError, match="clock falls"):
        read_commands(path, names=NAMES, levels=LEVELS)
