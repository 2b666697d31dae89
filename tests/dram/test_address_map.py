"""Address maps: every block has its own place, and a map that misses bits is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.address_map import NAMED, AddressMap
from archsim.dram.standard import load_standard
from archsim.errors import ConfigError

SMALL = ["hardware.organisation.rows=4", "hardware.organisation.columns=8"]
STANDARDS = {name: load_standard(name, SMALL) for name in ("ddr4-3200", "hbm3-6400", "ddr3-1600")}


def places(address_map, num_blocks):
    """Return the distinct (channel, fields) of all blocks."""
    where = address_map.decode(np.arange(num_blocks, dtype=np.int64))
    return np.unique(np.column_stack((where.channel, where.fields)), axis=0)


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize("name", STANDARDS)
@pytest.mark.parametrize("channels", [1, 4])
def test_a_named_map_is_one_to_one(text, name, channels):
    standard = STANDARDS[name]
    num_blocks = channels * standard.num_blocks
    address_map = AddressMap.of(standard, text, channels=channels)
    assert len(places(address_map, num_blocks)) == num_blocks
    assert 1 << address_map.num_bits == num_blocks


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(["channel", "rank", "bankgroup", "bank", "row", "column"]),
    low=st.integers(0, 3),
    folds=st.lists(
        st.sampled_from(["bank ^ row", "bankgroup ^ row>>1", "bankgroup ^ column>>1"]), max_size=3
    ),
)
def test_any_complete_map_is_one_to_one(order, low, folds):
    standard = STANDARDS["ddr4-3200"]
    text = " ".join([*order, f"column:{low}"])
    address_map = AddressMap.of(standard, text, folds, channels=2)
    assert len(places(address_map, 2 * standard.num_blocks)) == 2 * standard.num_blocks


def test_the_streaming_map_changes_group_each_block():
    where = AddressMap.of(load_standard("ddr4-3200"), "bank-group-interleave").decode(
        np.arange(8, dtype=np.int64)
    )
    assert where.fields[:, 1].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert where.fields[:, 4].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_xor_folds_rows_into_banks():
    standard = load_standard("ddr4-3200")
    plain = AddressMap.of(standard, "robaracoch")
    folded = AddressMap.of(standard, "robaracoch", ["bank ^ row"])
    step = plain.step("row")
    blocks = np.arange(4, dtype=np.int64) * step
    assert plain.decode(blocks).fields[:, 2].tolist() == [0, 0, 0, 0]
    assert folded.decode(blocks).fields[:, 2].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "folds", "words"),
    [
        ("row bank column", (), "does not cover all bits: missing bankgroup (2 bits)"),
        ("row bank bankgroup rank column:3 channel", (), "missing column (4 bits)"),
        ("row row bank bankgroup rank column channel", (), "more than the 16 bits of 'row'"),
        ("row bank bankgroup rank column column:8", (), "more than the 7 bits of 'column'"),
        ("row banks column", (), "unknown field"),
        ("robaracock", (), "unknown field"),
        ("robaracoch", ("bank + row",), "is no XOR"),
        ("robaracoch", ("bank ^ bank",), "cannot be folded into itself"),
        ("robaracoch", ("bank ^ rows",), "unknown field"),
    ],
)
def test_a_wrong_map_is_refused(text, folds, words):
    with pytest.raises(ConfigError) as caught:
        AddressMap.of(load_standard("ddr4-3200"), text, folds)
    assert words in str(caught.value)


def test_channels_are_a_power_of_two():
    with pytest.raises(ConfigError, match="power of two"):
        AddressMap.of(load_standard("ddr4-3200"), "robaracoch", channels=3)
