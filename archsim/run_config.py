"""The resolved configuration that a result carries: written, and read back to run it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from archsim.config.schema import dump_model, validate_model
from archsim.errors import ConfigError
from workloads import Workload, build_workload
from workloads.mixed_batch import load_mixed
from workloads.model import ModelConfig

if TYPE_CHECKING:
    from archsim.mapping import Json
    from workloads.routing_plan import Routing

Value = TypeVar("Value")


def write_workload(workload: Workload) -> dict[str, Json]:
    """Return the ``workload`` part of a configuration: the model itself, phase and sizes."""
    model = dump_model(workload.model)
    model.pop("source", None)
    return {
        "name": workload.model.name,
        "phase": workload.phase,
        "batch": workload.batch,
        "context": workload.context,
        "new_tokens": workload.new_tokens,
        "precision": str(workload.precision),
        "history": workload.history,
        "draft_tokens": workload.draft_tokens,
        "source": workload.source,
        "routing": list(workload.routing)
        if isinstance(workload.routing, tuple)
        else workload.routing,
        "requests": [list(group) for group in workload.requests],
        "adapters": workload.adapters,
        "adapter_rank": workload.adapter_rank,
        "dequantise": workload.dequantise,
        "sparsity": workload.sparsity,
        "sampled": workload.sampled,
        "model": cast("Json", model),
    }


def read_workload(load: Mapping[str, Json]) -> Workload:
    """Build the workload that :func:`write_workload` described.

    Raises
    ------
    ConfigError
        Something is missing or of the wrong kind.
    """
    model = validate_model(ModelConfig, part(load, "model"), None, "workload.model")
    routing = _routing(load)
    groups = value(load, "requests", list)
    if groups:
        requests = []
        for group in groups:
            if not isinstance(group, list) or len(group) != 3:
                raise ConfigError(NOT_A_RUN, path="workload.requests", given=group)
            number, new, history = (count for count in group if isinstance(count, int))
            requests += [(new, history)] * number
        return load_mixed(
            model,
            requests,
            precision=value(load, "precision", str),
            routing=routing,
            dequantise=value(load, "dequantise", bool),
            sampled=value(load, "sampled", int),
        )
    return build_workload(
        model,
        phase=value(load, "phase", str),
        batch=value(load, "batch", int),
        context=value(load, "context", int),
        new_tokens=value(load, "new_tokens", int),
        precision=value(load, "precision", str),
        history=value(load, "history", int),
        draft_tokens=value(load, "draft_tokens", int),
        source=value(load, "source", int),
        routing=routing,
        adapters=value(load, "adapters", int),
        adapter_rank=value(load, "adapter_rank", int),
        dequantise=value(load, "dequantise", bool),
        sparsity=value(load, "sparsity", str),
        sampled=value(load, "sampled", int),
    )


def _routing(load: Mapping[str, Json]) -> Routing:
    found = load.get("routing")
    if isinstance(found, list):
        return tuple(count for count in found if isinstance(count, int))
    return value(load, "routing", str)


NOT_A_RUN = "not the configuration of a result"


def part(config: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Return a map of a configuration; ConfigError if it is none."""
    return value(config, name, dict)


def value(config: Mapping[str, Json], name: str, kind: type[Value]) -> Value:
    """Return a value of a configuration; ConfigError if it is of another kind."""
    found = config.get(name)
    if type(found) is not kind:
        raise ConfigError(NOT_A_RUN, path=name, given=found, allowed=kind.__name__)
    return found
