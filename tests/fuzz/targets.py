"""What is fuzzed: for each target a generator of inputs and a call that reads one.

A call may succeed, in which case it checks what must then hold, or raise an ArchsimError.
"""

from __future__ import annotations

import codecs
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim import registry
from archsim.config.document import load_document, parse_document
from archsim.config.overrides import apply_overrides
from archsim.config.paths import join_path, split_path
from archsim.config.schema import dump_model, key_paths, validate_model
from archsim.errors import ArchsimError
from archsim.expression import Expression
from archsim.numberformat import FORMATS, parse_format, parse_precision
from archsim.units import DIMENSIONS, format_quantity, parse_quantity, unit_names
from tests.config.machine_model import MACHINE, Machine, Memory
from tests.fuzz import arguments, mutation

ROOT = Path(__file__).parents[2]
POINT = {"a": 3.25, "constants.a": 0.0, "x-1.y": 7.0, "components.array.rows": 128.0}


@dataclass(frozen=True)
class Target:
    """One thing that reads input.

    ``weight`` is its share of the inputs; ``may_load`` says that a call may import modules.
    """

    name: str
    weight: int
    generate: Callable[[random.Random], str]
    read: Callable[[str], None]
    may_load: bool = False


def warm_up() -> None:
    """Load what is loaded on first use, so that no module is loaded while the ear is armed."""
    for name in ("utf-8-sig", "utf-16-le", "utf-8", "ascii", "unicode_escape"):
        codecs.lookup(name)
    registry.hardware.names()
    registry.workloads.names()


def _yaml_corpus() -> list[str]:
    folders = ("tests/config/broken", "hw_configs", "workloads")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.yaml"))]
    return [MACHINE, *(path.read_text(encoding="utf-8") for path in files)]


CORPUS = _yaml_corpus()
SEEDS = {
    "quantity": ["940 MHz", "16 MiB", "614 GB/s", "1e-9 s", "13.75ns", "0.75 V", "8 Gbit", "1 cm²"],
    "format": ["bf16", "int4:g128:fp16", "int4:g128:fp16:int4", "weights=int8,act=bf16,kv=fp8"],
    "override": [
        "hardware.constants.channels=16",
        "hardware.components.dram.bandwidth=800 GB/s",
        "hardware.components.array={kind: array, rows: 3, columns: 4}",
        "hardware.ranks.inner.size=7",
        "hardware.levels=[dram]",
        "hardware.components.dram.latency={value: 1 ns, source: x, estimate: [0 s, 2 ns]}",
        "hardware.technology.node=${constants.channels} nm",
        "hardware.components.dram.row-cycle=200 ns",
    ],
}


def _document_text(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return mutation.document(rng)
    return mutation.mutated(rng, MACHINE if rng.random() < 0.6 else rng.choice(CORPUS))


def read_document(text: str) -> None:
    """Load a document; it must write itself so that it loads equal, and fit the model or not."""
    document = parse_document(text, kind="hardware", file="fuzz.yaml")
    again = parse_document(document.to_yaml(), kind="hardware")
    assert again == document, "a document changed when it was written and read"
    assert again.content_hash == document.content_hash
    machine = validate_model(Machine, document.data, document, "hardware")
    assert validate_model(Machine, dump_model(machine)) == machine


def read_bytes(text: str) -> None:
    """Load a file of any bytes, as data and as plain data."""
    path = Path("fuzzed.yaml")
    path.write_bytes(text.encode("utf-16-le", "surrogatepass") if "\0" in text else _bytes(text))
    load_document(path, kind="hardware", sources=False)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if "\udc80" in text else "surrogatepass")


def _extending_text(rng: random.Random) -> str:
    name = rng.choice(
        ("fuzzed.yaml", "./fuzzed.yaml", "tpu-v4i", "..", "/dev/zero", "/", "a/b.yaml")
    )
    return f"extends: {name if rng.random() < 0.7 else mutation.mutated(rng, name)}\na: 1\n"


