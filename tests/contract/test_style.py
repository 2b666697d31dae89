"""Sizes, docstrings and habits of the shipped source files."""

from __future__ import annotations

import ast
import re
import statistics

import pytest

from tests.contract.source import modules

MAX_LINES = 500
MAX_MEDIAN_LINES = 160
MAX_FUNCTION_LINES = 80
MAX_KERNEL_LINES = 120
"""Numba kernels may be longer: a call inside them costs compile time and registers."""

KERNELS = frozenset({"archsim.engine.kernel", "archsim.engine.compiled"})
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
PRINTS_ALLOWED = "archsim.cli"


def functions():
    """Return (module, function) for every function, methods and inner ones included."""
    return [
        (module, node)
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def num_code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    length = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return length
    text = function.body[0]
    return length - ((text.end_lineno or 0) - text.lineno + 1)


def test_files_are_short():
    sizes = {name: module.num_lines for name, module in modules().items()}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}
    assert statistics.median(sizes.values()) <= MAX_MEDIAN_LINES


def test_functions_are_short():
    long = {}
    for module, function in functions():
        limit = MAX_KERNEL_LINES if module.name in KERNELS else MAX_FUNCTION_LINES
        if num_code_lines(function) > limit:
            long[f"{module.name}.{function.name}"] = num_code_lines(function)
    assert long == {}


def public_nodes(parent, prefix):
    """Yield (dotted name, node) of public functions and classes, and of methods of the latter."""
    for node in parent.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_"):
                continue
            name = f"{prefix}.{node.name}"
            yield name, node
            if isinstance(node, ast.ClassDef):
                yield from public_nodes(node, name)


def test_everything_public_has_a_docstring():
    bare = [name for name, module in modules().items() if not ast.get_docstring(module.tree)]
    for name, module in modules().items():
        for dotted, node in public_nodes(module.tree, name):
            is_overload = any("overload" in ast.unparse(item) for item in node.decorator_list)
            if not ast.get_docstring(node) and not is_overload:
                bare.append(dotted)
    assert bare == []


def test_every_argument_and_result_is_typed():
    bare = [
        f"{module.name}.{function.name}: {argument.arg if argument else 'result'}"
        for module, function in functions()
        for argument in (*arguments(function), None)
        if (function.returns if argument is None else argument.annotation) is None
    ]
    assert bare == []


def arguments(function):
    every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return [argument for argument in every if argument.arg not in ("self", "cls")]


def test_nothing_below_the_command_line_prints():
    for name, module in modules().items():
        if name.startswith(PRINTS_ALLOWED):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{name} prints in line {node.lineno}"
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in ("sys.stdout", "sys.stderr"), name


@pytest.mark.parametrize(
    "pattern",
    [
        r"\b(TODO|FIXME|XXX)\b",
        r"type:\s*ignore",
        r"\bnoqa\b",
        r"pragma:\s*no cover",
        r"except\s*:|except\s+(Base)?Exception\b",
        r"/work/|/tmp/|/home/|/root/",
        r"\beval\(|\bpickle\.loads?\b",
    ],
)
def test_no_bad_habits(pattern):
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, module in modules().items()
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []


def test_modules_have_telling_names():
    for name in modules():
        assert not VAGUE & set(name.split(".")), name
