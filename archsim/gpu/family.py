"""What every operator family offers: its shape columns, its constants, and its time law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archsim.gpu.device import GpuDevice

    Floats: TypeAlias = NDArray[np.float64]
    """float64 array, one element per operator."""

LIMITERS: Final = ("launch", "matrix", "vector", "l2", "dram", "latency", "link", "power")
"""What can hold an operator up, by code: launch and fixed time; the matrix units; vector and
special-function units; the second-level cache; device memory; the latency of one thread block's
chain; the link between devices; the
power cap, which lowers the clock."""

LAUNCH, MATRIX, VECTOR, L2, DRAM, LATENCY, LINK, POWER = range(len(LIMITERS))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One constant that a family needs.

    Attributes
    ----------
    name
        Name with its unit as a suffix.
    start, low, high
        First value and bounds of the fit; `start` stands where nothing was fitted.
    step
        Relative step of the fit; 0 keeps the value.
    about
        What it is, in one line.
    of_library
        Whether it belongs to the kernels and how they are launched, rather than to the hardware:
        where a device has no constants of its own, those of the library come from the same library
        on another device, the others from the nearest architecture.
    """

    name: str
    start: float
    low: float
    high: float
    step: float
    about: str
    of_library: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Predictions for some operators; every array has one element per operator.

    Attributes
    ----------
    time_us
        Time, µs.
    limiter
        Index into :data:`LIMITERS`.
    flops, dram_bytes, l2_bytes
        Work: floating-point operations, bytes from and to device memory and through L2.
    roofline_us
        The plain roofline of the same work: operations at the peak or compulsory bytes at the
        memory's peak, whichever takes longer.
    """

    time_us: Floats
    limiter: NDArray[np.int64]
    flops: Floats
    dram_bytes: Floats
    l2_bytes: Floats
    roofline_us: Floats


def law_vector(parameters: tuple[Parameter, ...], constants: Mapping[str, float]) -> Floats:
    """Return constants as a kernel takes them: in the order of the parameters, times in s."""
    if isinstance(constants, Constants):
        return constants.vector(parameters)
    import numpy as np

    return np.array(
        [constants[item.name] * (1e-6 if item.name.endswith("_us") else 1.0) for item in parameters]
    )


class Constants(Mapping[str, float]):
    """Constants that never change: their vector is made once.

    Parameters
    ----------
    values
        The constants by name.
    """

    __slots__ = ("_values", "_vector")

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = dict(values)
        self._vector: Floats | None = None

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def vector(self, parameters: tuple[Parameter, ...]) -> Floats:
        """Return the constants of the parameters of their family, see :func:`law_vector`."""
        if self._vector is None:
            self._vector = law_vector(parameters, self._values)
        return self._vector


class Law(Protocol):
    """Time law of a family."""

    def __call__(
        self,
        device: GpuDevice,
        dtype: str,
        shape: Mapping[str, Floats],
        constants: Mapping[str, float],
    ) -> Estimate:
        """Predict operators of one number format on one device."""


@dataclass(frozen=True, slots=True)
class Family:
    """An operator family.

    Attributes
    ----------
    name
        Key of its constants.
    columns
        Shape arrays that the law reads.
    parameters
        Constants that are fitted.
    law
        The time law.
    choices
        Sets of discrete policies (tile rows, whether keys are split …), of which a fit keeps the
        best; they stand among the constants.
    starts
        Starts that differ for a number format.
    prefers_library, prefers_format
        What is nearer where a device has no constants of its own: those of the same library on
        another architecture rather than the other way round; those of the same format rather than
        those of the same variant.
    fewest_rows
        Rows from which constants are fitted on their own; fewer are held near other constants.
    prior
        Weight, in a fit, of the squared distance of a constant from its start, on a log scale whose
        unit is the width of its bounds. It keeps constants that the data do not identify where
        physics puts them: a move over the whole width costs this much error.
    common
        What the rows of a record that all measured parts share have in common, beside the family:
        ``format``, ``variant``, ``instruction`` (the kind of matrix instruction, for parts with
        warp-level ones); None: there is no such record.
    """

    name: str
    columns: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    law: Law
    choices: tuple[Mapping[str, float], ...] = field(default=({},))
    starts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    prefers_library: bool = True
    prefers_format: bool = False
    fewest_rows: int = 16
    prior: float = 0.003
    common: tuple[str, ...] | None = None

    def defaults(self, format: str = "") -> dict[str, float]:
        """Return the constants of nothing fitted: starts and the first policies."""
        values = {item.name: item.start for item in self.parameters} | dict(self.choices[0])
        return values | dict(self.starts.get(format, {}))

    @property
    def of_library(self) -> frozenset[str]:
        """Names of the constants that belong to the library; policies are among them."""
        names = {item.name for item in self.parameters if item.of_library}
        return frozenset(names | set(self.choices[0]))
