"""Command traces of Ramulator 2.1 (commit c5b1c3a), reproduced command for command.

Recorded with map B, all-bank refresh and FR-FCFS: first 16 hex digits of the SHA-256 of the lines
``clock,NAME,fields``, cycle of the last event, number of commands.
"""

from __future__ import annotations

import hashlib

import pytest

from archsim.dram.memory import load_memory

PATTERNS = (
    "stream:n=2000,write=33,seed=12",
    "random:n=2000,write=50,seed=4",
    "copy:n=2000,length=16",
    "chunk:n=2000,length=16,seed=36",
)

GOLDEN = {
    "ddr4-3200": (
        ("b122f27d63d0e7bc", 8971, 2016),
        ("fa46fddb270747d7", 19095, 5977),
        ("9586f639fbd28ad3", 11498, 2528),
        ("ea08a374be40d4c6", 8627, 3418),
    ),
    "ddr5-4800-ramulator": (
        ("a467a2b90ae71559", 18455, 2042),
        ("fc342ff4266047b4", 26640, 5934),
        ("03b7e7567dd96ad9", 23904, 3060),
        ("0e72d3f268c5c771", 17390, 4599),
    ),
    "lpddr5-6400": (
        ("108ce30ade6fd94d", 5090, 2117),
        ("bc9f4a974936c724", 12040, 8106),
        ("aee75b31b3d21c92", 7232, 2907),
        ("7e24923e2ac4fa69", 4890, 3928),
    ),
    "gddr6-14000-ramulator": (
        ("af6a8cfc13c6c780", 5614, 2046),
        ("43010c97248c0a9f", 18995, 5951),
        ("3bbb6d05f2dfff8b", 8527, 2576),
        ("448f87b7d46b9c01", 5445, 2979),
    ),
    "hbm2-2000-ramulator": (
        ("5752abf4dafad7ee", 2796, 2096),
        ("5b3388c99a8833a2", 6992, 5944),
        ("9a56f2e19c7aec29", 4518, 3106),
        ("5eb9d9b0b093cee0", 3370, 3968),
    ),
    "hbm3-6400": (
        ("60ee8b2c37d42230", 6533, 2096),
        ("8d482390cf155a70", 20719, 5951),
        ("3d5831f6da0bdecf", 13473, 3073),
        ("f762a571974507e3", 8419, 3970),
    ),
}

FIRST_DDR4 = "1,ACT,0,0,0,0,0 5,ACT,0,1,0,0,0 9,ACT,0,2,0,0,0 13,ACT,0,3,0,0,0 23,WR,0,0,0,0,0"


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_the_recorded_commands_come_out(name, number):
    memory = load_memory(name)
    run = memory.run(memory.requests_of_pattern(PATTERNS[number]), log_commands=True)
    text = run.commands.lines(memory.standard)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert (digest, run.ticks, len(run.commands.tick)) == GOLDEN[name][number]


def test_the_first_commands_in_full():
    memory = load_memory("ddr4-3200")
    run = memory.run(memory.requests_of_pattern(PATTERNS[0]), log_commands=True)
    assert run.commands.lines(memory.standard).splitlines()[:5] == FIRST_DDR4.split()
