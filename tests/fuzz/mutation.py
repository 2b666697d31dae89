"""Random texts: mutations of valid ones, and texts from small grammars."""

from __future__ import annotations

import random

DICTIONARY = (
    "${", "}", "${constants.a}", "{", "[", "]", "(", ")", ",", ":", ": ", "- ", "\n", "\t", "  ",
    "#", "&a ", "*a", "<<", "!!python/object/apply:os.system ['touch pwned']", "!!int ", "! ",
    "---", "...", "%YAML 1.1", "?", "|", ">", "'", '"', "\\", "\\x", "\0", "\ufeff", "\x85",
    "\u2028", "\ud800", "\U0001f600", "é", "１", "null", "~", "true", "on", "yes", ".inf", ".nan",
    "010", "0x10", "0o7", "1_000", "1:30", "1e9", "1e999", "-1", "0", "9" * 45, "1" + "0" * 30,
    "10**10**10", "**", "//", "%", "MHz", "GB/s", "KiB", "ns", "unbounded", "kind", "name", "value",
    "source", "estimate", "extends", "extends: array", "../../etc/passwd", "/dev/zero",
    "components", "hardware.", "workload.", "=", "__import__('os').system('touch pwned')",
    "${__class__}", "[[" * 40, "{a: " * 30, "(" * 60, "-" * 70, "x" * 200, "int4:g128:fp16", "bf16",
    "--set", "--json", "-o",
)  # fmt: skip
"""Pieces that have broken parsers before."""

_LETTERS = "abcxyz_.-0123456789 "


def mutated(rng: random.Random, text: str) -> str:
    """Return a text after one to eight random edits."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        text = _edited(rng, text)
    return text[:200_000]


def _edited(rng: random.Random, text: str) -> str:
    first, second = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    second = min(second, first + 80)
    piece = text[first:second]
    match rng.randrange(9):
        case 0:
            return text[:first] + text[second:]
        case 1:
            return text[:first] + rng.choice(DICTIONARY) + text[first:]
        case 2:
            return text[:first] + rng.choice(DICTIONARY) + text[second:]
        case 3:
            return text[:second] + piece * rng.choice((1, 2, 50)) + text[second:]
        case 4:
            return (
                text[:first]
                + chr(rng.choice((rng.randrange(128), rng.randrange(0x11000))))
                + (text[first + 1 :])
            )
        case 5:
            lines = text.split("\n")
            rng.shuffle(lines)
            return "\n".join(lines)
        case 6:
            lines = text.split("\n")
            index = rng.randrange(len(lines))
            lines[index] = " " * rng.randrange(6) + lines[index].lstrip()
            return "\n".join(lines)
        case 7:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            return "\n".join(lines)
        case _:
            return text[:first] + piece.swapcase() + text[second:]


def word(rng: random.Random) -> str:
    """Return a short random word, now and then a hostile one."""
    if rng.random() < 0.2:
        return rng.choice(DICTIONARY)
    return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(0, 8)))


def number(rng: random.Random) -> str:
    """Return a number, from plain to absurd."""
    digits = rng.choice((1, 1, 2, 3, 10, 30, 400))
    text = str(rng.randrange(10**digits))
    if rng.random() < 0.4:
        text += "." + str(rng.randrange(1000))
    if rng.random() < 0.3:
        text += rng.choice("eE") + rng.choice(("", "+", "-")) + str(rng.randrange(1, 1200))
    return rng.choice(("", "", "-", "+")) + text


def expression(rng: random.Random, depth: int = 5) -> str:
    """Return an expression of the grammar, with stray pieces at times."""
    if depth == 0 or rng.random() < 0.25:
        return rng.choice((number(rng), "a", "constants.a", "{x-1.y}", "{components.array.rows}"))
    if rng.random() < 0.02:
        return word(rng)
    if rng.random() < 0.25:
        arguments = [expression(rng, depth - 1) for _ in range(rng.choice((1, 1, 2, 3)))]
        function = rng.choice(("min", "max", "ceil", "floor", "round", "abs", "sqrt", "log2"))
        return f"{function}({', '.join(arguments)})"
    operator = rng.choice((" + ", "-", "*", " / ", "//", "%", "**", "**-"))
    return f"({expression(rng, depth - 1)}){operator}{expression(rng, depth - 1)}"


def document(rng: random.Random, depth: int = 4) -> str:
    """Return a YAML document in flow style from a small grammar."""
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return rng.choice((number, word, _quoted, _quantity))(rng)
    if kind < 0.45:
        return f"&a{rng.randrange(3)} {document(rng, depth - 1)}"
    if kind < 0.5:
        return f"*a{rng.randrange(3)}"
    if kind < 0.7:
        return f"[{', '.join(document(rng, depth - 1) for _ in range(rng.randrange(4)))}]"
    entries = (
        f"{rng.choice(('a', 'b', 'value', 'source', 'estimate', 'name', word(rng)))}: "
        f"{document(rng, depth - 1)}"
        for _ in range(rng.randrange(5))
    )
    return "{" + ", ".join(entries) + "}"


def _quoted(rng: random.Random) -> str:
    return '"${' + expression(rng, 2) + '}"' if rng.random() < 0.7 else f'"{word(rng)}"'


def _quantity(rng: random.Random) -> str:
    return number(rng) + rng.choice(("", " ")) + rng.choice(("MHz", "GiB", "ns", "GB/s", "x", "KB"))
