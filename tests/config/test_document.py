"""Documents: scalars, places, sources, estimates, arithmetic, extends."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.document import _REGISTRIES, load_document, parse_document
from archsim.config.emit import to_yaml
from archsim.config.tree import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, Node
from archsim.errors import ConfigError, Location
from archsim.registry import Registry
from tests.config.machine_model import MACHINE, machine_of


def parse(text, **options):
    return parse_document(text, kind="hardware", file="f.yaml", **options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("1.0e9", 1e9),
        ("1e-9", 1e-9),
        ("1.0e+9", 1e9),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3),
        ("-0", 0),
        ("0", 0),
        ("0x10", 16),
        ("0o10", 8),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0x", "0x"),
        ("1e", "1e"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("'10'", "10"),
        ('"10"', "10"),
        ("940 MHz", "940 MHz"),
    ],
)
def test_yaml_1_2_scalars(text, value):
    loaded = parse(f"a: {text}").data["a"]
    assert loaded == value
    assert type(loaded) is type(value)


def test_equal_whatever_the_layout():
    flow = parse("{name: x, list: [1, 2], map: {b: 2, a: 1}}")
    block = parse("# comment\nmap:\n  a: 1\n  b: 2\nlist:\n- 1\n- 2\nname: 'x'\n")
    assert flow == block
    assert flow.content_hash == block.content_hash
    assert len(flow.content_hash) == 16
    assert parse("a: 1").content_hash != parse("a: 2").content_hash
    assert parse("a: 1").content_hash != parse("a: {value: 1, estimate: [1, 2]}").content_hash
    assert parse("a: 1").content_hash == parse("a: {value: 1, source: x}").content_hash


def test_places():
    document = parse("a:\n  - {name: first, n: 1}\n  - {name: second,\n     n: 2}\n'b.c': 3\n")
    assert document.location("hardware.a.second.n") == Location("f.yaml", 4, 9)
    assert document.key_location("hardware.a.second.n") == Location("f.yaml", 4, 6)
    assert document.location('hardware["b.c"]') == Location("f.yaml", 5, 8)
    assert document.location("hardware.a.second.nothing.below") == Location("f.yaml", 3, 5)
    assert document.location("hardware.nothing") == Location("f.yaml", 1, 1)


def test_items_with_a_common_name_are_addressed_by_index():
    document = parse("a: [{name: x, n: 1}, {name: x, n: 2}, {name: '0', n: 3}, 7]")
    assert {"hardware.a.0.n", "hardware.a.1.n", "hardware.a.2.n", "hardware.a.3"} <= set(
        document.locations
    )


def test_sources_are_resolved_for_every_number():
    document = parse(MACHINE)
    assert document.data["source"] == "data sheet, rev. 3"
    assert document.data["clocks"] == {"core": "940 MHz", "memory": "1.8 GHz"}
    assert "source" not in document.data["technology"]
    assert document.sources["hardware.technology.node"] == "a paper, table 2"
    assert document.sources["hardware.clocks.core"] == "data sheet, rev. 3"
    assert document.sources["hardware.clocks.memory"] == "measured"
    assert document.sources["hardware.components.dram.latency"] == "another data sheet"
    assert document.sources["hardware.components.array.columns"] == "data sheet, rev. 3"
    assert document.estimates == {"hardware.clocks.memory": ("1.6 GHz", "2 GHz")}
    assert document.unsourced() == ()
    assert "hardware.components.dram.kind" not in document.sources


def test_unsourced_numbers_are_listed():
    document = parse("a: 1\nb: {c: 2 ns, d: text, source: x, e: {value: 3, source: null}}\nf: [4]")
    assert document.unsourced() == ("hardware.a", "hardware.b.e", "hardware.f.0")


def test_leaf_maps_in_leaf_maps_are_one_value():
    document = parse("a: {value: {value: 3, source: inner}, source: outer, estimate: [2, 4]}")
    assert document.data == {"a": 3}
    assert document.sources == {"hardware.a": "inner"}
    assert document.estimates == {"hardware.a": (2, 4)}
    assert parse(document.to_yaml()) == document


def test_sources_as_plain_data():
    text = "cases:\n  - {id: a, source: 'table 1', expect: {value: 3, source: x}}\n"
    document = parse(text, sources=False)
    assert document.data["cases"][0]["source"] == "table 1"
    assert document.data["cases"][0]["expect"] == {"value": 3, "source": "x"}
    assert parse(document.to_yaml(), sources=False) == document


def test_arithmetic():
    document = parse(
        "constants: {n: 4, bw: 12.8, pe-rows: 16}\n"
        "clocks: {core: 940 MHz}\n"
        'whole: "${constants.n * 2}"\n'
        'part: "${constants.n / 8}"\n'
        'text: "${whole * constants.bw} GB/s"\n'
        'two: "${whole}x${part}"\n'
        'half: "${hardware.clocks.core / 2} Hz"\n'
        'braces: "${ {constants.pe-rows} + 1 }"\n'
        'items: ["${whole}", {name: it, n: "${ {items.0} + 1}"}]\n'
        "chain: {value: '${items.it.n * 2}', estimate: [1, 100]}\n"
    )
    assert document.data["whole"] == 8
    assert type(document.data["whole"]) is int
    assert document.data["part"] == 0.5
    assert document.data["text"] == "102.4 GB/s"
    assert document.data["two"] == "8x0.5"
    assert document.data["half"] == "470000000 Hz"
    assert document.data["braces"] == 17
    assert document.data["items"] == [8, {"name": "it", "n": 9}]
    assert document.data["chain"] == 18


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_extends_merges_maps_and_replaces_lists(tmp_path):
    top = write(
        tmp_path,
        child="extends: base.yaml\nname: child\nmap: {b: 3, c: 4}\nlist: [9]\nmaps: 5\n",
        base="name: base\nmap: {a: 1, b: 2, source: sheet}\nlist: [1, 2]\nmaps: {x: 1}\n"
        'sum: "${map.a + map.b}"\n',
    )
    document = load_document(top, kind="hardware")
    assert document.data == {
        "name": "child",
        "map": {"a": 1, "b": 3, "c": 4},
        "list": [9],
        "maps": 5,
        "sum": 4,
    }
    assert document.files == (str(tmp_path / "base.yaml"), str(top))
    assert document.sources == {"hardware.map.a": "sheet"}
    assert document.location("hardware.map.a").file == str(tmp_path / "base.yaml")
    assert document.location("hardware.map.b") == Location(str(top), 3, 10)
    assert parse(document.to_yaml()) == document


def test_extends_by_id_and_through_folders(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "toy-1.yaml").write_text("extends: ../root.yaml\na: 1\n")
    (tmp_path / "root.yaml").write_text("b: 2\n")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])
    toys = Registry("archsim.hardware")
    toys.register("toys", tmp_path / "lib")
    monkeypatch.setitem(_REGISTRIES, "hardware", toys)
    assert parse("extends: toy-1\nc: 3\n").data == {"b": 2, "a": 1, "c": 3}
    assert load_document("toy-1", kind="hardware").data == {"b": 2, "a": 1}
    with pytest.raises(ConfigError) as caught:
        parse("extends: toy-2\n")
    assert str(caught.value) == (
        "f.yaml:1:10: hardware.extends: unknown hardware; given 'toy-2'; allowed: toy-1; "
        "did you mean 'toy-1'?"
    )


def test_extends_cycles_and_chains_end(tmp_path):
    top = write(tmp_path, a="extends: b.yaml\n", b="extends: ./a.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load_document(top, kind="hardware")
    assert str(caught.value) == (
        f"{tmp_path}/b.yaml:1:10: hardware.extends: files extend each other in a cycle; "
        "given 'a.yaml → b.yaml → a.yaml'"
    )
    top = write(tmp_path, **{f"c{i}": f"extends: c{i + 1}.yaml\n" for i in range(40)})
    with pytest.raises(ConfigError, match="a chain of extends is too long; allowed: at most 16"):
        load_document(top, kind="hardware")


def test_files_that_cannot_be_read(tmp_path):
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="the file is too large; given '1048577 bytes'"):
        load_document(big, kind="hardware")
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for name in (pipe, tmp_path, tmp_path / "none.yaml", tmp_path / ("x" * 5000), "nul\0.yaml"):
        with pytest.raises(ConfigError, match=r"there is no such file|cannot be read"):
            load_document(name, kind="hardware")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: x\nnote: \xe9t\xe9\n")
    with pytest.raises(ConfigError, match=r"latin.yaml:2:7: is not UTF-8 text; given 'byte 0xe9'"):
        load_document(latin, kind="hardware")
    latin.write_bytes("﻿name: é\n".encode())
    assert load_document(latin, kind="hardware").data == {"name": "é"}


HOSTILE = {
    "alias bomb": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)),
    "text bomb": f"a: &a {'x' * 60000}\nb: [{', '.join(['*a'] * 20000)}]\n",
    "alias depth": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200)),
    "flow depth": "a: " + "[" * 200000,
    "map depth": "{a: " * 100000,
    "block depth": "".join(f"{' ' * i}a:\n" for i in range(2000)),
    "dash depth": "- " * 100000 + "x",
    "many values": "a: [" + "1," * 300000 + "]",
    "many keys": "".join(f"k{i}: 1\n" for i in range(MAX_NODES + 1)),
    "expressions": "a: '" + "${1}" * 200 + "'\nb: [" + "'${1+1}'," * 5000 + "]\n",
    "expression text": "a: '" + "${1}" * 15000 + "'\n",
    "long chain": "".join(f"a{i}: '${{a{i + 1}}}'\n" for i in range(500)) + "a500: 1\n",
    "braces": "a: '${" + "{" * 1000 + "'\n",
    "digits": "a: " + "9" * 100000,
    "hex digits": "a: 0x" + "f" * 100000,
    "long key": "k" * 70000 + ": 1",
    "question": "? " * 50000,
    "nul": "a: \0",
    "control": "a: \x07",
    "surrogate": "a: \ud800",
    "escaped surrogate": 'a: "\\ud800"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_quickly(name):
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        parse(HOSTILE[name])
    assert time.process_time() - start < 4
    assert str(caught.value).startswith("f.yaml:")


def test_largest_paths_stay_small():
    keys = "".join(f"{{'{'k.' * 32}': " for _ in range(MAX_DEPTH - 2))
    text = keys + "[" + "1," * (MAX_NODES - 100) + "]" + "}" * (MAX_DEPTH - 2)
    assert len(parse(text).locations) > MAX_NODES - 100


keys = st.text(min_size=1, max_size=12).filter(
    lambda key: key not in ("source", "extends", "value", "estimate", "<<")
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20).filter(lambda text: "${" not in text)
    | st.sampled_from(
        ["1e9", "on", "null", "010", "940 MHz", "1.5 GB/s", ".inf", "- a", "a: b", "#"]
    )
)
plain = st.recursive(
    scalars,
    lambda c: st.lists(c, max_size=4) | st.dictionaries(keys, c, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(keys, plain, max_size=5))
def test_plain_data_survives_writing_and_reading(data):
    document = parse(to_yaml(data) if data else "{}")
    assert document.data == data
    assert parse(document.to_yaml()) == document


sources = st.sampled_from(["sheet", "paper: table 2", "measured", None])
numbers = st.integers(0, 99) | st.sampled_from(["940 MHz", "3 ns", "text"])


def sourced(children):
    maps = st.dictionaries(st.sampled_from("abcdef"), children, max_size=4)
    with_source = st.builds(lambda m, s: {**m, "source": s}, maps, sources)
    return maps | with_source | st.lists(children, max_size=3)


leaves = st.one_of(
    numbers,
    st.builds(lambda v, s: {"value": v, "source": s}, numbers, sources),
    st.builds(lambda v: {"value": v, "estimate": [v, v + 1]}, st.integers(0, 99)),
)


@given(
    st.dictionaries(
        st.sampled_from("uvw"), st.recursive(leaves, sourced, max_leaves=15), max_size=3
    ),
    sources,
)
def test_sources_and_estimates_survive(data, top):
    text = to_yaml({**data, "source": top})
    document = parse(text)
    again = parse(document.to_yaml())
    assert again == document
    assert again.content_hash == document.content_hash


def test_resolved_machine_is_the_same_machine():
    document = parse(MACHINE)
    again = parse(document.to_yaml())
    assert again == document
    assert machine_of(again) == machine_of(document)


def test_nodes_keep_their_place_when_replaced():
    node = Node(1, Location("f", 1, 2), Location("f", 1, 1), "s")
    assert node.replaced(2) == Node(2, Location("f", 1, 2), Location("f", 1, 1), "s")


@pytest.mark.parametrize("sources", [True, False])
def test_arithmetic_reaches_a_number_that_carries_its_source(sources):
    text = (
        'constants: {rate: {value: 2 GB/s, source: a sheet}}\nboth: "${2 * constants.rate} B/s"\n'
    )
    document = parse_document(text, kind="hardware", sources=sources)
    assert document.data["both"] == "4000000000 B/s"
