"""The analytic rung: closed forms where there are some, refused or stood in for elsewhere."""

from __future__ import annotations

import json

import pytest

from archsim.cli.entry import run as archsim
from archsim.composition import simulate, simulate_config
from archsim.errors import ConfigError
from archsim.mapping import MemoryCache
from archsim.request import mapper_alternatives

POINT = {"phase": "prefill", "context": 512, "batch": 2}


def result(**options):
    chosen = {"fidelity": "analytic", "fidelity_fallback": True, **options}
    return simulate("fusemax-cloud", "bert-base", cache=MemoryCache(), **POINT, **chosen)


def test_attention_is_analytic_and_the_rest_says_that_it_is_not():
    closed = result()
    assert dict(closed.fidelity.used) == {"attention": "analytic", "gemm": "tile", "vector": "tile"}
    tile = result(fidelity="tile")
    assert closed.latency_s <= tile.latency_s <= 1.05 * closed.latency_s
    assert closed.roofline.bound_s <= closed.latency_s
    assert closed.macs == tile.macs


def test_without_a_stand_in_the_operation_is_named():
    with pytest.raises(ConfigError, match=r"has no closed form with mapper .*; given 'analytic'"):
        result(fidelity_fallback=False)


def test_options_of_mappers_are_part_of_the_configuration():
    slow = result(fidelity="tile", mapper_options={"attention": {"interleave": False}})
    assert slow.latency_s > result(fidelity="tile").latency_s
    again = simulate_config(slow.config)
    assert again.to_json() == slow.to_json()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": {"interleaved": True}}, "did you mean 'interleave'"),
        ({"attentoin": {}}, "did you mean 'attention'"),
        ({"attention": {"interleave": 3}}, "must be true or false"),
        ({"attention": {"buffering": "triple"}}, "is no buffering"),
    ],
)
def test_wrong_options_are_bad_input(options, message):
    with pytest.raises(ConfigError, match=message):
        result(mapper_options=options)


def test_compare_shows_several_mappers_side_by_side(capsys):
    words = ["compare", "fusemax-cloud", "bert-base", "--context", "256"]
    words += ["--mapper", "flash", "--mapper", "fusemax-binding"]
    assert archsim(words) == 0
    text = capsys.readouterr().out
    assert "flash" in text
    assert "fusemax-binding" in text
    assert archsim([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]
    assert [item["mapper"]["attention"] for item in found] == ["flash", "fusemax-binding"]


def test_alternatives_are_all_combinations():
    assert mapper_alternatives(["flash", "gemm=a", "gemm=b", "flash"]) == [
        ["attention=flash", "gemm=a"],
        ["attention=flash", "gemm=b"],
    ]
    assert mapper_alternatives([]) == [[]]
