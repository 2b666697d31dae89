"""Workloads: what a transformer computes, as cascades of Einsums. Knows no hardware.

:func:`load_workload` builds the cascades of one phase of a model; :class:`Cascade` holds them.
Names are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.access import Access, IndexExpr
    from workloads.attention_cascades import attention_cascade
    from workloads.builder import CascadeBuilder
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum, Rank, Tensor
    from workloads.footprint import Footprint
    from workloads.hugging_face import import_config
    from workloads.matmul import MatmulDims
    from workloads.mixed_batch import load_mixed
    from workloads.model import ModelConfig, load_model, parameters
    from workloads.prefix_filter import PrefixFilter
    from workloads.stages import Stage
    from workloads.summary import macs_by_layer, summarise
    from workloads.workload import Workload, build_workload, load_workload

_HOMES = {
    "Access": "access",
    "IndexExpr": "access",
    "attention_cascade": "attention_cascades",
    "CascadeBuilder": "builder",
    "Cascade": "cascade",
    "Einsum": "einsum",
    "PrefixFilter": "prefix_filter",
    "Rank": "einsum",
    "Tensor": "einsum",
    "Footprint": "footprint",
    "MatmulDims": "matmul",
    "import_config": "hugging_face",
    "load_mixed": "mixed_batch",
    "ModelConfig": "model",
    "load_model": "model",
    "parameters": "model",
    "macs_by_layer": "summary",
    "summarise": "summary",
    "Stage": "stages",
    "Workload": "workload",
    "build_workload": "workload",
    "load_workload": "workload",
}

__all__ = [
    "Access",
    "Cascade",
    "CascadeBuilder",
    "Einsum",
    "Footprint",
    "IndexExpr",
    "MatmulDims",
    "ModelConfig",
    "PrefixFilter",
    "Rank",
    "Stage",
    "Tensor",
    "Workload",
    "attention_cascade",
    "build_workload",
    "import_config",
    "load_mixed",
    "load_model",
    "load_workload",
    "macs_by_layer",
    "parameters",
    "summarise",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'workloads' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"workloads.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
