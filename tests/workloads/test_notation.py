import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from workloads.access import Access, IndexExpr
from workloads.notation import format_expression, parse_statement
from workloads.operation import MERGES, OPERATIONS, Apply, Constant, Operand, walk

VARIABLES = st.sampled_from(["m", "p", "m1", "m0", "b"])
AFFINE = st.builds(
    lambda terms, offset: IndexExpr(tuple(terms.items()), offset),
    st.dictionaries(VARIABLES, st.integers(-9, 9).filter(bool), max_size=3),
    st.integers(-99, 99),
)
FILTERED = st.builds(
    lambda index, bound: IndexExpr(index.terms, index.offset, bound=bound), AFFINE, AFFINE
)
GATHER = st.builds(
    lambda indices: IndexExpr(gather=Access("TOK", tuple(indices))), st.lists(AFFINE, max_size=2)
)
ACCESS = st.builds(
    lambda name, indices: Access(name, tuple(indices)),
    st.sampled_from(["A", "QK", "K_cache", "W1"]),
    st.lists(AFFINE | FILTERED | GATHER, max_size=3),
)


def apply(children):
    return st.sampled_from(sorted(set(OPERATIONS) - {"argtop"})).flatmap(
        lambda name: st.builds(
            lambda arguments, merge: Apply(name, tuple(arguments), merge),
            st.lists(children, min_size=OPERATIONS[name].arity, max_size=OPERATIONS[name].arity),
            st.sampled_from(["", *MERGES]),
        )
    )


NUMBERS = st.builds(Constant, st.floats(allow_nan=False))
EXPRESSION = st.recursive(NUMBERS | st.builds(Operand, st.integers(0, 3)), apply, max_leaves=10)


def in_order_of_use(expression, operands):
    """Renumber operands by first use and drop those that are not used, as a parser would."""
    order = list(dict.fromkeys(n.index for n in walk(expression) if isinstance(n, Operand)))
    order = list(dict.fromkeys(operands[index] for index in order))

    def renumber(node):
        if isinstance(node, Operand):
            return Operand(order.index(operands[node.index]))
        if isinstance(node, Apply):
            return Apply(node.operation, tuple(map(renumber, node.arguments)), node.merge)
        return node

    return renumber(expression), tuple(order)


@given(EXPRESSION, st.lists(ACCESS, min_size=4, max_size=4, unique=True))
def test_printed_statement_parses_to_itself(expression, operands):
    expression, operands = in_order_of_use(expression, tuple(operands))
    text = f"OUT[] = {format_expression(expression, operands)}"
    parsed = parse_statement(text)
    assert parsed.operands == operands
    assert parsed.expression == expression


def test_precedence_and_signs():
    text = parse_statement("Y[i] = A[i] - B[i] - 2 * -C[i] / 4")
    assert text.expression == Apply(
        "sub",
        (
            Apply("sub", (Operand(0), Operand(1))),
            Apply(
                "div",
                (Apply("mul", (Constant(2.0), Apply("neg", (Operand(2),)))), Constant(4.0)),
            ),
        ),
    )
    assert parse_statement("Y[] = -inf").expression == Constant(-math.inf)
    assert parse_statement("Y[i] = A[i] * A[i]").operands == parse_statement("Y[i] = A[i]").operands


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("m", "var"),
        ("m1*4+m0", "affine"),
        ("2*m", "affine"),
        ("7", "const"),
        ("m1+1", "shift"),
        ("m<=p+3", "filter"),
        ("T[b,p]", "gather"),
    ],
)
def test_index_kinds(text, kind):
    (index,) = parse_statement(f"Y[] = A[{text}]").operands[0].indices
    assert index.kind == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Y[i] = ", "expected more, found the end"),
        ("Y[i] A[i]", "expected =, found A"),
        ("Y[i] = A[i", "expected ,, found the end"),
        ("Y[i] = A[i] B[i]", "unexpected B"),
        ("Y[i] = A[i*j]", "j does not fit into an index"),
        ("Y[i] = A[i] ? 2", "unexpected character"),
        ("Y[i] = (A[i]", r"expected \), found the end"),
        ("3 = A[i]", "expected a name, found 3"),
        ("Y[i] = sine(A[i])", "unknown operation; given 'sine'"),
        ("Y[i] = sqr(A[i])", "did you mean 'sqrt'"),
        ("Y[i] = exp(A[i], A[i])", r"exp takes 1 argument\(s\); given 2"),
        ("Y[i] = mul.xor(A[i], B[i])", "unknown merge rule; given 'xor'"),
        ("Y[i] = " + "(" * 99 + "A[i]" + ")" * 99, "nested too deeply"),
    ],
)
def test_malformed_statements(text, message):
    with pytest.raises(WorkloadError, match=message):
        parse_statement(text)
