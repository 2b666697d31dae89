"""The pictures of the pages are figures of today: same labels, same number of shapes."""

from __future__ import annotations

import re

import pytest

from tests.docs.page import FOLDER
from tests.docs.refresh import picture

PICTURES = sorted(
    path for kind in ("engine", "dram", "pim") for path in FOLDER.glob(f"{kind}-*.svg")
)


def seen(svg: str) -> tuple[list[str], int]:
    """Return what a picture says and how many shapes it draws: not where a font puts them."""
    labels = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]
    return labels, svg.count("<path") + svg.count("<use") + svg.count("<image")


def test_there_are_pictures():
    assert len(PICTURES) == 7


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_the_figure_of_its_name(path):
    assert seen(path.read_text("utf-8")) == seen(picture(path)), "see tests.docs.refresh"
