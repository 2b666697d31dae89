"""The other commands, their errors, and what the help may import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from archsim.cli import main
from archsim.cli.output import print_error, write_file
from tests.results.samples import feasible_result, infeasible_result


def test_help_and_import_load_nothing_heavy():
    code = (
        "import sys, archsim\n"
        "from archsim.cli import main\n"
        "main(['--help'])\n"
        "heavy = {'numpy', 'numba', 'pydantic', 'yaml', 'rich', 'networkx', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "main(['run', '--help'])\n"
        "print(sorted((heavy - {'pydantic'}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines().count("[]") == 2
    assert "Usage: archsim" in done.stdout


def test_no_words_print_the_help(archsim):
    done = archsim()
    assert done.code == 0
    assert "Commands:" in done.out


def test_version(archsim):
    done = archsim("--version")
    assert done.code == 0
    assert done.out.startswith("archsim ")


def test_an_unknown_command_has_a_suggestion(archsim):
    done = archsim("rnu")
    assert done.code == 2
    assert "run" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate", "--json"],
        ["validate", "scalsim", "--json"],
        ["validate", "scalesim", "--data", "absent.csv", "--json"],
        ["list", "modls", "--json"],
        ["check", "absent.yaml", "--json"],
        ["show", "tpu-v4j", "--json"],
        ["schema", "hardwar", "--json"],
        ["bench", "engin", "--json"],
        ["run", "--json"],
        ["run", "--from", "absent.json", "--json"],
    ],
)
def test_errors_are_json_alone_on_stdout(archsim, words):
    done = archsim(*words)
    assert done.code == 2
    assert set(done.json) == {"error"}
    assert {"kind", "message", "exit_code"} <= set(done.json["error"])
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["list", "modls"], ["validate", "scalsim"], ["show", "lama3-8b"]]
)
def test_a_near_miss_is_named(archsim, words):
    assert "did you mean" in archsim(*words).err


@pytest.mark.parametrize("what", ["hardware", "models", "components", "suites"])
def test_list(archsim, what):
    data = archsim("list", what, "--json").json
    assert list(data) == [what]
    names = [item["name"] for item in data[what]]
    assert names == sorted(names)
    assert names
    table = archsim("list", what).out
    assert all(name in table for name in names)


def test_validate_scalesim(archsim, tmp_path):
    done = archsim("validate", "scalesim", "--json", "-o", str(tmp_path / "s.json"))
    assert done.code == 0
    assert done.json["passed"] is True
    assert json.loads((tmp_path / "s.json").read_text()) == done.json
    assert "every bar holds" in archsim("validate", "scalesim").out


def test_a_missed_bar_exits_4(archsim, tmp_path):
    from archsim.validation.scalesim import COLUMNS

    path = tmp_path / "x.csv"
    row = "32,32,os,32,32,32,CALC,,94,0,34.4086,100.0000,1024,1024,1088"
    path.write_text(",".join(COLUMNS) + "\n" + row + "\n")
    done = archsim("validate", "scalesim", "--data", str(path), "--json")
    assert done.code == 4
    assert done.json["passed"] is False
    assert "misses 2 bars" in done.err


def test_missing_data_exit_5(archsim, tmp_path):
    done = archsim("validate", "scalesim", "--data", str(tmp_path), "--json")
    assert done.code == 5
    assert done.json["error"]["exit_code"] == 5
    assert "scalesim" in done.err


def test_schema_of_a_result_fits_results(archsim):
    schema = archsim("schema", "result").json
    jsonschema.Draft202012Validator.check_schema(schema)
    for result in (feasible_result(), infeasible_result()):
        jsonschema.validate(json.loads(result.to_json()), schema)
    broken = json.loads(feasible_result().to_json()) | {"latency_s": "soon"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_schema_of_claims_fits_the_packaged_ones(archsim):
    from archsim.validation.suite import PACKAGED

    schema = archsim("schema", "claims").json
    for path in (PACKAGED / "claims").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_check_a_model_claims_and_a_result(archsim, tmp_path):
    from archsim.registry import workloads
    from archsim.validation.suite import PACKAGED

    done = archsim("check", str(workloads.find_yaml("llama3-8b")))
    assert done.code == 0
    assert "a valid workload file, 'llama3-8b'" in done.out
    claims = archsim("check", str(PACKAGED / "claims" / "models.yaml"), "--json").json
    assert claims["kind"] == "claims"
    path = tmp_path / "r.json"
    path.write_text(feasible_result().to_json())
    assert archsim("check", str(path), "--json").json["kind"] == "result"


def test_show_a_model_with_sources(archsim, tmp_path):
    saved = tmp_path / "m.yaml"
    done = archsim("show", "llama3-8b", "-o", str(saved))
    assert done.code == 0
    assert "Sources" in done.out
    again = archsim("show", str(saved), "--json").json
    assert again["workload"] == archsim("show", "llama3-8b", "--json").json["workload"]
    changed = archsim("show", "llama3-8b", "--set", "workload.layers=2", "--json").json
    assert changed["workload"]["layers"] == 2


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    target = tmp_path / "x"
    write_file(target, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(target, "new")
    assert target.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "x", tmp_path / "l"
    target.write_text("old")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_an_error_is_one_printable_line(capsys):
    print_error("two\nlines \x1b[31m " + "x" * 5000)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert len(line) < 700


def test_an_unreadable_path_is_no_traceback(archsim):
    for word in ("/proc/self/mem", "/dev", "\udcff.yaml"):
        done = archsim("check", word)
        assert done.code == 2
        assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [["schema", "result"], ["--help"], ["validate", "scalesim"]])
def test_a_reader_that_leaves_is_no_error(words):
    process = subprocess.Popen(
        [sys.executable, "-m", "archsim.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert error == b""


def test_a_full_disk_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "archsim.cli", "schema", "result"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "archsim: standard output: No space left on device\n"


def test_color_only_for_a_terminal_that_wants_it(archsim, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in archsim("list", "suites").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in archsim("list", "suites").out


def test_main_takes_the_words_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["archsim", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("archsim")


def test_an_option_is_no_file_to_write(archsim, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = archsim("schema", "hardware", "-o", "--json")
    assert done.code == 2
    assert "-o: needs the name of a file; given '--json'" in done.err
    assert not list(tmp_path.iterdir())
