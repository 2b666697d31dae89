"""``python -m tests.docs.refresh [PAGE.md | FIGURE.svg …]``: write again what runs give today.

Of a page that is what its commands print; a picture is the figure of its name.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from archsim.figures.figure import FigureRequest, load_figure
from archsim.figures.rendering import render
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


def picture(path: Path) -> str:
    """Return the figure after which a picture is named."""
    figure = load_figure(path.stem)
    return render(figure, figure.data(FigureRequest()), "svg").decode()


def main(names: list[str]) -> int:
    for name in [name for name in names if name.endswith(".svg")]:
        (FOLDER / name).write_text(picture(FOLDER / name), "utf-8")
        print(f"{name}: drawn")
    for name in [name for name in names if not name.endswith(".svg")] or (() if names else PAGES):
        with tempfile.TemporaryDirectory() as folder:
            page = read(name)
            text = refreshed(page, Path(folder))
        changed = text.splitlines() != list(page.lines)
        (FOLDER / name).write_text(text, "utf-8")
        print(f"{name}: {'rewritten' if changed else 'as it was'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
