"""A folder in which a page's files lie and its commands run."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.page import Command, Page

WIDTH = 80
"""Columns of the terminal in which the pages' commands ran."""


class Workspace:
    """The folder of one page.

    A page that shows the ``pyproject.toml`` of a plug-in gets its entry points as an installer
    would write them, so that its commands find the plug-in.
    """

    def __init__(self, page: Page, folder: Path) -> None:
        self.folder = folder
        for name, text in page.files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        for path in folder.rglob("pyproject.toml"):
            _install(path)

    def run(self, command: Command) -> list[str]:
        """Run a command and return what a terminal shows: its output, then its messages."""
        done = subprocess.run(
            ["bash", "-c", command.words],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        text = done.stdout.rstrip() + ("\n" if done.stdout.strip() else "") + done.stderr.rstrip()
        return [line.rstrip() for line in text.splitlines()]

    def environment(self) -> dict[str, str]:
        folders = [str(path.parent) for path in self.folder.rglob("pyproject.toml")]
        root = Path(__file__).resolve().parents[2]
        return {
            **{key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": os.pathsep.join([*folders, str(root)]),
            "COLUMNS": str(WIDTH),
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }


def _install(project: Path) -> None:
    """Write the metadata that installing a project leaves behind, beside its packages."""
    data = tomllib.loads(project.read_text("utf-8"))["project"]
    folder = project.parent / f"{data['name'].replace('-', '_')}-{data['version']}.dist-info"
    folder.mkdir()
    head = f"Metadata-Version: 2.1\nName: {data['name']}\nVersion: {data['version']}\n"
    (folder / "METADATA").write_text(head, "utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""])
        for group, entries in data["entry-points"].items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(groups), "utf-8")
