"""Batches of different lengths: dealt evenly, equal to the plain operation where they are alike."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mapping import Infeasible
from archsim.pim.batch import deal, run_batch
from archsim.pim.checker import check
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, run_operation

LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=20)


@given(lengths=LENGTHS, heads=st.integers(1, 12), channels=st.integers(1, 20))
def test_every_head_is_dealt_once_and_evenly(lengths, heads, channels):
    dealt = deal(lengths, heads, channels)
    assert len(dealt) == channels
    found = Counter(tokens for part in dealt for tokens in part)
    assert found == Counter({tokens: heads * count for tokens, count in Counter(lengths).items()})
    loads = [sum(part) for part in dealt]
    assert max(loads) - min(loads) <= max(lengths)


@settings(max_examples=10, deadline=None)
@given(tokens=st.integers(1, 600), turns=st.integers(1, 5))
def test_alike_requests_are_the_plain_operation(tokens, turns):
    device = load_device("attacc-bank")
    batch = run_batch(device, [tokens] * turns, 128, 16, 16)
    plain = run_operation(device, Attention(tokens, 128, 16, 16, requests=turns))
    # Where a head begins differs, so a row may or may not be shared.
    assert abs(batch.ticks - plain.ticks) <= 46 * turns + 440
    assert (batch.simulated, batch.busy_channels) == (1, 16)
    assert batch.balance == 1


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 500), min_size=2, max_size=6))
def test_a_longer_request_never_takes_less(lengths):
    device = load_device("attacc-bank", ["hardware.controller.refresh=none"])
    plain = run_batch(device, lengths, 128, 1, 1)
    longer = run_batch(device, [*lengths[:-1], lengths[-1] + 2048], 128, 1, 1)
    assert longer.ticks > plain.ticks


def test_a_batch_past_the_capacity():
    device = load_device("attacc-bank")
    found = run_batch(device, [200_000] * 4, 128, 96, 96)
    assert isinstance(found, Infeasible)
    assert found.need > found.have


def test_shared_keys_take_less_room():
    device = load_device("attacc-bank")
    many = run_batch(device, [512, 300], 128, 16, 16)
    few = run_batch(device, [512, 300], 128, 16, 2)
    assert few.stored_bytes * 8 == many.stored_bytes
    assert few.ticks == many.ticks


def test_every_vector_is_moved():
    device = load_device("attacc-bank")
    plain = run_operation(device, Attention(5000, 128, 17, 17))
    assert plain.commands["WRGB"] == 17 * 8
    assert plain.commands["MVGB"] == 17 * 8 * -(-5000 // 256)


def test_uneven_pairs_are_legal():
    from archsim.pim import attacc
    from archsim.pim.commands import trace
    from archsim.pim.run import simulate
    from archsim.pim.segments import StreamWriter

    device = load_device("attacc-bank")
    heads = [
        attacc.Head(device, tokens, 128, 2, place << 14, 1, attacc.VALUES_AT_BYTES + (place << 14))
        for place, tokens in enumerate((1900, 70, 300, 2500, 1))
    ]
    stream = StreamWriter(device).write(attacc.heads_in_turn(heads))
    run = simulate(device, stream, log_commands=True)
    assert check(device.standard, trace(device, stream, run)).violations == []
