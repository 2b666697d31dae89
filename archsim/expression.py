"""Restricted arithmetic over dotted paths: numbers, operators, a few functions, names.

Grammar (the precedence is Python's; ``**`` binds tighter than unary minus and to the right)::

    sum     = product { ("+" | "-") product }
    product = unary { ("*" | "/" | "//" | "%") unary }
    unary   = ("+" | "-") unary | power
    power   = atom [ "**" unary ]
    atom    = number | name | "{" any dotted path "}" | function "(" sum {"," sum} ")" | "(" sum ")"

A bare name is words of ``[A-Za-z0-9_]`` joined by dots, each starting with a letter or ``_``;
any other path goes in braces: ``{hardware.components.array-0.rows} * 2``. All arithmetic is in
64-bit floats, so no text can ask for more than one float operation per operator; length, size and
depth are limited. Nothing is ever handed to Python's own parser or evaluator.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from archsim.errors import ConfigError, nearest

MAX_CHARACTERS = 4096
MAX_NODES = 512
MAX_DEPTH = 32

Lookup = Callable[[str], float]
"""Gives the value of a dotted name; raises if there is none."""

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_TOKEN = re.compile(
    rf"[ \t]*(?:(?P<number>{_NUMBER})|(?P<name>{_NAME})|\{{(?P<braced>[^{{}}]*)\}}"
    r"|(?P<operator>\*\*|//|[-+*/%(),]))"
)
_BARE_NAME = re.compile(_NAME)

_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": math.pow,
}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "neg": 3, "**": 4}
_ATOM = 5
_UNARY: dict[str, Callable[[float], float]] = {
    "neg": operator.neg,
    "ceil": lambda x: float(math.ceil(x)),
    "floor": lambda x: float(math.floor(x)),
    "round": lambda x: float(round(x)),
    "abs": abs,
    "sqrt": math.sqrt,
    "log2": math.log2,
}
_VARIADIC: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max}
FUNCTIONS = ("min", "max", "ceil", "floor", "round", "abs", "sqrt", "log2")
"""The functions of the language; ``round`` goes to the nearest whole number, ties to even."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of the postfix form: push a number, push a name, or apply ``op`` to ``arity``."""

    op: str
    number: float = 0.0
    name: str = ""
    arity: int = 0


