"""Closed forms of macros against the tables of the tools they restate."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cim import analog, digital
from archsim.cim.adc_survey import survey_adc_area_um2, survey_adc_energy_pj
from archsim.cim.adders import tree_activity, tree_adders, tree_depth
from archsim.cim.digital import Activity, DigitalMacro
from archsim.cim.gates import GATES_28NM
from archsim.errors import ConfigError

# ZigZag, digital peak at 28 nm and 0.9 V, everything toggling, cells left out, run for this table:
# rows, columns, input, weight, serial bits; period ns, TOPS, TOPS/W, logic mm², fJ/MAC of
# multipliers, tree with place values, accumulator.
PEAKS = [
    (64, 64, 4, 4, 1, 2.667, 0.768, 26.8, 0.1124, 4.5, 65.7, 4.5),
    (64, 64, 8, 8, 1, 3.432, 0.298, 7.39, 0.2040, 18.1, 238.6, 14.0),
    (128, 128, 8, 8, 1, 3.757, 1.090, 7.49, 0.8018, 18.1, 241.5, 7.3),
    (256, 64, 4, 4, 1, 3.317, 2.470, 27.3, 0.4373, 4.5, 67.4, 1.3),
    (64, 64, 8, 4, 1, 3.050, 0.336, 13.2, 0.1145, 9.1, 131.4, 11.5),
    (32, 6, 8, 8, 2, 3.222, 0.030, 7.39, 0.0191, 18.1, 239.0, 13.4),
]


def printed(value, shown):
    """Whether a value is a shown one within its rounding or 0.1 %."""
    digits = max(0, len(f"{shown}".partition(".")[2]))
    return math.isclose(value, shown, rel_tol=1e-3, abs_tol=0.51 * 10**-digits)


@pytest.mark.parametrize("row", PEAKS, ids=lambda row: "x".join(map(str, row[:5])))
def test_digital_peaks_as_printed(row):
    rows, columns, inputs, weights, serial, period, tops, per_watt, area, mult, tree, acc = row
    macro = DigitalMacro(rows, columns, weights, inputs, serial)
    energy = digital.vector_energy_fj(macro, GATES_28NM, Activity())
    clock = digital.clock_ns(macro, GATES_28NM)
    macs = rows * columns
    logic = sum(energy.values()) - energy["drivers"]
    assert printed(clock, period)
    assert printed(2 * macro.macs_per_cycle / clock / 1e3, tops)
    assert printed(2e3 * macs / logic, per_watt)
    assert printed(sum(digital.area_um2(macro, GATES_28NM, cell_um2=0).values()) / 1e6, area)
    assert printed(energy["multiplier"] / macs, mult)
    assert printed((energy["tree"] + energy["place_value"]) / macs, tree)
    assert printed(energy["accumulator"] / macs, acc)


@pytest.mark.parametrize(
    ("macro", "period", "tops", "per_watt", "area", "adc_share"),
    [
        (analog.AnalogMacro(128, 128, 8, 8, 2, 8), 14.07, 0.582, 9.62, 2.29, 175 / 208),
        (analog.AnalogMacro(64, 64, 4, 4, 4, 4), 5.0, 1.64, 76.9, 0.062, None),
    ],
)
def test_analog_peaks_as_printed(macro, period, tops, per_watt, area, adc_share):
    energy = analog.vector_energy_fj(macro, GATES_28NM)
    clock = analog.clock_ns(macro, GATES_28NM)
    whole = sum(energy.values())
    assert printed(clock, period)
    assert printed(2 * macro.macs_per_cycle / clock / 1e3, tops)
    assert printed(2e3 * macro.rows * macro.columns / whole, per_watt)
    assert printed(sum(analog.area_um2(macro, GATES_28NM, cell_um2=0).values()) / 1e6, area)
    if adc_share is not None:
        assert energy["adc"] / whole == pytest.approx(adc_share, rel=3e-3)


@pytest.mark.parametrize(
    ("node", "energies"),
    [
        (65, (3.50, 4.04, 6.49, 12.5)),
        (28, (0.72, 0.83, 1.33, 2.58)),
        (7, (0.053, 0.061, 0.098, 0.19)),
    ],
)
def test_survey_of_converters(node, energies):
    found = [survey_adc_energy_pj(bits, node, 100e6) for bits in (4, 6, 8, 10)]
    assert found == pytest.approx(energies, rel=6e-3)


@pytest.mark.parametrize(("node", "area"), [(65, 11862), (28, 3200), (7, 370)])
def test_survey_of_converter_areas(node, area):
    energy = survey_adc_energy_pj(8, node, 100e6)
    assert survey_adc_area_um2(energy, node, 100e6) == pytest.approx(area, rel=1e-3)


def test_survey_refuses_too_few_bits():
    with pytest.raises(ConfigError, match="at least 4"):
        survey_adc_energy_pj(3.5, 28, 1e8)


@given(st.integers(1, 9), st.integers(1, 16))
def test_adders_of_a_full_tree_have_a_closed_form(depth, width):
    inputs = 2**depth
    assert tree_depth(inputs) == depth
    assert tree_adders(inputs, width) == inputs * (width + 1) - (width + depth + 1)


@given(st.integers(1, 300), st.integers(1, 12), st.data())
def test_partly_filled_trees(inputs, width, data):
    assert tree_activity(inputs, width, inputs) == (tree_adders(inputs, width), 0)
    assert tree_activity(inputs, width, 0) == (0, 0)
    used = data.draw(st.integers(0, inputs))
    full, half = tree_activity(inputs, width, used)
    assert full + half <= tree_adders(inputs, width)
    assert full >= (tree_adders(used, width) if used else 0)
    if used < inputs:
        more = tree_activity(inputs, width, used + 1)
        assert more[0] >= full
        assert sum(more) >= full + half


@given(
    st.sampled_from((16, 32, 64, 128)),
    st.sampled_from((4, 8)),
    st.sampled_from((4, 8)),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_less_activity_never_takes_more(rows, weights, inputs, toggle, density):
    macro = DigitalMacro(rows, 8, weights, inputs)
    whole = digital.vector_energy_fj(macro, GATES_28NM, Activity())
    part = digital.vector_energy_fj(macro, GATES_28NM, Activity(toggle, density))
    assert all(part[name] <= whole[name] for name in whole)
    assert part["accumulator"] == whole["accumulator"]


def test_a_pipeline_register_shortens_the_clock():
    one = DigitalMacro(128, 64, 8, 8)
    two = DigitalMacro(128, 64, 8, 8, pipelined=True)
    assert digital.clock_ns(two, GATES_28NM) < digital.clock_ns(one, GATES_28NM)


def test_changing_weight_sets_costs_where_there_are_several():
    assert digital.precharge_fj(DigitalMacro(64, 64, 4, 4), GATES_28NM) == 0.0
    sets = DigitalMacro(64, 64, 4, 4, weight_sets=4)
    cells = 64 * 64 * 4
    assert digital.precharge_fj(sets, GATES_28NM) == pytest.approx(0.35 * 5 * 0.81 * cells)


@pytest.mark.parametrize(
    ("rows", "dac", "cell", "bits"), [(64, 1, 1, 7), (63, 1, 1, 6), (128, 2, 1, 9), (256, 4, 2, 14)]
)
def test_lossless_converters(rows, dac, cell, bits):
    assert analog.lossless_adc_bits(rows, dac, cell) == bits
