"""A workload as plain data, for reports and the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.cascade import Cascade
    from workloads.serialization import Json
    from workloads.workload import Workload


_SIZE = re.compile(r"(?<![A-Za-z0-9_.])\d+(\.\d+)?(e[-+]?\d+)?")
"""Numbers in a statement that are sizes or constants, not parts of names."""


def summarise(workload: Workload) -> dict[str, Json]:
    """Return shape, sizes and counts of one pass through a workload, JSON-able.

    Parameters
    ----------
    workload
        The workload.

    Returns
    -------
    dict
        Sizes in bytes, counts over all layers; ``stages`` lists every einsum of one repetition.
    """
    return {
        "model": workload.name,
        "phase": workload.phase,
        "batch": workload.batch,
        "context": workload.context,
        "new_tokens": workload.new_tokens,
        "precision": str(workload.precision),
        "parameters": workload.num_parameters(),
        "active_parameters": workload.active_parameters(),
        "weight_bytes": workload.weight_bytes(),
        "kv_bytes_per_token": workload.kv_bytes_per_token,
        "kv_bytes": workload.kv_bytes(),
        "activation_bytes": workload.activation_bytes(),
        "macs": workload.macs(),
        "dense_macs": workload.dense_macs(),
        "op_counts": dict(workload.op_counts()),
        "compulsory_bytes": dict(workload.compulsory_bytes()),
        "layers": dict(macs_by_layer(workload)),
        "stages": [
            {
                "name": stage.name,
                "repeat": stage.repeat,
                "ranks": {rank.name: rank.extent for rank in stage.cascade.ranks},
                "einsums": _einsums(stage.cascade),
            }
            for stage in workload.stages
        ],
        "layout": [[name, number] for name, number in workload.layout],
        "warnings": list(workload.warnings),
    }


def compare_workloads(first: Workload, second: Workload) -> dict[str, dict[str, dict[str, Json]]]:
    """Return in what two workloads differ.

    Returns
    -------
    dict
        ``description``, ``counts`` and ``einsums`` (statements, by stage and name, their numbers
        left out), each a map of ``{"a": …, "b": …}``; None stands for what one of them lacks.
    """
    descriptions = [_description(workload) for workload in (first, second)]
    counts = [_counts(workload) for workload in (first, second)]
    statements = [
        {
            f"{stage.name}/{einsum.name}": _SIZE.sub("·", einsum.statement)
            for stage in workload.stages
            for einsum in stage.cascade.einsums
        }
        for workload in (first, second)
    ]
    return {
        "description": _differences(*descriptions),
        "counts": _differences(*counts),
        "einsums": _differences(*statements),
    }


def _differences(
    first: Mapping[str, Json], second: Mapping[str, Json]
) -> dict[str, dict[str, Json]]:
    keys = dict.fromkeys([*first, *second])
    pairs = {key: {"a": first.get(key), "b": second.get(key)} for key in keys}
    return {key: pair for key, pair in pairs.items() if pair["a"] != pair["b"]}


def _description(workload: Workload) -> dict[str, Json]:
    from archsim.config.schema import dump_model

    left_out = ("name", "source", "published_parameters", "printed_parameters")
    flat: dict[str, Json] = {}
    for key, value in dump_model(workload.model).items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, leaf in parts:
            if key not in left_out:
                flat[f"{key}.{part}" if part else key] = cast("Json", leaf)
    return flat


def _counts(workload: Workload) -> dict[str, Json]:
    return {
        "parameters": workload.num_parameters(),
        "active_parameters": workload.active_parameters(),
        "weight_bytes": workload.weight_bytes(),
        "kv_bytes_per_token": workload.kv_bytes_per_token,
        "activation_bytes": workload.activation_bytes(),
        "macs": workload.macs(),
        **{f"macs.{layer}": macs for layer, macs in macs_by_layer(workload).items()},
    }


def macs_by_layer(workload: Workload) -> dict[str, int]:
    """Return useful multiply-accumulates of one pass by layer type, in order of appearance."""
    totals: dict[str, int] = {}
    for stage in workload.stages:
        for einsum in stage.cascade.einsums:
            totals[einsum.layer] = totals.get(einsum.layer, 0) + stage.repeat * einsum.macs()
    return totals


def _einsums(cascade: Cascade) -> list[Json]:
    return [
        {
            "name": einsum.name,
            "statement": einsum.statement,
            "op_class": einsum.op_class,
            "layer": einsum.layer,
            "extents": dict(einsum.space),
            "points": einsum.points(),
            "dense_points": einsum.dense_points(),
            "op_counts": dict(einsum.op_counts()),
        }
        for einsum in cascade.einsums
    ]