def read_extending(text: str) -> None:
    """Load a file that extends itself, another one, or none."""
    path = Path("fuzzed.yaml")
    path.write_text(text, encoding="utf-8", errors="replace")
    load_document(path, kind="hardware")


def read_expression(text: str) -> None:
    """Parse, write, evaluate and differentiate an expression."""
    parsed = Expression(text)
    assert Expression(str(parsed)) == parsed, "an expression changed when it was written and read"
    lookup = dict.fromkeys(parsed.names(), 2.5) | POINT
    parsed.evaluate(lookup.__getitem__)
    parsed.gradient(lookup.__getitem__)


def _expression_text(rng: random.Random) -> str:
    text = mutation.expression(rng)
    return mutation.mutated(rng, text) if rng.random() < 0.5 else text


def _quantity_text(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return mutation.mutated(rng, rng.choice(SEEDS["quantity"]))
    unit = rng.choice(unit_names(rng.choice(DIMENSIONS)))
    return mutation.number(rng) + rng.choice(("", " ", "  ", "\t")) + unit


def read_quantity(text: str) -> None:
    """Read a quantity in every dimension; it fits at most one, and its text reads back."""
    fitting = []
    refusal: ArchsimError | None = None
    for dimension in DIMENSIONS:
        try:
            fitting.append((parse_quantity(text, dimension), dimension))
        except ArchsimError as error:
            refusal = error
    assert len(fitting) <= 1, "a quantity has two dimensions"
    for value, dimension in fitting:
        assert parse_quantity(format_quantity(value, dimension), dimension) == value
    if not fitting and refusal is not None:
        raise refusal


def _format_text(rng: random.Random) -> str:
    if rng.random() < 0.3:
        parts = [rng.choice((*FORMATS, mutation.word(rng))) for _ in range(rng.randint(1, 4))]
        return ":".join([parts[0], f"g{mutation.number(rng)}", *parts[1:]])
    return mutation.mutated(rng, rng.choice(SEEDS["format"]))


def read_format(text: str) -> None:
    """Read a text as a precision and as a number format."""
    if "=" in text:
        precision = parse_precision(text)
        assert parse_precision(str(precision)) == precision
        return
    number_format = parse_format(text)
    assert parse_format(str(number_format)) == number_format
    assert number_format.bytes(10**9) > 0


_BASE = parse_document(MACHINE, kind="hardware", file="base.yaml")
_KNOWN = key_paths(Memory, "hardware.components.dram")


def _override_text(rng: random.Random) -> str:
    if rng.random() < 0.3:
        path = rng.choice([*_BASE.locations, *_KNOWN, "hardware.x", "workload.y"])
        return f"{path}={mutation.document(rng, 2)}"
    return mutation.mutated(rng, rng.choice(SEEDS["override"]))


def read_override(text: str) -> None:
    """Apply an override; the new document must write itself so that it loads equal."""
    document = apply_overrides(_BASE, [text], known=_KNOWN)
    assert parse_document(document.to_yaml(), kind="hardware") == document
    validate_model(Machine, document.data, document, "hardware")


def read_path(text: str) -> None:
    """Split a dotted path and join it again."""
    path = ""
    for segment in split_path(text):
        path = join_path(path, segment)
    assert split_path(path) == split_path(text)


def _path_text(rng: random.Random) -> str:
    return mutation.mutated(rng, rng.choice(['hardware.a["x.y"].b-c', "hardware.ranks.inner.size"]))


TARGETS: Sequence[Target] = (
    Target("document", 30, _document_text, read_document),
    Target("bytes", 8, _document_text, read_bytes),
    Target("extends", 4, _extending_text, read_extending),
    Target("expression", 20, _expression_text, read_expression),
    Target("quantity", 14, _quantity_text, read_quantity),
    Target("format", 8, _format_text, read_format),
    Target("override", 14, _override_text, read_override),
    Target("path", 2, _path_text, read_path),
    Target("arguments", 1, arguments.generate_reading, arguments.read, may_load=True),
    Target("simulation", 1, arguments.generate_simulating, arguments.read, may_load=True),
)
