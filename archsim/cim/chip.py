"""Predict what a published macro was measured at: from its structure alone, or anchored.

Uncalibrated, gates of 28 nm are scaled to the chip's node and supply, and nothing else is known of
the chip. Anchored, one measured energy and one measured speed set the scale, a second of each at a
low supply sets how they follow the supply; bits, registers and everything else stay predictions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from archsim.cim import analog, digital, ripple
from archsim.cim.analog import AnalogMacro
from archsim.cim.chip_file import (
    AnalogStructure,
    Chip,
    PhasedStructure,
    Point,
    RippleStructure,
    TreeStructure,
)
from archsim.cim.digital import Activity, DigitalMacro
from archsim.cim.gates import GATES_28NM, Gates
from archsim.cim.phased import phased_time_ns
from archsim.cim.ripple import RippleArray
from archsim.cim.supply import (
    delay_factor,
    energy_factor,
    measured_delay_exponent,
    measured_energy_factor,
)
from archsim.cost.scaling import area_factor
from archsim.cost.scaling import energy_factor as node_energy_factor
from archsim.errors import ConfigError

SEQUENCING_NANDS = 4.0
"""Clock-to-output delay and set-up of a flip-flop in NAND delays (estimate: two gates each)."""

CELL_UM2_28NM = 0.321
"""Area of a stored bit with its periphery at 28 nm, µm² (CIM-Tuner, read: 21015 µm² for 8 kB)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One predicted number.

    Attributes
    ----------
    value
        In the unit of the point's metric.
    parts
        Energy by part where the metric is one, fJ for one activation of the macro.
    """

    value: float
    parts: dict[str, float]


def scaled_gates(node_nm: float) -> Gates:
    """Return the gates of a node at 0.9 V.

    Notes
    -----
    Delay is proportional to the node. Energy and area follow :mod:`archsim.cost.scaling`, but are
    linear in the node between 22 and 28 nm, where that table's interpolation makes a step that no
    process had (as ZigZag's validation does).
    """
    reference = GATES_28NM
    near = max(node_nm, 22.0) if node_nm < reference.node_nm else reference.node_nm
    linear = near / reference.node_nm
    far = node_nm if node_nm >= reference.node_nm else min(node_nm, 22.0)
    start = reference.node_nm if node_nm >= reference.node_nm else 22.0
    supply = reference.supply_v
    return reference.scaled(
        energy=linear * node_energy_factor(start, supply, far, supply),
        delay=node_nm / reference.node_nm,
        area=linear * area_factor(start, far),
    )


class ChipModel:
    """A chip that predicts.

    Parameters
    ----------
    chip
        Its file.
    anchored
        Whether its anchors are used.
    """

    def __init__(self, chip: Chip, *, anchored: bool) -> None:
        self.chip = chip
        self.anchored = anchored
        self.gates = scaled_gates(chip.technology.node_m * 1e9)

    def predict(self, point: Point) -> Prediction:
        """Predict the number of a point.

        Raises
        ------
        ConfigError
            The chip's structure cannot have the point's conditions or metric.
        """
        metric = point.metric
        if metric == "area_mm2":
            return Prediction(self._area_mm2(), {})
        if metric in ("energy_fj_per_mac", "tops_per_w", "energy_pj_per_activation"):
            parts = self._energy_fj(point)
            factor = self._energy_scale(point)
            whole = sum(parts.values()) * factor
            per_mac = whole / self._macs(point)
            value = {
                "energy_fj_per_mac": per_mac,
                "tops_per_w": 2e3 / per_mac,
                "energy_pj_per_activation": whole / 1e3,
            }[metric]
            return Prediction(value, {name: part * factor for name, part in parts.items()})
        period = self._period_ns(point) * self._delay_scale(point)
        gops = 2.0 * self._macs(point) / (self._periods(point) * period)
        if metric == "latency_us":
            return Prediction(self._periods(point) * period / 1e3, {})
        if metric == "clock_mhz":
            return Prediction(1e3 / period, {})
        if metric == "throughput_gops":
            return Prediction(gops, {})
        area = self.chip.area_mm2 if self.chip.area_mm2 is not None else self._area_mm2()
        return Prediction(gops / 1e3 / area, {})

    # -- structure ------------------------------------------------------------------------------

    def _inputs(self, point: Point) -> int:
        structure = self.chip.structure
        native = structure.input_bits if isinstance(structure, AnalogStructure) else None
        bits = point.input_bits or native
        if bits is None:
            raise ConfigError("the point needs 'input_bits'", path=f"{self.chip.name}.points")
        return bits

    def _weights(self, point: Point) -> int:
        structure = self.chip.structure
        native = getattr(structure, "weight_bits", None)
        bits = point.weight_bits or native
        if bits is None:
            raise ConfigError("the point needs 'weight_bits'", path=f"{self.chip.name}.points")
        return int(bits)

    def _tree(self, point: Point) -> DigitalMacro:
        structure = self.chip.structure
        assert isinstance(structure, TreeStructure)
        return DigitalMacro(
            structure.rows,
            structure.columns,
            structure.weight_bits,
            self._inputs(point),
            structure.bits_per_cycle,
            structure.recoding,
            structure.weight_sets,
            structure.pipelined,
            structure.tree_bits,
            structure.accumulator_bits,
        )

    def _ripple(self, point: Point) -> RippleArray:
        structure = self.chip.structure
        assert isinstance(structure, RippleStructure)
        registers = point.register_rows or structure.register_rows
        return RippleArray(
            structure.rows,
            structure.bit_columns,
            -(-structure.rows // registers),
            self._weights(point),
            self._inputs(point),
            structure.stage_s * 1e9,
        )

    def _analog(self, point: Point) -> AnalogMacro:
        structure = self.chip.structure
        assert isinstance(structure, AnalogStructure)
        return AnalogMacro(
            structure.rows,
            structure.columns,
            self._weights(point),
            self._inputs(point),
            structure.dac_bits,
            structure.adc_bits,
            structure.columns_per_adc,
        )

    def _macs(self, point: Point) -> float:
        """MACs of one activation: one vector through the whole macro."""
        structure = self.chip.structure
        if isinstance(structure, TreeStructure):
            joined = -(-self._weights(point) // structure.weight_bits)
            return structure.banks * structure.rows * (structure.columns // joined)
        if isinstance(structure, RippleStructure):
            return structure.rows * self._ripple(point).columns
        if isinstance(structure, AnalogStructure):
            return structure.rows * structure.columns
        return structure.cores * structure.rows * structure.columns / 2

    def _periods(self, point: Point) -> float:
        """Clock periods of one activation."""
        structure = self.chip.structure
        if isinstance(structure, TreeStructure):
            return self._tree(point).steps
        if isinstance(structure, RippleStructure):
            array = self._ripple(point)
            return array.input_bits * (1 if point.bit_pipelined else array.register_rows + 1)
        if isinstance(structure, AnalogStructure):
            return self._analog(point).steps
        return 1.0

    # -- uncalibrated ---------------------------------------------------------------------------

    def _supply(self, point: Point) -> float:
        return point.supply_v or self.chip.technology.supply_v

    def _energy_fj(self, point: Point) -> dict[str, float]:
        """Energy of one activation at the library's supply, by part, fJ."""
        structure = self.chip.structure
        activity = Activity(self.chip.activity.input_toggle, self.chip.activity.weight_density)
        if isinstance(structure, TreeStructure):
            parts = digital.vector_energy_fj(self._tree(point), self.gates, activity)
            return {name: part * structure.banks for name, part in parts.items()}
        if isinstance(structure, RippleStructure):
            array = self._ripple(point)
            parts = ripple.pass_energy_fj(array, self.gates, activity)
            used = array.used_bit_columns / array.bit_columns
            share = used if self.chip.energy_per_used_column else 1.0
            return {name: part * array.input_bits / share for name, part in parts.items()}
        if isinstance(structure, AnalogStructure):
            return analog.vector_energy_fj(self._analog(point), self.gates)
        # A phased macro burns nearly constant power: what it takes is set by its anchor.
        return {"core": self._period_ns(point)}

    def _period_ns(self, point: Point) -> float:
        """Clock period at the library's supply; of a phased macro the whole activation, ns."""
        structure = self.chip.structure
        if isinstance(structure, TreeStructure):
            macro = self._tree(point)
            return digital.clock_ns(macro, self.gates, sequencing=SEQUENCING_NANDS)
        if isinstance(structure, RippleStructure):
            return ripple.clock_ns(self._ripple(point))
        if isinstance(structure, AnalogStructure):
            return analog.clock_ns(self._analog(point), self.gates)
        if point.output_bits is None:
            raise ConfigError("the point needs 'output_bits'", path=f"{self.chip.name}.points")
        return phased_time_ns(structure, self._inputs(point), point.output_bits)

    def _area_mm2(self) -> float:
        structure = self.chip.structure
        node = self.chip.technology.node_m * 1e9
        cell = CELL_UM2_28NM * scaled_gates(node).area_um2 / GATES_28NM.area_um2
        if isinstance(structure, TreeStructure):
            any_point = Point(metric="area_mm2", value=1.0, input_bits=structure.weight_bits)
            parts = digital.area_um2(self._tree(any_point), self.gates, cell_um2=cell)
            return sum(parts.values()) * structure.banks / 1e6
        if isinstance(structure, AnalogStructure):
            any_point = Point(metric="area_mm2", value=1.0)
            parts = analog.area_um2(self._analog(any_point), self.gates, cell_um2=cell)
            return sum(parts.values()) / 1e6
        raise ConfigError(
            "there is no area model of this structure",
            path=f"{self.chip.name}.structure.kind",
            given=structure.kind,
            allowed=("tree", "analog"),
        )

    # -- calibration ----------------------------------------------------------------------------

    def _energy_scale(self, point: Point) -> float:
        """Factor from the structure's energy to the prediction at the point's conditions."""
        supply = self._supply(point)
        anchors = self._energy_anchors
        if not anchors and isinstance(self.chip.structure, PhasedStructure):
            raise ConfigError(
                "the energy of a phased macro needs an anchor", path=f"{self.chip.name}.anchors"
            )
        if not anchors:
            return energy_factor(supply, self.gates.supply_v)
        first = anchors[0]
        ratio = self._energy_ratio(first)
        curve = {self._supply(each): self._energy_ratio(each) / ratio for each in anchors}
        if len(curve) == 1:
            follow = energy_factor(supply, self._supply(first))
        else:
            follow = measured_energy_factor(supply, curve)
        return ratio * follow * self._output_factor(point)

    @cached_property
    def _energy_anchors(self) -> tuple[Point, ...]:
        names = self.chip.anchors.energy if self.anchored else ()
        return tuple(self.chip.point(name) for name in names)

    def _energy_ratio(self, anchor: Point) -> float:
        """Measured energy of an anchor over the structure's."""
        macs = self._macs(anchor)
        measured_fj = {
            "energy_fj_per_mac": anchor.value * macs,
            "tops_per_w": 2e3 / anchor.value * macs,
            "energy_pj_per_activation": anchor.value * 1e3,
        }[anchor.metric]
        return measured_fj / sum(self._energy_fj(anchor).values())

    def _output_factor(self, point: Point) -> float:
        """Energy at the point's mean output over that at the anchor's, a straight line."""
        names = self.chip.anchors.output
        if not names or point.average_output is None:
            return 1.0
        first, second = self._energy_anchors[0], self.chip.point(names[0])
        if first.average_output is None or second.average_output is None:
            raise ConfigError(
                "anchors of the output need 'average_output'", path=f"{self.chip.name}.anchors"
            )
        rise = self._energy_ratio(second) / self._energy_ratio(first) - 1.0
        slope = rise / (second.average_output - first.average_output)
        return 1.0 + slope * (point.average_output - first.average_output)

    def _delay_scale(self, point: Point) -> float:
        """Factor from the structure's period to the prediction at the point's conditions."""
        supply = self._supply(point)
        names = self.chip.anchors.speed if self.anchored else ()
        anchors = [self.chip.point(name) for name in names]
        if not anchors:
            if isinstance(self.chip.structure, PhasedStructure):
                return 1.0
            known = self.gates.supply_v
            if isinstance(self.chip.structure, RippleStructure):
                known = self.chip.technology.supply_v
            return delay_factor(supply, known)
        ratio = self._delay_ratio(anchors[0])
        first = self._supply(anchors[0])
        if len(anchors) == 1:
            return ratio * delay_factor(supply, first)
        delays = {self._supply(each): self._delay_ratio(each) for each in anchors}
        exponent = measured_delay_exponent(delays)
        return ratio * math.pow(first / supply, exponent)

    def _delay_ratio(self, anchor: Point) -> float:
        """Measured period of an anchor over the structure's."""
        periods, macs = self._periods(anchor), self._macs(anchor)
        area = self.chip.area_mm2 if self.chip.area_mm2 is not None else 1.0
        measured_ns = {
            "clock_mhz": 1e3 / anchor.value,
            "throughput_gops": 2.0 * macs / (periods * anchor.value),
            "latency_us": anchor.value * 1e3 / periods,
            "tops_per_mm2": 2.0 * macs / (periods * anchor.value * area * 1e3),
        }[anchor.metric]
        return measured_ns / self._period_ns(anchor)
