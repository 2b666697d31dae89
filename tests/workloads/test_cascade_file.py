"""Cascade files: what they give, and one error with its line for every mistake."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.errors import ConfigError
from workloads.cascade_file import cascade_names, load_cascade


def test_packaged_cascades_name_their_source_and_themselves():
    for name in cascade_names():
        loaded = load_cascade(name)
        assert loaded.cascade.name == name
        assert loaded.document.data["source"]


def test_einsums_come_in_any_order():
    text = (
        "name: n\nranks: {I: 3}\ntensors: {X: I}\n"
        "einsums:\n  - Z[i] = Y[i] * 2\n  - Y[i] = X[i] + 1\n"
    )
    cascade = load_cascade(text).cascade
    assert [einsum.name for einsum in cascade.einsums] == ["Y", "Z"]
    assert cascade.execute({"X": [1.0, 2.0, 3.0]})["Z"].tolist() == [4.0, 6.0, 8.0]


def test_a_file_computes_what_it_says():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 4096))
    loaded = {
        name: load_cascade(name).cascade.execute(inputs)
        for name, inputs in (
            ("moments-mean-then-variance", {"X": x}),
            ("moments-sum-of-squares", {"X": x}),
            ("moments-welford", {"X": x, "IN": 1.0 / np.arange(1, 4097)}),
            ("log-sum-exp", {"X": x}),
            ("log-sum-exp-online", {"X": x}),
            ("top-k-softmax", {"X": x}),
            ("top-k-softmax-online", {"X": x}),
        )
    }
    for name in ("moments-mean-then-variance", "moments-sum-of-squares", "moments-welford"):
        np.testing.assert_allclose(loaded[name]["VAR"], x.var(axis=1), rtol=1e-10)
    expected = np.log(np.exp(x).sum(axis=1))
    for name in ("log-sum-exp", "log-sum-exp-online"):
        np.testing.assert_allclose(loaded[name]["L"], expected, rtol=1e-12)
    probabilities = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    largest = -np.sort(-probabilities, axis=1)[:, :8]
    for name in ("top-k-softmax", "top-k-softmax-online"):
        np.testing.assert_allclose(loaded[name]["Y"], largest, rtol=1e-10)


HEAD = "name: bad\nranks: {I: 4, J: 8}\ntensors: {X: I J}\neinsums:\n"
MISTAKES = {
    "undefined tensor": (HEAD + "  - A[i] = X[i,j] + Q[i]\n", 5, "undefined tensor; given 'Q'"),
    "two shapes in tensors": (
        "name: bad\ntensors:\n  A: {ranks: {I: 4, K: 8}}\n  B: {ranks: {K: 16}}\n"
        "einsums:\n  - C[i] = A[i,k] * B[k]\n",
        4,
        "rank K has two shapes; given 16; allowed: 8",
    ),
    "two shapes by a variable": (
        HEAD + "  - A[i] = X[j,i]\n",
        5,
        "rank I of X has two shapes: 4, and 8 by the variable j",
    ),
    "cycle": (
        HEAD + "  - A[i] = X[i,j] + B[i]\n  - B[i] = A[i] * 2\n",
        5,
        "einsums need each other in a cycle; given 'A → B → A'",
    ),
    "itself": (HEAD + "  - A[i] = A[i] + 1\n", 5, "in a cycle; given 'A → A'"),
    "binding of no einsum": (HEAD + "  - A[i] = X[i,j]\nbinding:\n  B: array\n", 7, "no einsum"),
    "rank twice": ("name: bad\nranks:\n  M: 4\n  M: 8\neinsums: []\n", 4, "duplicate key"),
    "no rank": (HEAD + "  - A[i] = X[i,k]\n", 5, "no rank K for the variable k"),
    "tensor of no rank": (
        "name: bad\nranks: {I: 4}\ntensors:\n  X: I L\neinsums:\n  - A[i] = X[i,i]\n",
        4,
        "tensor X has a rank that does not exist; given 'L'",
    ),
    "never written": (
        "name: bad\nranks: {I: 4}\ntensors:\n  X: I\n  Y: {ranks: I, role: output}\n"
        "einsums:\n  - A[i] = X[i]\n",
        5,
        "tensor Y is never written",
    ),
    "wrong number of ranks": (HEAD + "  - A[i] = X[i]\n", 5, "tensor X has 2 ranks (I J)"),
    "operation": (HEAD + "  - A[i] = expp(X[i,j])\n", 5, "unknown operation; given 'expp'"),
    "statement": (HEAD + "  - A[i] = X[i,j] +\n", 5, "expected more, found the end"),
    "reduction": (HEAD + "  - A[i] = X[i,j] (max over i)\n", 5, "not reduced"),
    "no start": (
        "name: bad\nranks: {M: {extent: 8, iterative: true}}\ntensors: {X: M}\n"
        "einsums:\n  - R[m+1] = R[m] + X[m]\n  - Z[] = R[M]\n",
        5,
        "no initialisation",
    ),
    "unknown key": ("name: bad\nrank: {I: 4}\neinsums: []\n", 2, "did you mean 'ranks'"),
    "levels": (
        "name: bad\nranks: {M: 8, M1: {extent: 2, split: N}}\neinsums:\n  - A[m] = 0\n",
        2,
        "level of a rank that does not exist",
    ),
    "empty": ("name: bad\neinsums: []\n", 2, "at least one einsum"),
}


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_every_mistake_names_its_line(text, line, message):
    with pytest.raises(ConfigError) as caught:
        load_cascade(text)
    assert message in str(caught.value)
    assert caught.value.location is not None
    assert caught.value.location.line == line
    assert "\n" not in str(caught.value)


def test_a_binding_to_a_missing_unit_names_its_line():
    loaded = load_cascade(HEAD + "  - A[i] = X[i,j]\nbinding: {A: vectr}\n")
    with pytest.raises(ConfigError, match="no such unit") as caught:
        loaded.check_binding(["array", "vector"], "machine")
    assert caught.value.location.line == 6
    assert caught.value.hint == "vector"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'attention-3-pass'"):
        load_cascade("attention-3-pas")
