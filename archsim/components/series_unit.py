"""Vector unit of adders and multipliers alone: other functions are series of them."""

from __future__ import annotations

from typing import Literal

from archsim.components.base import BindContext, Component
from archsim.components.series_laws import cycles_division, cycles_exponential, cycles_series
from archsim.components.vector_unit import BoundVectorUnit, VectorUnit
from archsim.config.schema import NonNegativeInt, PositiveInt


class SeriesUnit(Component):
    """Configuration of a vector unit of adders and multipliers alone."""

    kind: Literal["series-unit"] = "series-unit"
    adders: PositiveInt
    """Adders; they also compare."""
    multipliers: PositiveInt
    """Multipliers."""
    terms: PositiveInt = 6
    """Terms of the Taylor series of an exponential."""
    iterations: PositiveInt = 3
    """Newton-Raphson iterations of a reciprocal."""
    pipeline_cycles: NonNegativeInt = 0
    """Cycles from the last issue to its result."""

    def bind(self, context: BindContext) -> BoundVectorUnit:
        """Attach the unit to a machine, as a vector unit with the cycles of its series."""
        lanes = max(self.adders, self.multipliers)
        units = (self.adders, self.multipliers)
        add, mul = cycles_series(lanes, 0, *units), cycles_series(0, lanes, *units)
        unit = VectorUnit(
            clock=self.clock,
            energy=self.energy_j,
            static_power=self.static_power_w,
            area=self.area_mm2,
            lanes=lanes,
            cycles_per_operation={
                "add": add,
                "max": add,
                "compare": add,
                "mul": mul,
                "mac": add + mul,
                "exp": cycles_exponential(lanes, self.terms, *units),
                "div": cycles_division(lanes, self.iterations, *units),
                "compute_other": add,
            },
            pipeline_cycles=self.pipeline_cycles,
        )
        return BoundVectorUnit(context, unit)
