"""Restricted arithmetic: Python's values, exact derivatives, nothing else."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.expression import MAX_NODES, Expression

NAMES = ("a", "b.c", "{x-1.y}")
POINT = {"a": 3.25, "b.c": -1.5, "x-1.y": 7.0}


def _binary(children):
    symbols = st.sampled_from([" + ", "-", "*", " / ", "//", "%", "**"])
    return st.builds("({}){}({})".format, children, symbols, children)


def _functions(children):
    one = st.builds(
        "{}({})".format, st.sampled_from(["ceil", "floor", "round", "abs", "sqrt"]), children
    )
    return one | st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), children, children)


numbers = st.integers(0, 99).map("{}.".format) | st.floats(0, 1e6, allow_nan=False).map(repr)
arithmetic = st.recursive(
    numbers, lambda c: _binary(c) | _functions(c) | c.map("-({})".format), max_leaves=12
)
symbolic = st.recursive(
    numbers | st.sampled_from(NAMES),
    lambda c: _binary(c) | _functions(c) | c.map("-({})".format),
    max_leaves=12,
)
operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "- -"])
chains = st.lists(st.tuples(operators, numbers), max_size=8)


PYTHON_SCOPE = {
    "__builtins__": {},
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "ceil": lambda x: float(math.ceil(x)),
    "floor": lambda x: float(math.floor(x)),
    "round": lambda x: float(round(x)),
}


def python_value(text):
    """Value by Python's own rules; None where Python has none."""
    try:
        value = eval(text, PYTHON_SCOPE)
        return None if isinstance(value, complex) or not math.isfinite(value) else value
    except (ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None


def our_value(text):
    try:
        return Expression(text).evaluate(POINT.__getitem__)
    except ConfigError:
        return None


@given(arithmetic)
def test_equals_python(text):
    ours = our_value(text)
    # Python may pass through an infinity or a complex number and still come back; we never do.
    assume(ours is not None or "**" not in text)
    assert ours == python_value(text)


@given(numbers, chains)
def test_precedence_equals_python(first, chain):
    text = first + "".join(f" {operator} {number}" for operator, number in chain)
    expected = python_value(text)
    assume(expected is not None)
    assert our_value(text) == expected


@given(symbolic)
def test_canonical_text_keeps_the_tree(text):
    expression = Expression(text)
    again = Expression(str(expression))
    assert again == expression
    assert hash(again) == hash(expression)
    assert str(again) == str(expression)
    assert again.names() == expression.names()


@given(symbolic, st.sampled_from(sorted(POINT)))
def test_derivative_is_the_limit_of_differences(text, name):
    expression = Expression(text)
    step = 1e-5

    def at(shift):
        return expression.evaluate({**POINT, name: POINT[name] + shift}.__getitem__)

    try:
        slope = expression.derivative(name, POINT.__getitem__)
        middle, left, right = at(0.0), at(-step), at(step)
        nearer_left, nearer_right = at(-step / 8), at(step / 8)
    except ConfigError:
        assume(False)
    wide, narrow = (right - left) / (2 * step), 4 * (nearer_right - nearer_left) / step
    one_sided = (right - middle) / step, (middle - left) / step
    # Only where the function is smooth and of moderate size do differences say anything.
    assume(max(abs(middle), abs(wide), *map(abs, one_sided)) < 1e4)
    assume(abs(wide - narrow) < 1e-4 and abs(one_sided[0] - one_sided[1]) < 1e-2)
    assert slope == pytest.approx(narrow, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a**2", "a", 6.5),
        ("max(a, 2 * b.c)", "a", 1.0),
        ("max(a, 2 * b.c)", "b.c", 0.0),
        ("min(a, a * 2)", "a", 1.0),
        ("ceil(a)", "a", 0.0),
        ("100 / a", "a", -100 / 3.25**2),
        ("{x-1.y} * a", "x-1.y", 3.25),
        ("abs(b.c)", "b.c", -1.0),
        ("a % 2", "a", 1.0),
        ("2**a", "a", 2**3.25 * math.log(2)),
        ("log2(a)", "a", 1 / (3.25 * math.log(2))),
        ("sqrt(a)", "a", 0.5 / math.sqrt(3.25)),
        ("3 * a - a - 2 * a", "a", 0.0),
    ],
)
def test_derivatives(text, name, value):
    expression = Expression(text)
    assert expression.derivative(name, POINT.__getitem__) == pytest.approx(value)
    assert expression.gradient(POINT.__getitem__)[name] == pytest.approx(value)


def test_derivative_that_does_not_exist():
    with pytest.raises(ConfigError, match="derivative of an expression does not exist"):
        Expression("sqrt(a)").derivative("a", lambda _: 0.0)


def test_names():
    expression = Expression("a.b * {hardware.components.array-0.rows} + min(c, 2)")
    assert expression.names() == {"a.b", "hardware.components.array-0.rows", "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10**10**10", "the value of an expression is too large; given '10**10**10'"),
        ("1 / (2 - 2)", "division by zero in an expression; given '1 / (2 - 2)'"),
        ("1 % 0", "division by zero in an expression; given '1 % 0'"),
        ("sqrt(-1)", "'sqrt' has no real value here, in an expression; given 'sqrt(-1)'"),
        ("(-1)**0.5", "'**' has no real value here, in an expression; given '(-1)**0.5'"),
        ("log2(0)", "'log2' has no real value here, in an expression; given 'log2(0)'"),
        ("1e308 * 10", "the value of an expression is too large; given '1e308 * 10'"),
        ("1e999", "a number is too large in an expression, at character 1; given '1e999'"),
        (
            "1 +",
            "a number or a name is missing in an expression, at character 4; given '1 +'",
        ),
        ("(1", "')' is missing in an expression, at character 3; given '(1'"),
        ("1 2", "unexpected text in an expression, at character 3; given '1 2'"),
        ("1; 2", "is not arithmetic, at character 2; given '1; 2'"),
        (
            "__import__('os')",
            "is not arithmetic, at character 12; given \"__import__('os')\"",
        ),
        (
            "flor(1)",
            "unknown function 'flor' in an expression, at character 1; given 'flor(1)'; "
            "allowed: min, max, ceil, floor, round, abs, sqrt, log2; did you mean 'floor'?",
        ),
        ("ceil(1, 2)", "'ceil' takes one argument in an expression, at character 1; "
                       "given 'ceil(1, 2)'"),
        ("{}", "an empty name in an expression, at character 2; given '{}'"),
        ("", "a number or a name is missing in an expression, at character 1; given ''"),
    ],
)  # fmt: skip
def test_refusals(text, message):
    with pytest.raises(ConfigError) as caught:
        Expression(text).evaluate(POINT.__getitem__)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ["(" * 3000, "-" * 3000 + "1", "1+" * 5000 + "1", "2**" * 1000 + "2", "min(" * 500, "9" * 5000,
     "a" * 10**6, "((" * 40 + "1" + "))" * 40],
)  # fmt: skip
def test_hostile_sizes_are_refused_quickly(text):
    start = time.process_time()
    with pytest.raises(ConfigError):
        Expression(text).evaluate(POINT.__getitem__)
    assert time.process_time() - start < 0.5


def test_largest_chain_works_at_any_stack_depth():
    text = "+".join(["a"] * (MAX_NODES // 2))

    def descend(depth):
        if depth:
            return descend(depth - 1)
        expression = Expression(text)
        assert Expression(str(expression)) == expression
        return expression.derivative("a", POINT.__getitem__)

    assert descend(250) == MAX_NODES // 2
