"""What a run found, as one frozen object with a canonical JSON form.

The keys of :meth:`Result.to_json_object` are the project's published result format. Nothing in it
depends on when or where the run was made: the same inputs give the same bytes. Every report and
every table is rendered from this object alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.results import reading
from archsim.results.records import (
    Devices,
    Energy,
    EngineStatistics,
    ErrorBand,
    Fidelity,
    Operator,
    Phase,
    Roofline,
    WhatIf,
)

if TYPE_CHECKING:
    from archsim.mapping import Json

SCHEMA_VERSION: Final = 1
"""Version of the JSON form; raised when a key changes its meaning or goes away."""

_SUM_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that one simulated design point gave.

    Numbers are None where they have no meaning: all measured ones of an infeasible point, `ttft_s`
    without a prefill, `tbt_s` without a decode, `area_mm2` where the machine has no area data.

    Attributes
    ----------
    feasible
        Whether the workload fits and could be mapped.
    infeasible
        What did not fit, with need and have; None for a feasible point.
    latency_s
        Time of the whole run in seconds.
    ttft_s
        Time to the first new token in seconds.
    tbt_s
        Mean time between new tokens in seconds.
    tokens_per_s
        New tokens over the time of the phase that makes them (prompt tokens for a prefill).
    phases
        The phases that ran: ``prefill``, ``decode``.
    energy_j, energy
        Total energy in joules, and its parts.
    power_w
        Mean power in watts: energy over latency.
    area_mm2
        Area of the machine in square millimetres.
    macs
        Useful multiply-accumulates.
    dram_bytes
        Bytes moved to and from DRAM.
    bytes
        Bytes read and written at each memory level.
    utilization
        Useful MACs (or bytes) of a resource over what it could do during the run, 0..1.
    busy
        Occupied time of a resource over the run, 0..1.
    breakdown
        Fraction of the critical path in each layer type; sums to 1.
    critical_path
        Fraction of the critical path by resource and cause; sums to 1.
    bottleneck
        Resource and cause with the largest share of the critical path, ``resource:cause``.
    sensitivities
        Elasticity of latency for each continuous parameter, by dotted path: the relative gain per
        relative improvement.
    what_if
        Re-simulated structural changes, by dotted path.
    roofline
        Lower bound on latency and what sets it.
    engine
        Size of the programs and the work their timing took.
    operators
        Whole operators that ran, where mappings are made of such; those that took longest first.
    devices
        What several devices do together; None for one.
    fidelity
        Rung asked for and rungs used.
    mapper
        Mapper id used for each operation class.
    warnings, assumptions
        Sentences that a reader must know.
    error_band
        Expected range of the true latency, where there is one.
    config
        The resolved configuration, ``{hardware, workload, mapper, options}``: running it again
        gives the same result.
    config_hash
        Content hash of `config`.
    seed
        Seed of everything random in the run.
    version
        Version of archsim.
    """

    feasible: bool
    fidelity: Fidelity
    mapper: Mapping[str, str]
    config: Mapping[str, Json]
    config_hash: str
    version: str
    seed: int = 0
    infeasible: Infeasible | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    tbt_s: float | None = None
    tokens_per_s: float | None = None
    phases: Mapping[str, Phase] = field(default_factory=dict)
    energy_j: float | None = None
    energy: Energy | None = None
    power_w: float | None = None
    area_mm2: float | None = None
    macs: int | None = None
    dram_bytes: int | None = None
    bytes: Mapping[str, int] = field(default_factory=dict)
    utilization: Mapping[str, float] = field(default_factory=dict)
    busy: Mapping[str, float] = field(default_factory=dict)
    breakdown: Mapping[str, float] = field(default_factory=dict)
    critical_path: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    bottleneck: str | None = None
    sensitivities: Mapping[str, float] = field(default_factory=dict)
    what_if: Mapping[str, WhatIf] = field(default_factory=dict)
    roofline: Roofline | None = None
    engine: EngineStatistics | None = None
    operators: tuple[Operator, ...] = ()
    devices: Devices | None = None
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    error_band: ErrorBand | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.feasible == (self.infeasible is not None):
            raise ValueError("a result is either feasible or says what was infeasible")
        if not self.feasible:
            return
        if self.latency_s is None:
            raise ValueError("a feasible result has a latency")
        path = [share for causes in self.critical_path.values() for share in causes.values()]
        for name, shares in (("breakdown", list(self.breakdown.values())), ("critical_path", path)):
            total = math.fsum(shares)
            if shares and abs(total - 1.0) > _SUM_TOLERANCE:
                raise ValueError(f"{name} sums to {total!r}, not 1")
        if self.energy is not None and self.energy_j is not None:
            parts = self.energy.dynamic + self.energy.static
            if abs(parts - self.energy_j) > _SUM_TOLERANCE * max(abs(parts), abs(self.energy_j)):
                raise ValueError(f"energy_j is {self.energy_j!r} but its parts sum to {parts!r}")

    def to_json_object(self) -> dict[str, Json]:
        """Return the result as plain JSON values, keys in the published order.

        Maps whose keys are names (levels, resources, paths) are sorted by name.
        """
        energy = self.energy
        return {
            "schema_version": self.schema_version,
            "feasible": self.feasible,
            "infeasible": self.infeasible.to_json() if self.infeasible else None,
            "latency_s": self.latency_s,
            "ttft_s": self.ttft_s,
            "tbt_s": self.tbt_s,
            "tokens_per_s": self.tokens_per_s,
            "phases": {
                name: self.phases[name].to_json_object()
                for name in sorted(self.phases, reverse=True)
            },
            "energy_j": self.energy_j,
            "energy": None
            if energy is None
            else {
                "dynamic": energy.dynamic,
                "static": energy.static,
                "component": _sorted(energy.component),
            },
            "power_w": self.power_w,
            "area_mm2": self.area_mm2,
            "macs": self.macs,
            "dram_bytes": self.dram_bytes,
            "bytes": _sorted(self.bytes),
            "utilization": _sorted(self.utilization),
            "busy": _sorted(self.busy),
            "breakdown": _sorted(self.breakdown),
            "critical_path": {
                name: _sorted(self.critical_path[name]) for name in sorted(self.critical_path)
            },
            "bottleneck": self.bottleneck,
            "sensitivities": _sorted(self.sensitivities),
            "what_if": {
                path: {"factor": self.what_if[path].factor, "gain": self.what_if[path].gain}
                for path in sorted(self.what_if)
            },
            "roofline": _record(self.roofline),
            "engine": _record(self.engine),
            "operators": [_record(item) for item in self.operators],
            "devices": _record(self.devices),
            "fidelity": {"requested": self.fidelity.requested, "used": _sorted(self.fidelity.used)},
            "mapper": _sorted(self.mapper),
            "warnings": list(self.warnings),
            "assumptions": list(self.assumptions),
            "error_band": _record(self.error_band),
            "config": dict(self.config),
            "config_hash": self.config_hash,
            "seed": self.seed,
            "version": self.version,
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the JSON text: same result, same text, ending in a newline.

        Parameters
        ----------
        indent
            Spaces per level; None gives one line.
        """
        text = json.dumps(self.to_json_object(), indent=indent, allow_nan=False, ensure_ascii=False)
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a result back from the text that :meth:`to_json` wrote.

        Raises
        ------
        ConfigError
            If the text is not such a result.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"not a result: the text is not JSON ({error})") from None
        return cls.from_json_object(data)

    @classmethod
    def from_json_object(cls, data: Json) -> Result:
        """Build a result from the object that :meth:`to_json_object` returns.

        Raises
        ------
        ConfigError
            If a key is missing, unknown or of the wrong form, or the version is another one.
        """
        version = reading.as_object("", data).get("schema_version")
        if version != SCHEMA_VERSION:
            raise ConfigError(f"not a result of schema version {SCHEMA_VERSION}", given=version)
        item = reading.exactly("", data, tuple(entry.name for entry in fields(cls)))
        number, integer, text = reading.as_number, reading.as_integer, reading.as_text
        try:
            return cls(
                feasible=reading.as_flag("feasible", item["feasible"]),
                infeasible=reading.maybe("infeasible", item["infeasible"], reading.read_infeasible),
                latency_s=reading.maybe("latency_s", item["latency_s"], number),
                ttft_s=reading.maybe("ttft_s", item["ttft_s"], number),
                tbt_s=reading.maybe("tbt_s", item["tbt_s"], number),
                tokens_per_s=reading.maybe("tokens_per_s", item["tokens_per_s"], number),
                phases=reading.as_map("phases", item["phases"], reading.read_phase),
                energy_j=reading.maybe("energy_j", item["energy_j"], number),
                energy=reading.maybe("energy", item["energy"], reading.read_energy),
                power_w=reading.maybe("power_w", item["power_w"], number),
                area_mm2=reading.maybe("area_mm2", item["area_mm2"], number),
                macs=reading.maybe("macs", item["macs"], integer),
                dram_bytes=reading.maybe("dram_bytes", item["dram_bytes"], integer),
                bytes=reading.as_map("bytes", item["bytes"], integer),
                utilization=reading.as_map("utilization", item["utilization"], number),
                busy=reading.as_map("busy", item["busy"], number),
                breakdown=reading.as_map("breakdown", item["breakdown"], number),
                critical_path=reading.as_map(
                    "critical_path", item["critical_path"], reading.read_shares
                ),
                bottleneck=reading.maybe("bottleneck", item["bottleneck"], text),
                sensitivities=reading.as_map("sensitivities", item["sensitivities"], number),
                what_if=reading.as_map("what_if", item["what_if"], reading.read_what_if),
                roofline=reading.maybe("roofline", item["roofline"], reading.read_roofline),
                engine=reading.maybe("engine", item["engine"], reading.read_engine),
                operators=reading.as_items("operators", item["operators"], reading.read_operator),
                devices=reading.maybe("devices", item["devices"], reading.read_devices),
                fidelity=reading.read_fidelity("fidelity", item["fidelity"]),
                mapper=reading.as_map("mapper", item["mapper"], text),
                warnings=reading.as_texts("warnings", item["warnings"]),
                assumptions=reading.as_texts("assumptions", item["assumptions"]),
                error_band=reading.maybe("error_band", item["error_band"], reading.read_error_band),
                config=reading.as_object("config", item["config"]),
                config_hash=text("config_hash", item["config_hash"]),
                seed=integer("seed", item["seed"]),
                version=text("version", item["version"]),
            )
        except ValueError as error:
            raise ConfigError(f"not a result: {error}") from None

    def columns(self) -> dict[str, Json]:
        """Return the scalars of the result by column name, nested maps flattened with dots."""
        skipped = {"config", "warnings", "assumptions", "infeasible", "sensitivities", "what_if"}
        skipped |= {"operators", "devices"}
        columns: dict[str, Json] = {
            "hardware": self.subject("hardware"),
            "workload": self.subject("workload"),
        }
        for key, value in self.to_json_object().items():
            if key not in skipped:
                _flatten(columns, key, value)
        bad = self.infeasible
        columns["infeasible"] = f"{bad.resource} {bad.need}/{bad.have} {bad.unit}" if bad else None
        return columns

    def to_csv_row(self, *, header: bool = False) -> str:
        """Return one CSV line of :meth:`columns`, with a header line before it on request."""
        text = csv_table([self])
        return text if header else text[text.index("\n") + 1 :]

    def __str__(self) -> str:
        name = f"{self.subject('hardware')} · {self.subject('workload')}"
        if self.infeasible is not None:
            bad = self.infeasible
            return f"{name}: infeasible, {bad.resource} needs {bad.need} {bad.unit}, has {bad.have}"
        tokens = "" if self.tokens_per_s is None else f", {self.tokens_per_s:.6g} tokens/s"
        energy = "" if self.energy_j is None else f", {self.energy_j:.6g} J"
        limit = "" if self.bottleneck is None else f", limited by {self.bottleneck}"
        return f"{name}: {self.latency_s:.6g} s{tokens}{energy}{limit}"

    def subject(self, part: str) -> str:
        """Return the name of the ``hardware`` or the ``workload`` in the resolved configuration."""
        value = self.config.get(part)
        name = value.get("name") if isinstance(value, dict) else value
        return name if isinstance(name, str) else part


def csv_table(results: Sequence[Result]) -> str:
    """Return a CSV table of results, one row each, with the union of their columns."""
    rows = [result.columns() for result in results]
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _flatten(columns: dict[str, Json], name: str, value: Json) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(columns, f"{name}.{key}", inner)
    else:
        columns[name] = value


def _sorted(values: Mapping[str, float] | Mapping[str, int] | Mapping[str, str]) -> dict[str, Json]:
    return {name: values[name] for name in sorted(values)}


def _record(
    record: Roofline | EngineStatistics | ErrorBand | Operator | Devices | None,
) -> dict[str, Json] | None:
    if record is None:
        return None
    return {item.name: getattr(record, item.name) for item in fields(record)}
