"""JSON Schema of a result, for those who read results with other tools."""

from __future__ import annotations

from typing import Final

from archsim.results.result import SCHEMA_VERSION

Schema = dict[str, object]

_FRACTION: Final[Schema] = {"type": "number", "minimum": 0}
_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}


def result_schema() -> Schema:
    """Return the JSON Schema (2020-12) of :meth:`~archsim.results.Result.to_json`."""
    properties = {**_amounts(), **_explanations()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archsim result",
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _amounts() -> dict[str, Schema]:
    """Return the schemas of how long, how much and how many."""
    return {
        "schema_version": {"const": SCHEMA_VERSION},
        "feasible": {"type": "boolean"},
        "infeasible": _or_null(
            _closed(
                resource="string", need="integer", have="integer", unit="string", detail="string"
            ),
            "What did not fit.",
        ),
        "latency_s": _number("Time of the whole run, s."),
        "ttft_s": _number("Time to the first new token, s; null without a prefill."),
        "tbt_s": _number("Mean time between new tokens, s; null without a decode."),
        "tokens_per_s": _number("New tokens (prompt tokens of a prefill) over their phase's time."),
        "phases": _map(
            _closed(
                latency_s="number",
                tokens_per_s="number",
                num_steps="integer",
                num_tokens="integer",
                energy_j=["number", "null"],
                macs="integer",
                dram_bytes="integer",
                bound_s="number",
            ),
            "The phases that ran: prefill, decode, or mixed.",
        ),
        "energy_j": _number("Dynamic and static energy, J."),
        "energy": _or_null(
            {
                "type": "object",
                "required": ["dynamic", "static", "component"],
                "additionalProperties": False,
                "properties": {
                    "dynamic": {"type": "number"},
                    "static": {"type": "number"},
                    "component": _map({"type": "number"}, "Both kinds, by component, J."),
                },
            },
            "Where the energy went, J.",
        ),
        "power_w": _number("Energy over latency, W."),
        "area_mm2": _number("Area of the machine, mm2; null without area data."),
        "macs": _or_null({"type": "integer"}, "Useful multiply-accumulates."),
        "dram_bytes": _or_null({"type": "integer"}, "Bytes moved to and from DRAM."),
    }


def _explanations() -> dict[str, Schema]:
    """Return the schemas of where it went, why, and what it rests on."""
    return {
        "bytes": _map({"type": "integer"}, "Bytes read and written at each memory level."),
        "utilization": _map(_FRACTION, "Useful work of a resource over its peak during the run."),
        "busy": _map(_FRACTION, "Occupied time of a resource over the run."),
        "breakdown": _map(_FRACTION, "Share of the critical path by layer type; sums to 1."),
        "critical_path": _map(
            _map(_FRACTION, "Share by cause."), "Share of the critical path; sums to 1."
        ),
        "bottleneck": _or_null({"type": "string"}, "Largest share of the path, resource:cause."),
        "sensitivities": _map({"type": "number"}, "Elasticity of latency by dotted path."),
        "what_if": _map(_closed(factor="number", gain="number"), "Re-simulated changes by path."),
        "roofline": _or_null(
            _closed(
                bound_s="number",
                compute_s="number",
                memory_s="number",
                operational_intensity_macs_per_byte="number",
                ridge_macs_per_byte="number",
                limited_by="string",
            ),
            "Lower bound on latency.",
        ),
        "engine": _or_null(
            _closed(operations="integer", simulated="integer", jumps="integer", recalls="integer"),
            "Work of the timing engine.",
        ),
        "operators": {
            "description": "Whole operators that ran, longest first; empty where there are none.",
            "type": "array",
            "items": _closed(
                stage="string",
                name="string",
                kind="string",
                calls="integer",
                launches="integer",
                time_s="number",
                limited_by="string",
                compute=["number", "null"],
                memory=["number", "null"],
                power_w=["number", "null"],
            ),
        },
        "devices": _or_null(
            _closed(
                count="integer",
                sharing="string",
                tokens_per_s_per_device="number",
                power_w=["number", "null"],
                stages="integer",
                stage_s="number",
                steady_tokens_per_s=["number", "null"],
                steady_tbt_s=["number", "null"],
            ),
            "What several devices do together; null for one.",
        ),
        "fidelity": {
            "type": "object",
            "required": ["requested", "used"],
            "additionalProperties": False,
            "properties": {
                "requested": {"type": "string"},
                "used": _map({"type": "string"}, "Rung by operation class."),
            },
        },
        "mapper": _map({"type": "string"}, "Mapper id by class."),
        "warnings": _TEXTS,
        "assumptions": _TEXTS,
        "error_band": _or_null(
            _closed(low_s="number", high_s="number", basis="string"), "Range of the true latency."
        ),
        "config": {"type": "object", "description": "Resolved configuration; it can be run again."},
        "config_hash": {"type": "string"},
        "seed": {"type": "integer"},
        "version": {"type": "string"},
    }


def _number(description: str) -> Schema:
    return _or_null({"type": "number"}, description)


def _or_null(schema: Schema, description: str) -> Schema:
    return {"description": description, "anyOf": [schema, {"type": "null"}]}


def _map(values: Schema, description: str) -> Schema:
    return {"description": description, "type": "object", "additionalProperties": values}


def _closed(**types: str | list[str]) -> Schema:
    return {
        "type": "object",
        "required": list(types),
        "additionalProperties": False,
        "properties": {name: {"type": kind} for name, kind in types.items()},
    }
