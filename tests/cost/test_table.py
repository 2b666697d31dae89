"""Cost tables: loading, choice of rows, exact arithmetic, and messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cost.loader import load_table, read_table, table_names
from archsim.cost.scaling import energy_factor
from archsim.cost.table import MARKS, EnergyTable, Row
from archsim.errors import ConfigError
from tests.components.samples import bound

MAC = {"quantity": "energy", "component": "systolic-array", "action": "mac", "format": "bf16"}


def row(value=1.0, **changes):
    return Row(**{**MAC, "value": value, "source": "test", "mark": "read", **changes})


def find(rows, *, node_nm=7.0, supply_v=0.75, format="bf16", **keys):
    table = EnergyTable("test", tuple(rows))
    return table.find(
        "energy", "systolic-array", "mac", format, node_nm=node_nm, supply_v=supply_v, **keys
    )


def test_shipped_tables():
    assert table_names() == ("default", "fusemax-45nm", "fusemax-paper-45nm")
    assert load_table("default") is load_table("default")
    with pytest.raises(ConfigError, match=r"unknown cost table; given 'defualt'.*mean 'default'"):
        load_table("defualt")


@pytest.mark.parametrize("name", ["default", "fusemax-45nm", "fusemax-paper-45nm"])
def test_every_row_has_source_mark_and_a_sane_value(name):
    for item in load_table(name).rows:
        assert len(item.source) > 8
        assert item.mark in MARKS
        assert item.value > 0 or name == "fusemax-paper-45nm"
        assert (item.mark != "estimate") or "estimate" in item.source


def test_known_figures():
    table = load_table("default")
    assert table.lookup("vector-unit", "mul", "fp32", 45, 0.9)[0] == 3.7
    assert table.lookup("vector-unit", "add", "fp16", 45, 0.9)[0] == 0.4
    pj, used = table.lookup("systolic-array", "mac", "bf16", 7, 0.75)
    assert (pj, used.mark, used.node_nm) == (0.59, "derived", 7.0)
    paper = load_table("fusemax-paper-45nm")
    assert paper.lookup("systolic-array", "mac", "fp16", 45, 0.9)[0] == 17.1645
    assert paper.lookup("vector-unit", "div", "fp16", 45, 1.0)[0] == 36.251153
    assert paper.lookup("sram", "read", "bf16", 45, 0.9)[0] * 512 == 14400
    assert paper.lookup("sram", "write", "bf16", 45, 0.9)[0] * 512 == 14400


def test_within_a_technology_values_are_used_as_they_are():
    figure = find([row(0.1, node_nm=7.0, supply_v=0.75)])
    assert (figure.value, figure.factor) == (0.1, 1.0)


def test_elsewhere_values_are_scaled_once():
    figure = find([row(2.0, node_nm=45.0, supply_v=0.9)])
    assert figure.value == 2.0 * energy_factor(45, 0.9, 7, 0.75)
    assert find([row(2.0)]).factor == 1.0


def test_the_rule_of_choice_in_order():
    exact = row(1.0, node_nm=45.0, supply_v=0.9)
    other = row(2.0, node_nm=7.0, supply_v=0.75, format="*")
    assert find([other, exact]).row is exact, "the exact format wins over any"
    near = row(3.0, node_nm=10.0, supply_v=0.9)
    assert find([exact, near]).row is near, "the nearest node wins"
    closer = row(4.0, node_nm=10.0, supply_v=0.8, mark="estimate")
    assert find([near, closer]).row is closer, "the nearest supply wins"
    trusted = row(5.0, node_nm=10.0, supply_v=0.8, mark="measured")
    assert find([closer, trusted]).row is trusted, "the more trusted mark wins"
    later = row(6.0, node_nm=10.0, supply_v=0.8, mark="measured")
    assert find([trusted, later]).row is trusted, "the earlier row wins"
    assert EnergyTable("t", (trusted,)).with_rows([later]).rows == (later, trusted)


@pytest.mark.parametrize(("wanted", "expected"), [(1, 8), (8, 8), (9, 32), (33, 32), (None, 32)])
def test_storage_takes_the_smallest_size_that_holds_it(wanted, expected):
    rows = [row(float(size), size_bytes=size) for size in (32, 8)]
    assert find(rows, size_bytes=wanted).value == expected


def test_missing_rows_are_named():
    with pytest.raises(ConfigError) as error:
        find([row()], format="int4")
    assert str(error.value) == (
        "cost table test has no energy of this format; given 'systolic-array/mac/int4'; "
        "allowed: bf16"
    )
    with pytest.raises(ConfigError, match="cost table test has no energy row; given 'sram/read"):
        EnergyTable("test", (row(),)).find("energy", "sram", "read", node_nm=7, supply_v=0.8)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=6), st.integers(-1000, 1000))
def test_changing_an_entry_changes_totals_by_count_times_delta(counts, step):
    table = load_table("default")
    used = table.find("energy", "systolic-array", "mac", "bf16", node_nm=7.0, supply_v=0.75).row
    # Values on a binary grid, so that float sums are exact and equality can be asserted.
    old, new = 0.5, 0.5 + step / 4096
    before = bound("array", table=table.with_value(used, old)).energy_pj("mac", "bf16")
    after = bound("array", table=table.with_value(used, new)).energy_pj("mac", "bf16")
    total = sum(counts)
    assert sum(count * after for count in counts) - sum(count * before for count in counts) == (
        total * (new - old)
    )
    others = [item for item in table.with_value(used, new).rows if item.value != new]
    assert set(others) <= set(table.rows)


def test_an_entry_that_is_not_there_cannot_change():
    with pytest.raises(ConfigError, match="has no such row"):
        load_table("default").with_value(row(), 2.0)


def test_rows_explain_themselves():
    used = load_table("default").find(
        "energy", "dram", "read", node_nm=7.0, supply_v=0.75, variant="hbm3"
    )
    assert used.row.name == "energy dram:hbm3/read/*"
    assert used.row.to_json()["unit"] == "pJ"
    assert used.factor == 1.0
    sized = load_table("default").find(
        "energy", "sram", "read", node_nm=7.0, supply_v=0.75, size_bytes=2**19
    )
    assert sized.row.name == "energy sram:1048576 B/read/* at 7 nm"
    assert sized.value == 14 / 8


GROUP = """
name: mine
groups:
  first:
    {source}
    mark: {mark}
    energy:
      {key}: {value}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "a row needs a source"),
        ({"mark": "guess"}, "is not one of the choices"),
        ({"value": "3"}, "the unit is missing"),
        ({"value": "3 W"}, "is a power, but an energy is wanted"),
        ({"key": "sram/read"}, "is not the key of a cost row"),
        ({"key": "/read/x"}, "is not the key of a cost row"),
    ],
)
def test_broken_tables_are_refused_with_a_place(changes, message):
    good = {"source": "source: test", "mark": "read", "key": "sram/read/*", "value": "3 pJ"}
    assert len(read_table(GROUP.format(**good)).rows) == 1
    with pytest.raises(ConfigError, match=message) as error:
        read_table(GROUP.format(**{**good, **changes}))
    assert error.value.location is not None
    assert error.value.location.line


def test_two_rows_of_one_key_are_refused():
    text = GROUP.format(source="source: test", mark="read", key="sram/read/*", value="3 pJ")
    again = "".join(text.partition("  first:")[1:]).replace("first", "second")
    with pytest.raises(ConfigError, match="two rows have one key"):
        read_table(text + again)


def test_a_table_may_come_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    text = GROUP.format(source="source: test", mark="read", key="sram/read/*", value="3 pJ")
    path.write_text(text, encoding="utf-8")
    assert read_table(str(path)).name == "mine"
