"""A workload as plain data, for reports and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.cascade import Cascade
    from workloads.serialization import Json
    from workloads.workload import Workload


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
            {"name": stage.name, "repeat": stage.repeat, "einsums": _einsums(stage.cascade)}
            for stage in workload.stages
        ],
        "warnings": list(workload.warnings),
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
            "op_counts": dict(einsum.op_counts()),
        }
        for einsum in cascade.einsums
    ]
