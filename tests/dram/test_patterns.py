"""Access patterns: the published recipe, word for word, and what every pattern keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.patterns import (
    KINDS,
    OPTION_NAMES,
    Pattern,
    Space,
    generate,
    generate_all,
    parse_patterns,
)
from archsim.dram.sequences import draws, zipf_ranks
from archsim.errors import ConfigError

MASK = (1 << 64) - 1


class Plain:
    """The recipe as it is written, one request at a time."""

    def __init__(self, seed):
        self.x = seed

    def draw(self):
        self.x = (6364136223846793005 * self.x + 1442695040888963407) & MASK
        return self.x


def plain(p, space):
    m, a, b = space.num_blocks, Plain(p.seed), Plain(p.seed + 1000003)
    words = {"row": space.row_step, "column": space.column_step}
    row, column, step = (words.get(item, item) for item in (p.row_step, p.column_step, p.step))
    footprint = p.footprint or m
    base = reads = writes = 0
    for i in range(p.num_requests):
        is_write = bool(p.write_percent) and ((b.draw() >> 40) % 100) < p.write_percent
        if p.kind == "stream":
            block = i
        elif p.kind == "stride":
            block = i * step
        elif p.kind == "random":
            block = (a.draw() >> 20) % footprint
        elif p.kind == "pingpong":
            block = (i % p.rows) * row + (i // p.rows % p.columns) * column
        elif p.kind == "chunk":
            if i % p.length == 0:
                base = ((a.draw() >> 20) % (footprint // p.length)) * p.length
            block = base + i % p.length
        else:
            is_write = i // p.length % 2 == 1
            if is_write:
                block, writes = m // 2 + writes, writes + 1
            else:
                block, reads = reads, reads + 1
        yield block % m, is_write


@st.composite
def spaces(draw):
    return Space(
        draw(st.integers(1 << 10, 1 << 30)),
        draw(st.integers(1, 1 << 12)),
        draw(st.integers(1, 1 << 6)),
    )


@st.composite
def patterns(draw, kinds=KINDS):
    steps = st.one_of(st.integers(1, 5000), st.sampled_from(["row", "column"]))
    return Pattern(
        draw(st.sampled_from(kinds)),
        num_requests=draw(st.integers(1, 400)),
        seed=draw(st.integers(0, 2**63 - 1)),
        write_percent=draw(st.integers(0, 100)),
        step=draw(steps),
        row_step=draw(steps),
        column_step=draw(steps),
        columns=draw(st.integers(1, 64)),
        rows=draw(st.integers(1, 8)),
        length=draw(st.integers(1, 64)),
        footprint=draw(st.one_of(st.just(0), st.integers(64, 1024))),
        skew=draw(st.integers(1, 300)),
        gap_ticks=draw(st.integers(0, 50)),
    )


@settings(max_examples=150, deadline=None)
@given(patterns([kind for kind in KINDS if kind != "zipf"]), spaces())
def test_patterns_follow_the_recipe(pattern, space):
    made = generate(pattern, space)
    assert list(zip(made.blocks.tolist(), made.writes.tolist(), strict=True)) == list(
        plain(pattern, space)
    )


@settings(max_examples=60, deadline=None)
@given(patterns(), spaces())
def test_every_pattern_stays_in_the_memory_and_repeats(pattern, space):
    made, again = generate(pattern, space), generate(pattern, space)
    assert made.blocks.min() >= 0
    assert made.blocks.max() < space.num_blocks
    assert len(made.blocks) == len(made.writes) == pattern.num_requests
    assert made.earliest_ticks.tolist() == [
        i * pattern.gap_ticks for i in range(pattern.num_requests)
    ]
    assert np.array_equal(made.blocks, again.blocks)
    assert np.array_equal(made.writes, again.writes)
    if pattern.footprint and pattern.kind in ("random", "zipf", "chunk"):
        assert made.blocks.max() < pattern.footprint


@settings(max_examples=60, deadline=None)
@given(patterns())
def test_text_form_round_trips(pattern):
    assert parse_patterns(str(pattern)) == (pattern,)


def test_published_first_requests():
    # Recorded with Ramulator 2.1, GDDR6 rand50: (group, bank, row, column) of the first three
    # reads; map B has,
    # from the lowest bit, group 2, column 6, bank 2, row 14 bits.
    made = generate(Pattern("random", write_percent=50, seed=4, num_requests=3), Space(1 << 24))
    fields = [(b & 3, b >> 8 & 3, b >> 10, b >> 2 & 63) for b in made.blocks.tolist()]
    assert fields == [(3, 2, 12496, 38), (3, 0, 614, 43), (0, 3, 14327, 28)]


@given(st.integers(0, 2**64 - 1), st.integers(0, 200))
def test_bulk_draws_are_the_generator(seed, count):
    one = Plain(seed)
    assert draws(seed, count).tolist() == [one.draw() for _ in range(count)]


def test_draws_go_on_across_blocks():
    one = Plain(7)
    assert draws(7, 70_000)[-1] == [one.draw() for _ in range(70_000)][-1]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.4])
@pytest.mark.parametrize("footprint", [1, 37, 1000, 200_000])
def test_zipf_frequencies(exponent, footprint):
    places = zipf_ranks(draws(3, 200_000), footprint, exponent)
    counts = np.sort(np.bincount(places, minlength=footprint))[::-1]
    weights = np.arange(1, footprint + 1, dtype=float) ** -exponent
    expected = 200_000 * weights / weights.sum()
    for rank in range(min(3, footprint)):
        assert counts[rank] == pytest.approx(expected[rank], rel=0.1, abs=5 * expected[0] ** 0.5)
    half = footprint // 2 + 1
    assert counts[:half].sum() >= 0.95 * expected[:half].sum()


def test_patterns_follow_one_another():
    parts = parse_patterns("stream:n=3,gap=10 + stride:n=2,step=row,gap=5")
    made = generate_all(parts, Space(4096, row_step=256))
    assert made.blocks.tolist() == [0, 1, 2, 0, 256]
    assert made.earliest_ticks.tolist() == [0, 10, 20, 30, 35]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strem", "did you mean 'stream'"),
        ("stride:stp=4", "did you mean 'step'"),
        ("stride:step=far", "a whole number, row or column"),
        ("stride:step=0", "option step of pattern stride is out of range; given 0"),
        ("random:n=0", "option n of pattern random is out of range; given 0"),
        ("random:n", "pattern random has no such option; given 'n'"),
        ("random:write=101", "given 101; allowed: 0 to 100"),
        ("random:n=1e4", "option n needs a number; given '1e4'"),
        ("stream+", "there is no such pattern; given ''"),
    ],
)
def test_wrong_patterns_say_what_is_allowed(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_patterns(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random:footprint=5000", "larger than the memory; given 5000"),
        ("chunk:footprint=8,length=9", "smaller than one run; given 8"),
        ("random:window=4 + stream", "need the same window"),
    ],
)
def test_patterns_that_do_not_fit(text, message):
    with pytest.raises(ConfigError) as caught:
        generate_all(parse_patterns(text), Space(4096))
    assert message in str(caught.value)


def test_every_option_has_a_text_form():
    assert {"n", "seed", "write", "step", "length", "footprint", "gap", "window"} <= set(
        OPTION_NAMES
    )
