"""Modulo schedules: needs kept, no overlap on a unit, intervals at their lower bounds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.auto_modulo import Arc, Node, recurrence_bound_ps, schedule

UNITS = ("array", "vector")


@st.composite
def graphs(draw, recurrences=True):
    number = draw(st.integers(1, 9))
    nodes = [
        Node(f"n{i}", draw(st.sampled_from(UNITS)), draw(st.integers(1, 90))) for i in range(number)
    ]
    arcs = []
    for _ in range(draw(st.integers(0, 14))):
        source, target = draw(st.integers(0, number - 1)), draw(st.integers(0, number - 1))
        distance = 0 if source < target else draw(st.integers(1, 4))
        if source < target or recurrences:
            arcs.append(Arc(f"n{source}", f"n{target}", draw(st.integers(0, 300)), distance))
    return nodes, arcs


def check(nodes, arcs, found):
    for arc in arcs:
        source, target = found.starts_ps[arc.source], found.starts_ps[arc.target]
        assert target + arc.distance * found.interval_ps >= source + arc.delay_ps
    for unit in UNITS:
        places = sorted(
            (found.starts_ps[node.name] % found.interval_ps, node.busy_ps)
            for node in nodes
            if node.unit == unit
        )
        for (first, busy), (second, _) in pairwise(places):
            assert first + busy <= second
        assert not places or sum(places[-1]) <= found.interval_ps


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_needs_are_kept_and_units_do_one_thing_at_a_time(graph):
    nodes, arcs = graph
    found = schedule(nodes, arcs)
    check(nodes, arcs, found)
    assert found.interval_ps >= max(found.resource_ps, found.recurrence_ps)


@settings(max_examples=200, deadline=None)
@given(graphs(recurrences=False))
def test_without_recurrences_the_interval_is_what_the_busiest_unit_takes(graph):
    nodes, arcs = graph
    found = schedule(nodes, arcs)
    busiest = max(sum(n.busy_ps for n in nodes if n.unit == unit) for unit in UNITS)
    assert found.interval_ps == found.resource_ps == busiest
    assert found.recurrence_ps == 0
    assert found.is_optimal


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(0, 4))
def test_shallower_pipelines_take_longer_and_stay_legal(graph, stages):
    nodes, arcs = graph
    free, shallow = schedule(nodes, arcs), schedule(nodes, arcs, most_stages=stages)
    check(nodes, arcs, shallow)
    assert shallow.depth <= stages
    assert shallow.interval_ps >= free.interval_ps or free.depth > stages


def test_a_recurrence_sets_the_interval():
    nodes = [Node("a", "array", 10), Node("b", "vector", 10)]
    arcs = [Arc("a", "b", 70), Arc("b", "a", 50, 2)]
    assert recurrence_bound_ps(nodes, arcs) == 60
    found = schedule(nodes, arcs)
    assert found.interval_ps == 60
    assert found.is_optimal


def test_ports_bound_the_interval_too():
    assert schedule([Node("a", "array", 10)], [], least_ps=25).interval_ps == 25
