"""Text form of einsums, ``QK[b,p,m] = Q[b,p,e] * K[b,m<=p+4,e]``: parser and printer.

Infix ``+ - * /``, functions by name (``sub_exp(S[p,m], GM[p])``), a merge rule after a dot
(``mul.or(A[i], B[i])``), numbers and ``inf``. Variables of the right-hand side that the output
lacks are reduced; the operator is not part of the text. Indices: ``m``, ``m1*4+m0``, ``p+3``,
``7``, a prefix filter ``m<=p+3``, with a window ``p-2<m<=p+3``, a gather ``T[b,p]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from archsim.errors import WorkloadError
from workloads.access import Access, IndexExpr
from workloads.operation import OPERATIONS, Apply, Constant, Expression, Operand

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign><=|[-+*/=()\[\],.<]))"
)
_INFIX = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_SIGN = {name: sign for sign, name in _INFIX.items()}
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement: output, distinct operands in order of appearance, expression."""

    output: Access
    operands: tuple[Access, ...]
    expression: Expression


@dataclass(slots=True)
class _Parser:
    text: str
    tokens: list[str]
    position: int = 0
    depth: int = 0
    operands: list[Access] = field(default_factory=list)

    def fail(self, message: str) -> WorkloadError:
        return WorkloadError(f"einsum statement: {message}", given=self.text)

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise self.fail(f"expected {expected or 'more'}, found {token or 'the end'}")
        self.position += 1
        return token

    def name(self) -> str:
        token = self.take()
        if not (token[0].isalpha() or token[0] == "_"):
            raise self.fail(f"expected a name, found {token}")
        return token

    def expression(self) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail("nested too deeply")
        left = self.term()
        while self.peek() in ("+", "-"):
            left = Apply(_INFIX[self.take()], (left, self.term()))
        self.depth -= 1
        return left

    def term(self) -> Expression:
        left = self.unary()
        while self.peek() in ("*", "/"):
            left = Apply(_INFIX[self.take()], (left, self.unary()))
        return left

    def unary(self) -> Expression:
        negative = False
        while self.peek() == "-":
            self.take()
            negative = not negative
        inner = self.primary()
        if not negative:
            return inner
        return Constant(-inner.value) if isinstance(inner, Constant) else Apply("neg", (inner,))

    def primary(self) -> Expression:
        token = self.peek()
        if token == "(":
            self.take("(")
            inner = self.expression()
            self.take(")")
            return inner
        if token and (token[0].isdigit() or (token[0] == "." and len(token) > 1)):
            return Constant(float(self.take()))
        name = self.name()
        if name == "inf":
            return Constant(float("inf"))
        if self.peek() == "[":
            access = self.access(name)
            if access not in self.operands:
                self.operands.append(access)
            return Operand(self.operands.index(access))
        return self.call(name)

    def call(self, name: str) -> Expression:
        merge = ""
        if self.peek() == ".":
            self.take(".")
            merge = self.name()
        self.take("(")
        arguments = [self.expression()]
        while self.peek() == ",":
            self.take(",")
            arguments.append(self.expression())
        self.take(")")
        return Apply(name, tuple(arguments), merge)

    def access(self, tensor: str) -> Access:
        self.take("[")
        indices: list[IndexExpr] = []
        while self.peek() != "]":
            if indices:
                self.take(",")
            indices.append(self.index())
        self.take("]")
        return Access(tensor, tuple(indices))

    def index(self) -> IndexExpr:
        following = self.tokens[self.position + 1 : self.position + 2]
        if following == ["["]:
            return IndexExpr(gather=self.access(self.name()))
        coordinate = self.affine()
        lower = None
        if self.peek() == "<":
            self.take("<")
            lower, coordinate = coordinate, self.affine()
        elif self.peek() != "<=":
            return coordinate
        self.take("<=")
        bound = self.affine()
        window = 0
        if lower is not None:
            window = bound.offset - lower.offset
            if sorted(lower.terms) != sorted(bound.terms) or window < 1:
                raise self.fail("the bounds of a window differ by a constant, at least 1")
        return IndexExpr(coordinate.terms, coordinate.offset, bound=bound, window=window)

    def affine(self) -> IndexExpr:
        coefficients: dict[str, int] = {}
        offset = 0
        sign = -1 if self.peek() == "-" else 1
        if sign < 0:
            self.take()
        while True:
            variable, factor = self.affine_term()
            if variable:
                coefficients[variable] = coefficients.get(variable, 0) + sign * factor
            else:
                offset += sign * factor
            if self.peek() not in ("+", "-"):
                break
            sign = 1 if self.take() == "+" else -1
        return IndexExpr(tuple(coefficients.items()), offset)

    def affine_term(self) -> tuple[str, int]:
        variable, factor = "", 1
        while True:
            token = self.take()
            if token.isdigit():
                factor *= int(token)
            elif token.isidentifier() and not variable:
                variable = token
            else:
                raise self.fail(f"{token} does not fit into an index")
            if self.peek() != "*":
                return variable, factor
            self.take("*")


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise WorkloadError("einsum statement: unexpected character", given=text)
        tokens.append(match[0].strip())
        position = match.end()
    return tokens


@lru_cache(maxsize=4096)
def parse_statement(text: str) -> Statement:
    """Parse ``OUT[...] = expression``.

    Raises
    ------
    WorkloadError
        The text is not a statement; the message names the token.

    Examples
    --------
    >>> str(parse_statement("C[i,j] = A[i,k] * B[k,j]").operands[1])
    'B[k,j]'
    """
    parser = _Parser(text, _tokens(text))
    output = parser.access(parser.name())
    parser.take("=")
    expression = parser.expression()
    if parser.peek():
        raise parser.fail(f"unexpected {parser.peek()}")
    return Statement(output, tuple(parser.operands), expression)


def format_expression(expression: Expression, operands: tuple[Access, ...]) -> str:
    """Return the text of an expression; :func:`parse_statement` reads it back unchanged."""
    if isinstance(expression, Constant):
        return repr(expression.value)
    if isinstance(expression, Operand):
        return str(operands[expression.index])
    parts = [format_expression(argument, operands) for argument in expression.arguments]
    own_merge = expression.merge == OPERATIONS[expression.operation].merge
    if own_merge and expression.operation in _SIGN:
        sides = [
            f"({part})" if _is_infix(argument) else part
            for part, argument in zip(parts, expression.arguments, strict=True)
        ]
        return f" {_SIGN[expression.operation]} ".join(sides)
    merge = "" if own_merge else f".{expression.merge}"
    return f"{expression.operation}{merge}({', '.join(parts)})"


def _is_infix(expression: Expression) -> bool:
    return isinstance(expression, Apply) and expression.operation in _SIGN
