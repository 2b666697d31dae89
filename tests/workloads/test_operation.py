import math

import numpy as np
import pytest

from archsim.errors import WorkloadError
from archsim.numberformat import parse_format
from workloads import CascadeBuilder
from workloads.notation import parse_statement
from workloads.operation import OPERATIONS, REDUCTIONS, Apply, Operand, action_counts

A = np.array([[0.5, 1.25, 2.0], [0.1, 3.0, 0.7]])
B = np.array([[0.3, 2.5, 1.0], [4.0, 0.2, 1.5]])

MEANING = {
    "mul": lambda a, b: a * b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "max": max,
    "min": min,
    "div": lambda a, b: a / b,
    "exp": math.exp,
    "sub_exp": lambda a, b: math.exp(a - b),
    "reciprocal": lambda a: 1 / a,
    "square": lambda a: a**2,
    "sqrt": math.sqrt,
    "rsqrt": lambda a: 1 / math.sqrt(a),
    "tanh": math.tanh,
    "erf": math.erf,
    "neg": lambda a: -a,
    "copy": lambda a: a,
    "abs": abs,
    "log": math.log,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "at_most": lambda a, b: float(a <= b),
}


FOLDS = [name for name in REDUCTIONS if name != "argtop"]


def run(statement, reduce=None):
    builder = CascadeBuilder("x")
    builder.rank("I", 2)
    builder.rank("J", 3)
    number_format = parse_format("fp32")
    builder.tensor("A", "I J", "input", number_format)
    builder.tensor("B", "I J", "input", number_format)
    builder.tensor("C", "I" if reduce else "I J", "output", number_format)
    builder.einsum("e", statement, op_class="activation", layer="ffn", reduce=reduce)
    return builder.build().execute({"A": A, "B": B})["C"]


@pytest.mark.parametrize("name", MEANING)
def test_every_operation_computes_what_it_says(name):
    sides = ["A[i,j]", "B[i,j]"][: OPERATIONS[name].arity]
    result = run(f"C[i,j] = {name}({', '.join(sides)})")
    arrays = [A, B][: OPERATIONS[name].arity]
    expected = [MEANING[name](*values) for values in zip(*(a.flat for a in arrays), strict=True)]
    np.testing.assert_allclose(result.flatten(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", FOLDS)
def test_every_reduction_starts_at_its_identity(name):
    total = [OPERATIONS[name].identity] * 2
    for row, column in np.ndindex(A.shape):
        total[row] = MEANING[name](total[row], A[row, column])
    np.testing.assert_allclose(run("C[i] = A[i,j]", {"j": name}), total, rtol=1e-14)


@pytest.mark.parametrize("name", FOLDS)
def test_reduction_skips_what_the_filter_removes(name):
    expected = [A[0, 0], MEANING[name](A[1, 0], A[1, 1])]
    np.testing.assert_allclose(run("C[i] = A[i,j<=i]", {"j": name}), expected, rtol=1e-14)


def test_every_operation_has_a_meaning_here():
    assert set(OPERATIONS) == {*MEANING, "argtop"}


def test_argtop_names_the_largest_first():
    builder = CascadeBuilder("x")
    for name, extent in (("I", 2), ("J", 3), ("K", 2)):
        builder.rank(name, extent)
    builder.tensor("A", "I J", "input", parse_format("fp32"))
    builder.tensor("C", "I K", "output", parse_format("int32"))
    builder.einsum("e", "C[i,k] = copy(A[i,j])", op_class="router", layer="moe", reduce=TOP)
    cascade = builder.build()
    np.testing.assert_array_equal(cascade.execute({"A": A})["C"], [[2, 1], [1, 2]])
    assert cascade.execute({"A": np.ones((2, 3))})["C"].tolist() == [[0, 1], [0, 1]]
    assert cascade.op_counts() == {"max": 2 * 3 * 2}


TOP = {"j": "argtop"}


@pytest.mark.parametrize(
    ("statement", "reduce", "message"),
    [
        ("C[k,i] = copy(A[i,j])", TOP, "places counted by the output's last"),
        ("C[i,k] = copy(A[i,j])", {}, "an output variable occurs in no operand"),
        ("C[i,k] = copy(A[i,j<=i])", TOP, "unfiltered"),
        ("C[i,k] = argtop(A[i,j])", TOP, r"argtop takes 0 argument\(s\)"),
    ],
)
def test_bad_argtop(statement, reduce, message):
    builder = CascadeBuilder("x")
    for name, extent in (("I", 2), ("J", 3), ("K", 2)):
        builder.rank(name, extent)
    builder.tensor("A", "I J", "input", parse_format("fp32"))
    ranks = "K I" if "[k,i]" in statement else "I K"
    builder.tensor("C", ranks, "output", parse_format("int32"))

    def build():
        builder.einsum("e", statement, op_class="router", layer="moe", reduce=reduce)
        return builder.build()

    with pytest.raises(WorkloadError, match=message):
        build()


def test_costs_add_up_over_the_tree():
    silu = parse_statement("Y[i] = X[i] / (1.0 + exp(-X[i]))").expression
    assert action_counts(silu) == {"add": 1, "div": 1, "exp": 1}
    assert action_counts(parse_statement("Y[i] = sub_exp(A[i], B[i])").expression) == {
        "add": 1,
        "exp": 1,
    }


def test_constants_are_folded_ahead_of_time():
    assert action_counts(parse_statement("Y[i] = X[i] * (2.0 * 3.0)").expression) == {"mul": 1}
    assert action_counts(parse_statement("Y[i] = -inf").expression) == {}


def test_merge_rules():
    assert Apply("div", (Operand(0), Operand(1))).merge == "take_right"
    assert Apply("div", (Operand(0), Operand(1)), "all").merge == "all"
    with pytest.raises(WorkloadError, match="unknown merge rule; given 'none'; allowed: and, or"):
        Apply("copy", (Operand(0),), "none")