class Expression:
    """A parsed expression; equal expressions have equal canonical texts.

    Parameters
    ----------
    text : str
        The expression.

    Raises
    ------
    ConfigError
        Not in the grammar, or longer, larger or deeper than the limits of this module.

    Examples
    --------
    >>> Expression("ceil(size / 3) * 2").evaluate({"size": 10.0}.__getitem__)
    8.0
    """

    __slots__ = ("_names", "_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _Parser(text).parse()
        self._names = frozenset(step.name for step in self._steps if step.op == "name")

    def names(self) -> frozenset[str]:
        """Return the dotted names that occur."""
        return self._names

    def evaluate(self, lookup: Lookup) -> float:
        """Return the value.

        Raises
        ------
        ConfigError
            Division by zero, a root or logarithm of what has none, a result beyond 64-bit floats.
        """
        stack: list[float] = []
        for step in self._steps:
            if step.op == "number":
                stack.append(step.number)
            elif step.op == "name":
                stack.append(self._finite(float(lookup(step.name))))
            else:
                values = stack[-step.arity :]
                stack[-step.arity :] = [self._apply(step.op, values)]
        return stack[0]

    def derivative(self, name: str, lookup: Lookup) -> float:
        """Return the exact derivative by one name at the point that ``lookup`` gives.

        ``min`` and ``max`` take their first active argument, ``abs`` the right-hand side at 0;
        ``ceil floor round //`` are flat between their steps, and there the derivative is 0.

        Raises
        ------
        ConfigError
            As :meth:`evaluate`, and where the derivative is infinite (``sqrt`` at 0).
        """
        stack: list[tuple[float, float]] = []
        for step in self._steps:
            if step.op == "number":
                stack.append((step.number, 0.0))
            elif step.op == "name":
                value = self._finite(float(lookup(step.name)))
                stack.append((value, 1.0 if step.name == name else 0.0))
            else:
                stack[-step.arity :] = [self._apply_dual(step.op, stack[-step.arity :])]
        return stack[0][1]

    def gradient(self, lookup: Lookup) -> dict[str, float]:
        """Return the derivative by every name of the expression."""
        return {name: self.derivative(name, lookup) for name in sorted(self._names)}

    def __str__(self) -> str:
        stack: list[tuple[str, int]] = []
        for step in self._steps:
            if step.op == "number":
                stack.append((_number_text(step.number), _ATOM))
            elif step.op == "name":
                bare = _BARE_NAME.fullmatch(step.name) is not None
                stack.append((step.name if bare else f"{{{step.name}}}", _ATOM))
            else:
                stack[-step.arity :] = [_operation_text(step.op, stack[-step.arity :])]
        return stack[0][0]

    def __repr__(self) -> str:
        return f"Expression({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._steps == other._steps

    def __hash__(self) -> int:
        return hash(self._steps)

    def _apply(self, op: str, values: list[float]) -> float:
        try:
            if op in _VARIADIC:
                return _VARIADIC[op](values)
            if op in _BINARY:
                return self._finite(_BINARY[op](*values))
            return self._finite(_UNARY[op](*values))
        except ZeroDivisionError:
            raise self._error("division by zero in an expression") from None
        except ValueError:
            raise self._error(f"'{op}' has no real value here, in an expression") from None
        except OverflowError:
            raise self._error("the value of an expression is too large") from None

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise self._error("the value of an expression is too large")
        return value

    def _error(self, message: str) -> ConfigError:
        return ConfigError(message, given=self.text)

    def _apply_dual(self, op: str, pairs: list[tuple[float, float]]) -> tuple[float, float]:
        """Return value and derivative of one operation (forward mode)."""
        values = [value for value, _ in pairs]
        slopes = [slope for _, slope in pairs]
        value = self._apply(op, values)
        if not any(slopes):
            return value, 0.0
        if op in _VARIADIC:
            return value, slopes[values.index(value)]
        try:
            return value, self._finite(_slope(op, values, slopes, value))
        except (ZeroDivisionError, ValueError, OverflowError):
            raise self._error("the derivative of an expression does not exist here") from None


def _slope(op: str, values: list[float], slopes: list[float], value: float) -> float:
    """Return the derivative of one operation from the values and derivatives of its arguments."""
    a, da = values[0], slopes[0]
    b, db = (values[1], slopes[1]) if len(values) > 1 else (0.0, 0.0)
    match op:
        case "+":
            return da + db
        case "-":
            return da - db
        case "*":
            return da * b + a * db
        case "/":
            return (da - value * db) / b
        case "%":
            return da - (a // b) * db
        case "**":
            by_base = da * b * math.pow(a, b - 1) if da != 0 and b != 0 else 0.0
            by_exponent = db * value * math.log(a) if db != 0 else 0.0
            return by_base + by_exponent
        case "neg":
            return -da
        case "abs":
            return da if a >= 0 else -da
        case "sqrt":
            return da / (2 * value)
        case "log2":
            return da / (a * math.log(2))
    return 0.0  # ceil, floor, round, // between their steps


class _Parser:
    """Recursive descent to postfix; the depth is counted, so the recursion is bounded."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps: list[_Step] = []
        self._position = 0
        self._tokens = self._tokenize()

    def parse(self) -> tuple[_Step, ...]:
        self._sum(0)
        if self._position < len(self._tokens):
            raise self._error("unexpected text in an expression", self._place())
        return tuple(self._steps)

    def _error(self, message: str, place: int) -> ConfigError:
        return ConfigError(f"{message}, at character {place + 1}", given=self.text)

    def _place(self) -> int:
        at_end = self._position >= len(self._tokens)
        return len(self.text) if at_end else self._tokens[self._position][2]

    def _tokenize(self) -> list[tuple[str, str, int]]:
        if len(self.text) > MAX_CHARACTERS:
            raise ConfigError(
                "an expression is too long",
                given=self.text,
                allowed=f"at most {MAX_CHARACTERS} characters",
            )
        tokens = []
        position = 0
        end = len(self.text.rstrip(" \t"))
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise self._error("is not arithmetic", position)
            tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        return tokens

    def _accept(self, *operators: str) -> str | None:
        if self._position < len(self._tokens):
            kind, text, _ = self._tokens[self._position]
            if kind == "operator" and text in operators:
                self._position += 1
                return text
        return None

    def _expect(self, wanted: str) -> None:
        if self._accept(wanted) is None:
            raise self._error(f"'{wanted}' is missing in an expression", self._place())

    def _emit(self, step: _Step) -> None:
        self._steps.append(step)
        if len(self._steps) > MAX_NODES:
            raise ConfigError(
                "an expression is too large", given=self.text, allowed=f"at most {MAX_NODES} terms"
            )

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise ConfigError(
                "an expression is nested too deeply",
                given=self.text,
                allowed=f"at most {MAX_DEPTH} levels",
            )
        return depth + 1

    def _sum(self, depth: int) -> None:
        depth = self._deeper(depth)
        self._product(depth)
        while op := self._accept("+", "-"):
            self._product(depth)
            self._emit(_Step(op, arity=2))

    def _product(self, depth: int) -> None:
        self._unary(depth)
        while op := self._accept("*", "/", "//", "%"):
            self._unary(depth)
            self._emit(_Step(op, arity=2))

    def _unary(self, depth: int) -> None:
        depth = self._deeper(depth)
        if op := self._accept("+", "-"):
            self._unary(depth)
            if op == "-":
                self._emit(_Step("neg", arity=1))
            return
        self._atom(depth)
        if self._accept("**"):
            self._unary(depth)
            self._emit(_Step("**", arity=2))

    def _atom(self, depth: int) -> None:
        if self._accept("("):
            self._sum(depth)
            self._expect(")")
            return
        if self._position >= len(self._tokens) or self._tokens[self._position][0] == "operator":
            raise self._error("a number or a name is missing in an expression", self._place())
        kind, text, place = self._tokens[self._position]
        self._position += 1
        if kind == "number":
            number = float(text)
            if math.isinf(number):
                raise self._error("a number is too large in an expression", place)
            self._emit(_Step("number", number=number))
        elif kind == "name" and self._accept("("):
            self._call(text, place, depth)
        elif name := text.strip():
            self._emit(_Step("name", name=name))
        else:
            raise self._error("an empty name in an expression", place)

    def _call(self, function: str, place: int, depth: int) -> None:
        if function not in FUNCTIONS:
            raise ConfigError(
                f"unknown function '{function}' in an expression, at character {place + 1}",
                given=self.text,
                allowed=FUNCTIONS,
                hint=nearest(function, FUNCTIONS),
            )
        self._sum(depth)
        num_arguments = 1
        while self._accept(","):
            self._sum(depth)
            num_arguments += 1
        self._expect(")")
        if function not in _VARIADIC and num_arguments != 1:
            raise self._error(f"'{function}' takes one argument in an expression", place)
        self._emit(_Step(function, arity=num_arguments))


def _number_text(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _operation_text(op: str, arguments: list[tuple[str, int]]) -> tuple[str, int]:
    """Return text and precedence of an operation, with the fewest parentheses that keep it."""
    if op in FUNCTIONS:
        return f"{op}({', '.join(text for text, _ in arguments)})", _ATOM
    own = _PRECEDENCE[op]
    if op == "neg":
        return f"-{_grouped(arguments[0], own)}", own
    left, right = arguments
    if op == "**":
        # The exponent is a unary: a sign or another power needs no parentheses there.
        return f"{_grouped(left, own + 1)}**{_grouped(right, _PRECEDENCE['neg'])}", own
    return f"{_grouped(left, own)} {op} {_grouped(right, own + 1)}", own


def _grouped(argument: tuple[str, int], minimum: int) -> str:
    text, precedence = argument
    return f"({text})" if precedence < minimum else text
