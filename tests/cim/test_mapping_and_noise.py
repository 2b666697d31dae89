"""Encodings, slices, noise against draws, and mappings that must be refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cim.analog import AnalogMacro, lossless_adc_bits
from archsim.cim.digital import DigitalMacro
from archsim.cim.encoding import ENCODINGS, encoding, slices
from archsim.cim.mapping import MacroMapping, Product, map_analog, map_digital
from archsim.cim.noise import BOLTZMANN_J_PER_K, NoiseSources, conversion_noise
from archsim.errors import ConfigError
from archsim.mapping import Infeasible

MACRO = AnalogMacro(64, 16, 4, 4, 1, 7)
QUIET = NoiseSources(line_ff=100.0, supply_v=0.8)


@given(st.sampled_from(sorted(ENCODINGS)), st.integers(2, 8), st.data())
def test_parts_are_unsigned_and_give_the_value_back(name, bits, data):
    kind = ENCODINGS[name]
    low = 0 if name == "magnitude" else -(1 << bits - 1) + kind.bits_saved
    value = data.draw(st.integers(low, (1 << bits - 1) - 1))
    parts = kind.parts(value, bits)
    assert len(parts) == kind.copies
    assert all(0 <= part < 1 << kind.encoded_bits(bits) for part in parts)
    assert kind.value(parts, bits) == value


def test_slices_of_the_reference():
    plain = slices(16, input_bits=8, weight_bits=8, dac_bits=2)
    assert (plain.inputs, plain.weights, plain.conversions) == (4, 8, 16 * 4 * 8)
    wide = slices(
        16,
        input_bits=8,
        weight_bits=8,
        dac_bits=2,
        weight_encoding="differential",
        bits_per_cell=2,
        cells_wide=2,
        columns_summed=2,
    )
    assert (wide.inputs, wide.weights, wide.conversions) == (4, 2 * 2, 16 * 4 * 4 / 2)
    twice = slices(16, input_bits=8, weight_bits=8, dac_bits=4, input_encoding="two-part-magnitude")
    assert twice.inputs == 2 * 2


def test_unknown_encodings_and_values_that_do_not_fit():
    with pytest.raises(ConfigError, match="did you mean 'offset'"):
        encoding("ofset")
    with pytest.raises(ConfigError, match="-7 to 7"):
        ENCODINGS["differential"].parts(-8, 4)


def test_noise_agrees_with_draws():
    """Sums of cells that vary by 3 %, sampled on 5 fF, converted to 5 of 6 bits' worth."""
    macro = AnalogMacro(64, 16, 4, 4, 1, 5)
    sources = NoiseSources(line_ff=5.0, supply_v=0.8, cell_mismatch=0.03, converter_lsb=0.2)
    noise = conversion_noise(macro, sources, density=0.5)
    generator = np.random.default_rng(1)
    on = generator.permuted(np.tile(np.arange(64) % 2 == 0, (20000, 1)), axis=1)
    cells = 1 + 0.03 * generator.standard_normal(on.shape)
    ideal = on.sum(axis=1)
    volts = math.sqrt(BOLTZMANN_J_PER_K * 300 / 5e-15)
    analog = (on * cells).sum(axis=1) + volts / 0.8 * 64 * generator.standard_normal(len(on))
    assert np.std(analog - ideal) == pytest.approx(
        math.hypot(noise.thermal, noise.mismatch), rel=0.03
    )
    # Sums spread over the range, so that steps fall evenly.
    even = generator.uniform(0, 64, 20000)
    step = 64 / 31
    read = np.rint((even + 0.2 * step * generator.standard_normal(20000)) / step) * step
    assert np.std(read - even) == pytest.approx(
        math.hypot(noise.converter, noise.quantisation), rel=0.03
    )


def test_without_noise_all_sums_are_told_apart():
    quiet = NoiseSources(line_ff=1e9, supply_v=0.8)
    noise = conversion_noise(MACRO, quiet)
    assert MACRO.adc_bits == lossless_adc_bits(64, 1)
    assert noise.quantisation == 0
    assert noise.effective_bits == pytest.approx(math.log2(65), abs=1e-3)


