"""Forms and task graphs of mapper auto: from the cascade alone, by structure."""

from __future__ import annotations

import pytest

from archsim.fragments import cut
from archsim.machine import load_hardware
from mappers.attention_problem import find_attention
from mappers.attention_tiles import TileShape
from mappers.auto_binding import Costs, assemble, bind
from mappers.auto_forms import forms
from tests.mappers.attention import attention
from workloads import load_workload

MACHINE = load_hardware("fusemax-cloud")


def graphs(cascade, *, multiply_add=True):
    return {form.name: form.graph for form in forms(cascade, multiply_add=multiply_add)}


def test_passes_are_those_of_the_taxonomy():
    found = {name: graph.num_phases for name, graph in graphs(attention(1024)).items()}
    assert found == {
        "1-pass": 1,
        "whole": 1,
        "2-pass again": 2,
        "2-pass held": 2,
        "3-pass again": 3,
        "3-pass held": 3,
    }


def test_one_pass_has_the_operations_of_cascade_5():
    graph = graphs(attention(1024), multiply_add=False)["1-pass"]
    by_kind = {}
    for task in graph.phase(0):
        by_kind.setdefault((task.kind, tuple(sorted(task.result))), []).append(
            dict(task.operations)
        )
    exponential = {"add": 1, "exp": 1}
    assert by_kind == {
        ("product", ("keys", "rows")): [{"mac": 1}],
        ("fold", ("rows",)): [{"max": 1}, {"add": 1}],
        ("map", ("keys", "rows")): [exponential],
        # RM PRM SPD RD; SPNV RNV.
        ("map", ("rows",)): [{"max": 1}, exponential, {"mul": 1}, {"add": 1}],
        ("product", ("rows", "width")): [{"mac": 1}],
        ("map", ("rows", "width")): [{"mul": 1}, {"add": 1}],
    }
    assert [dict(task.operations) for task in graph.tails] == [{"div": 1}]


def test_corrections_become_multiply_adds():
    graph = graphs(attention(1024))["1-pass"]
    fused = [task for task in graph.phase(0) if dict(task.operations) == {"mac": 1}]
    assert {task.result for task in fused if task.kind == "map"} == {
        frozenset({"rows"}),
        frozenset({"rows", "width"}),
    }
    assert len(graph.phase(0)) == 9


def test_scores_needed_again_are_held_or_made_again():
    found = graphs(attention(1024))
    assert found["2-pass held"].kept == ("QK",)
    assert found["2-pass again"].kept == ()
    products = [t for t in found["2-pass again"].phase(1) if t.kind == "product"]
    assert [task.makes_scores for task in products] == [True, False]
    assert [t.kind for t in found["2-pass held"].phase(1)].count("product") == 1


@pytest.mark.parametrize(
    ("model", "phase", "context"),
    [("llama3-70b", "prefill", 131072), ("deepseek-v3", "decode", 4096), ("gpt2", "decode", 999)],
)
def test_attention_of_real_models_has_the_same_graph(model, phase, context):
    stages = load_workload(model, phase=phase, context=context).stages
    fragment = next(
        item for stage in stages for item in cut(stage.cascade) if item.mapper_class == "attention"
    )
    ours = graphs(fragment.cascade)["1-pass"]
    plain = graphs(attention(1024))["1-pass"]
    shape = [(task.kind, task.space, dict(task.operations)) for task in plain.tasks]
    assert [(task.kind, task.space, dict(task.operations)) for task in ours.tasks] == shape


def test_tile_costs_are_those_of_the_paper():
    # FuseMax, section V: 2D array E + F + 9 cycles, 1D array 10 + 2F, for a tile of 256 x 256.
    cascade = attention(4096, depth=64, width=64)
    graph = graphs(cascade, multiply_add=False)["1-pass"]
    problem = find_attention(cascade)
    tile = bind(Costs(graph, problem, MACHINE, TileShape(256, 256)))
    cycle = MACHINE.array.clock.period_ps
    busy = tile.busy_ps(graph.phase(0))
    assert busy["array"] == (64 + 64 + 9) * cycle
    assert busy["vector"] == (10 + 2 * 64) * cycle
    on_array = {t.name for t in graph.tasks if tile.units[t.name] == "held"}
    assert len(on_array) == 5


def test_the_binding_found_is_the_best_of_all():
    from itertools import product

    cascade = attention(512, depth=8, width=16)
    machine = load_hardware(
        "fusemax-cloud",
        overrides=(
            "hardware.components.array.rows=16",
            "hardware.components.array.columns=16",
            "hardware.components.vector.lanes=64",
        ),
    )
    graph = graphs(cascade)["1-pass"]
    costs = Costs(graph, find_attention(cascade), machine, TileShape(16, 16))
    found = bind(costs)
    options = [tuple(costs.units(task)) for task in graph.tasks]
    names = [task.name for task in graph.tasks]
    times = [
        assemble(costs, dict(zip(names, units, strict=True))).tile_ps(0)
        for units in product(*options)
    ]
    assert found.tile_ps(0) == min(times)
    assert len(times) > 50
