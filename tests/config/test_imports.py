"""What the ground floor may import: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"numpy", "numba", "pydantic", "yaml", "matplotlib", "networkx", "rich", "typer"}


def loaded_by(statement):
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["errors", "units", "expression", "numberformat", "registry"])
def test_ground_floor_is_light(module):
    loaded = loaded_by(f"import archsim.{module}")
    assert not loaded & (HEAVY | {"importlib.metadata"})
    ours = {name for name in loaded if name.startswith("archsim.")}
    assert ours <= {f"archsim.{module}", "archsim.errors"}


def test_the_loader_needs_no_models():
    loaded = loaded_by("import archsim.config.document, archsim.config.overrides")
    assert loaded & HEAVY == {"yaml"}


def test_models_need_no_arrays():
    loaded = loaded_by("import archsim.config.schema, archsim.config.jsonschema")
    assert not loaded & (HEAVY - {"pydantic", "yaml"})
