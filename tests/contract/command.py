"""The command line in processes of its own, as a user's shell starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What a process left behind."""

    code: int
    out: str
    err: str


def archsim(
    *words: str,
    python: Path | str = sys.executable,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    code: int = 0,
) -> Done:
    """Run ``archsim WORDS`` and return what it printed; it must exit with `code`."""
    return process(
        [str(python), "-c", "from archsim.cli import main; raise SystemExit(main())", *words],
        folder=folder,
        environment=environment,
        code=code,
    )


def process(
    words: list[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    code: int = 0,
) -> Done:
    """Run a program without an inherited Python path; it must exit with `code`."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        words,
        cwd=folder,
        env={**inherited, "COLUMNS": "100", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{words} gave {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Done(done.returncode, done.stdout, done.stderr)
