"""The same sweeps without any simulator: engine program == law, and every law == its twin."""

from __future__ import annotations

from importlib import import_module

import pytest

from archsim.engine import interpret, run_program
from rtl_ref.harness.blocks import ROOT, block_names, load_block
from rtl_ref.harness.runner import mutated_sources

BLOCKS = {name: load_block(name) for name in block_names()}
CASES = [
    (block, config, case)
    for block in BLOCKS.values()
    for config in block.configs.values()
    for case in config.cases
]


@pytest.mark.parametrize("name", BLOCKS)
def test_engine_equals_law(name):
    module = import_module(f"rtl_ref.{name}.program")
    for config in BLOCKS[name].configs.values():
        for case in config.cases:
            program = module.program(config.parameters, case)
            law = module.cycles(config.parameters, case)
            assert run_program(program, path=False).makespan_ps == law, (config.name, case)
            assert interpret(program).makespan_ps == law


@pytest.mark.parametrize("name", BLOCKS)
def test_law_is_importable(name):
    module, _, function = BLOCKS[name].law.rpartition(".")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", BLOCKS)
def test_mutants_replace_text_that_is_there(name, tmp_path):
    block = BLOCKS[name]
    for mutant in block.mutants.values():
        assert mutant.find != mutant.replace
        mutated_sources(block, mutant, tmp_path / mutant.name)


def test_every_source_belongs_to_a_block():
    used = {source for block in BLOCKS.values() for source in block.sources}
    assert set(ROOT.rglob("*.sv")) == used
    for source in used:
        text = source.read_text(encoding="ascii")
        assert f"module {source.stem} " in text
        assert max(map(len, text.splitlines())) <= 100