@given(st.integers(1, 64), st.floats(0, 0.2), st.floats(1, 1000))
def test_more_noise_never_leaves_more_bits(rows, mismatch, line):
    def bits(**changes):
        sources = {"line_ff": line, "supply_v": 0.8, "cell_mismatch": mismatch, **changes}
        return conversion_noise(MACRO, NoiseSources(**sources), active_rows=rows).effective_bits

    assert bits(cell_mismatch=mismatch + 0.01) <= bits()
    assert bits(line_ff=line / 2) <= bits()
    assert bits(converter_lsb=0.3) <= bits()


def test_a_noisy_mapping_is_refused_or_marked():
    noisy = NoiseSources(line_ff=100.0, supply_v=0.8, cell_mismatch=0.3)
    product = Product(64, 16)
    found = map_analog(product, MACRO, noisy, output_bits=6)
    assert isinstance(found, Infeasible)
    assert found.resource == "noise"
    assert found.need > found.have == 500
    marked = map_analog(product, MACRO, noisy, output_bits=6, policy="mark")
    assert isinstance(marked, MacroMapping)
    assert "LSB at 6 bits" in marked.marks[0]
    assert marked.effective_bits < 6
    fewer = map_analog(product, MACRO, noisy, output_bits=4)
    assert isinstance(fewer, MacroMapping)
    assert fewer.marks == ()


def test_a_converter_that_clips_is_refused_or_marked():
    small = AnalogMacro(64, 16, 4, 4, 1, 4)
    with pytest.raises(ConfigError, match=r"ADC bits that clip: 4 bits.*7 tell all sums"):
        map_analog(Product(64, 16), small, QUIET, output_bits=7)
    marked = map_analog(Product(64, 16), small, QUIET, output_bits=7, policy="mark")
    assert any("clip" in text for text in marked.marks)
    # Eight rows at once have nine sums, which four bits tell apart.
    few = map_analog(Product(64, 16), small, QUIET, output_bits=7, active_rows=8)
    assert few.marks == ()
    assert few.steps == 8 * 4


def test_weights_that_do_not_fit():
    for found in (
        map_analog(Product(65, 16), MACRO, QUIET, output_bits=6),
        map_digital(Product(65, 16), DigitalMacro(64, 16, 4, 4)),
    ):
        assert isinstance(found, Infeasible)
        assert (found.need, found.have) == (2 * 512, 512)
    assert map_analog(Product(65, 16), MACRO, QUIET, output_bits=6, macros=2).tiles == 2
    # Two columns a weight halve what a macro holds.
    wide = map_analog(Product(64, 16), MACRO, QUIET, output_bits=6, weight_encoding="differential")
    assert isinstance(wide, Infeasible)


def test_more_rows_than_the_tree_supports():
    macro = DigitalMacro(64, 16, 4, 4)
    with pytest.raises(ConfigError, match="adder tree supports; given 64"):
        map_digital(Product(64, 16), macro, tree_rows=32, active_rows=64)
    turns = map_digital(Product(64, 16), macro, tree_rows=16)
    assert turns.steps == 4 * 4


def test_cycles_of_a_digital_mapping_are_the_law():
    macro = DigitalMacro(16, 4, 4, 8)
    one = map_digital(Product(16, 4, vectors=20), macro)
    assert one.cycles == 16 + 19 * 8 + 8 + 4 + 1
    # A vector is used once: writing rows takes longer than using them, and two planes hide it.
    serial = map_digital(Product(64, 4), macro, rewrite=True)
    hidden = map_digital(Product(64, 4), DigitalMacro(16, 4, 4, 8, weight_sets=2), rewrite=True)
    assert serial.cycles - hidden.cycles == 3 * 8
    # From M* = t_load bs / Ba vectors on, computing takes over.
    assert map_digital(Product(64, 4, vectors=2), macro, rewrite=True).cycles == (
        serial.cycles + 4 * 8
    )
