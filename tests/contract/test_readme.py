"""The README's Python runs as it stands."""

from __future__ import annotations

import doctest
import re

import pytest

from tests.contract.source import ROOT, modules

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
DOCTESTED = sorted(name for name, module in modules().items() if ">>> " in module.text)


def test_the_python_of_the_readme_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS:
        if ">>> " in block:
            test = doctest.DocTestParser().get_doctest(block, {}, "README", None, 0)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            assert runner.run(test).failed == 0
        else:
            exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("name", DOCTESTED)
def test_the_examples_in_docstrings_are_true(name):
    module = __import__(name, fromlist=["*"])
    done = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert done.attempted > 0
    assert done.failed == 0


def test_local_links_lead_somewhere():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
