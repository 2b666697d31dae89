"""The pages: commands exist, files in them are valid, what they print is what is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from archsim import registry
from archsim.cli.app import app
from archsim.components.base import Component
from archsim.config.document import parse_document
from archsim.config.schema import ConfigModel
from archsim.dram.memory import load_memory
from archsim.errors import ArchsimError
from archsim.machine import load_hardware
from archsim.machine_config import MachineConfig
from tests.docs.page import FOLDER, PAGES, Block, Command, parse, read
from tests.docs.refresh import refreshed
from tests.docs.workspace import Workspace
from workloads import load_model

ROOT = Path(__file__).resolve().parents[2]
FILTERS = ("sed", "head", "tail", "grep")
CHEAP = ("list", "show", "check", "schema", "--help")
"""Commands without a simulation behind them: run and compared in the quick tests too."""

COMMANDS = typer.main.get_command(app)
MODEL_KEYS = {"family", "hidden_size"}


def of_every_page(*languages: str) -> list[object]:
    return [
        pytest.param(name, block, id=f"{name}:{block.line}")
        for name in PAGES
        for block in read(name).blocks
        if block.language in languages
    ]


def commands() -> list[object]:
    return [
        pytest.param(name, command, id=f"{name}:{command.line}")
        for name in PAGES
        for command in read(name).commands()
    ]


def test_the_pages_are_there():
    assert set(PAGES) >= {"hardware.md", "model.md", "plugins.md", "predict-then-check.md"}


@pytest.mark.parametrize(("name", "command"), commands())
def test_a_command_is_one_that_exists(name: str, command: Command):
    first, *others = [shlex.split(part) for part in split_pipe(command.words)]
    assert all(part[0] in FILTERS for part in others)
    if first[0] == "python":
        assert first[1] in read(name).files()
        return
    assert first[0] == "archsim"
    if len(first) > 2:
        verb, rest = COMMANDS.commands[first[1]], first[2:]
        if hasattr(verb, "commands"):
            verb, rest = verb.commands[rest[0]], rest[1:]
        with verb.make_context(first[1], rest) as context:
            assert context.params


def split_pipe(text: str) -> list[str]:
    """Split a command at the bars outside quotation marks."""
    lexer = shlex.shlex(text, posix=False, punctuation_chars="|")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return [" ".join(part) for part in parts]


@pytest.mark.parametrize(("name", "block"), of_every_page("yaml"))
def test_yaml_is_valid_or_shown_as_broken(name: str, block: Block, tmp_path: Path, monkeypatch):
    data = parse_document(block.text, kind="hardware").data if block.file is None else None
    if block.file is None:
        assert data
        return
    Workspace(read(name), tmp_path)
    monkeypatch.chdir(tmp_path / Path(block.file).parent)
    file = Path(block.file).name
    is_model = any(f"{key}:" in block.text for key in MODEL_KEYS)
    if file.startswith("broken"):
        with pytest.raises(ArchsimError):
            load_hardware(Path(file))
    elif "controller:" in block.text:
        assert load_memory(file).channels
    elif is_model:
        assert load_model(Path(file)).layers
    elif "toy" not in block.text:  # kinds of a plug-in exist only where it is installed
        assert load_hardware(Path(file)).levels


@pytest.mark.parametrize(("name", "block"), of_every_page("python"))
def test_python_compiles(name: str, block: Block):
    compile(block.text, f"{name}:{block.line}", "exec")


@pytest.mark.parametrize(
    ("name", "block"), [item for item in of_every_page("python") if item.values[1].file is None]
)
def test_python_runs(name: str, block: Block, tmp_path: Path):
    workspace = Workspace(read(name), tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=tmp_path,
        env=workspace.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def is_cheap(name: str, command: Command) -> bool:
    """Whether a command takes well under a second: it simulates no model."""
    tool, verb, *_ = command.words.split()
    return verb in CHEAP or (tool == "python" and name == "engine.md")


@pytest.mark.parametrize(
    ("name", "command"), [item for item in commands() if is_cheap(*item.values)]
)
def test_cheap_output_is_as_shown(name: str, command: Command, tmp_path: Path):
    assert Workspace(read(name), tmp_path).run(command) == list(command.output)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_output_is_as_shown(name: str, tmp_path: Path):
    page = read(name)
    assert refreshed(page, tmp_path).splitlines() == list(page.lines)


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_refers_to_exists(name: str):
    prose = read(name).prose()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        assert (FOLDER / target).exists(), target
    for path, test in re.findall(r"`(tests/[\w/.-]+)(?:::(\w+))?`", prose):
        assert (ROOT / path).exists(), path
        if test:
            assert f"def {test}(" in (ROOT / path).read_text("utf-8"), test


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_tidy(name: str):
    page = read(name)
    assert page.lines[0].startswith("# ")
    assert all(line == line.rstrip() for line in page.lines)
    assert "TODO" not in "\n".join(page.lines)


def test_every_key_of_a_hardware_file_is_described():
    shown = read("hardware.md").lines
    rows = {word for line in shown if line.startswith("| `") for word in names_in(line)}
    kinds = [registry.components.get(name) for name in registry.components.names()]
    for model in (MachineConfig, *kinds):
        assert isinstance(model, type)
        assert issubclass(model, ConfigModel)
        keys = {item.alias or name for name, item in model.model_fields.items()}
        missing = keys - rows - set(Component.model_fields) - {"energy", "static_power", "area"}
        assert not missing, model.__name__


def names_in(row: str) -> list[str]:
    """Return the names in the first column of a row of a table."""
    return re.findall(r"`([^`]+)`", row.split("|")[1])


def test_refreshing_replaces_what_a_command_printed(tmp_path: Path):
    head, tail = "# A\n\n```console\n$ echo one\n", "$ echo \\\n    two | sed 's/w/W/'\n"
    text = f"{head}old\nolder\n{tail}```\nrest\n"
    page = parse("a.md", text)
    assert [command.line for command in page.commands()] == [4, 7]
    fresh = refreshed(page, tmp_path)
    assert fresh == f"{head}one\n{tail}tWo\n```\nrest\n"
    assert refreshed(parse("a.md", fresh), tmp_path) == fresh
