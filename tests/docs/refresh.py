"""``python -m tests.docs.refresh [PAGE.md …]``: run every command again, rewrite what it prints."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.page import FOLDER, PAGES, Page, read
from tests.docs.workspace import Workspace


def refreshed(page: Page, folder: Path) -> str:
    """Return the text of a page with the output of every command as it is now."""
    workspace = Workspace(page, folder)
    lines = list(page.lines)
    shown = [(command, workspace.run(command)) for command in page.commands()]
    for command, output in reversed(shown):
        start = command.line + command.text.count("\n")
        lines[start : start + len(command.output)] = output
    return "".join(f"{line}\n" for line in lines)


def main(names: list[str]) -> int:
    for name in names or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page = read(name)
            text = refreshed(page, Path(folder))
        changed = text.splitlines() != list(page.lines)
        (FOLDER / name).write_text(text, "utf-8")
        print(f"{name}: {'rewritten' if changed else 'as it was'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
