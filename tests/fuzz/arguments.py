"""Command lines: words from a grammar, mutated, handed to the command line in this process.

Only commands whose work is small are generated; what simulates gets small shapes and the
``roofline`` rung most of the time.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path

from archsim.errors import ConfigError
from tests.fuzz import mutation

EXIT_CODES = frozenset((0, 2, 3, 4, 5))
HARDWARE = (*("tpu-v4i", "array128-hbm2e", "array128-hbm3", "fuzzed.yaml") * 4, "tpu-v5i")
MODELS = (*("llama3.2-1b", "bert-base", "llama3-8b") * 4, "llama9-1b", "fuzzed.yaml")
KINDS = ("hardware", "models", "mappers", "components", "suites", "benches", "workload", "result")
SETS = (
    "hardware.components.buffer.capacity=1 MiB",
    "hardware.clocks.core=1 GHz",
    "hardware.components.array.rows=64",
    "workload.num_layers=2",
    "mapper.gemm=gemm",
    "options.seed=3",
)
_LIMIT_MESSAGE = "the input asks for more than this machine has"


def generate_reading(rng: random.Random) -> str:
    """Return the words of a command that only reads, one a line."""
    match rng.randrange(4):
        case 0:
            words = ["list", rng.choice(KINDS)]
        case 1:
            words = ["schema", rng.choice(KINDS)]
        case 2:
            words = ["check", rng.choice(("fuzzed.yaml", "none.yaml", ".", "tpu-v4i"))]
        case _:
            name = rng.choice(HARDWARE + MODELS)
            words = ["show", name, *_repeated(rng, "--set", SETS), *_output(rng)]
    return _disturbed(rng, words)


def generate_simulating(rng: random.Random) -> str:
    """Return the words of a command that simulates, one a line."""
    if rng.random() < 0.2:
        names = [rng.choice(HARDWARE), rng.choice(HARDWARE), rng.choice(MODELS)]
        return _disturbed(rng, ["compare", *names, *_options(rng)])
    return _disturbed(rng, ["run", rng.choice(HARDWARE), rng.choice(MODELS), *_options(rng)])


def _disturbed(rng: random.Random, words: list[str]) -> str:
    """Return words, one a line, some of them mutated."""
    if rng.random() < 0.3:
        index = rng.randrange(len(words))
        words[index] = mutation.mutated(rng, words[index]).replace("\n", " ")
    if rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), mutation.word(rng).replace("\n", " "))
    if rng.random() < 0.4:
        words.append("--json")
    # Where a command would write is the user's word; only names in the working folder are fuzzed.
    if any(word.startswith(("-o", "--o")) for word in words):
        words = [word.replace("/", "_") for word in words]
    return "\n".join(words)


def _options(rng: random.Random) -> list[str]:
    words = ["--phase", rng.choice((*("prefill", "decode", "generate") * 5, "encode"))]
    for option in ("--batch", "--context", "--new-tokens", "--seed"):
        if rng.random() < 0.4:
            words += [option, str(rng.randint(1, 64)) if rng.random() < 0.9 else _absurd(rng)]
    if rng.random() < 0.9:
        words += ["--fidelity", "roofline"]
    if rng.random() < 0.2:
        words += ["--precision", rng.choice(("weights=int8", "kv=fp8,act=bf16", "int4:g0", ""))]
    words += _repeated(rng, "--set", SETS)
    return [*words, *_repeated(rng, "--mapper", ("unfused", "gemm=gemm", "vector=gemm", "flash"))]


def _absurd(rng: random.Random) -> str:
    return rng.choice(("-1", "1e9", "x", "", "1" + "0" * 30, "0x10", "1_000", mutation.number(rng)))


def _repeated(rng: random.Random, option: str, values: tuple[str, ...]) -> list[str]:
    words = []
    while rng.random() < 0.2:
        value = rng.choice(values)
        if rng.random() < 0.5:
            value = mutation.mutated(rng, value).replace("\n", " ")
        words += [option, value]
    return words


def _output(rng: random.Random) -> list[str]:
    return ["-o", rng.choice(("out.yaml", "out.json", "."))] if rng.random() < 0.2 else []


def read(text: str) -> None:
    """Run a command line; a refusal is raised as ConfigError, so that its message is judged."""
    from archsim.cli import main

    Path("fuzzed.yaml").write_text("extends: tpu-v4i\nname: fuzzed\n")
    words = text.split("\n")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    assert code in EXIT_CODES, f"exit code {code}"
    assert "Traceback" not in err.getvalue()
    assert _LIMIT_MESSAGE not in err.getvalue(), err.getvalue()
    if "--json" in words[1:] and out.getvalue():
        json.loads(out.getvalue())
    if code == 2:
        message = err.getvalue().strip()
        raise ConfigError(message.split("\n")[0] or "refused without a message")
