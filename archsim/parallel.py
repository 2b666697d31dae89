"""One model on several devices: how it is shared out, and what one of them holds and does.

Tensor-parallel ranks share the heads, the inner columns and the vocabulary of every layer; stages
of a pipeline share the layers; expert-parallel ranks share the experts, and each has its part of
the batch. What one rank does is a workload of its own, of a smaller model: its weights, caches,
MACs and compulsory bytes are those of the rank. Mappers add the collectives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.components.gpu import BoundGpuLink
from archsim.errors import ConfigError, nearest
from workloads import build_workload
from workloads.mixed_batch import load_mixed

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Mapper
    from workloads import Workload
    from workloads.model import ModelConfig

DEGREES: Final = ("tp", "pp", "ep")
OPTION: Final = "parallel"
PATH: Final = "options.parallel"
MAX_DEGREE: Final = 1024

MEASURED_RANKS: Final = 8
"""Most ranks of one node whose collectives were measured (archsim/docs/gpu.md)."""


@dataclass(frozen=True, slots=True)
class Parallel:
    """How many devices share what.

    Attributes
    ----------
    tp
        Ranks that share every layer.
    pp
        Stages that share the layers.
    ep
        Ranks that share the experts, each with its part of the batch.
    """

    tp: int = 1
    pp: int = 1
    ep: int = 1

    @property
    def devices(self) -> int:
        """Devices in all."""
        return self.tp * self.pp * self.ep

    def __str__(self) -> str:
        return ",".join(f"{name}={getattr(self, name)}" for name in DEGREES)


def parse_parallel(text: str) -> Parallel:
    """Read ``tp=2,pp=1,ep=1``; what is not named is 1.

    Raises
    ------
    ConfigError
        An unknown or repeated name, or a number that is none.
    """
    found: dict[str, int] = {}
    for item in text.split(",") if text else ():
        name, _, number = (part.strip() for part in item.partition("="))
        if name not in DEGREES or name in found:
            raise ConfigError(
                "is no way of sharing" if name not in DEGREES else "is given twice",
                path=PATH,
                given=item,
                allowed="tp=N,pp=N,ep=N",
                hint=nearest(name, DEGREES) if name not in DEGREES else None,
            )
        if not number.isdecimal() or not 1 <= int(number) <= MAX_DEGREE:
            raise ConfigError(
                "must be a number of devices",
                path=f"{PATH}.{name}",
                given=number or "nothing",
                allowed=f"1 to {MAX_DEGREE}",
            )
        found[name] = int(number)
    return Parallel(**found)


def chosen_parallel(text: str, machine: Machine) -> Parallel:
    """Return the sharing that a run asks for, else tensor-parallel ranks on all its devices."""
    return parse_parallel(text) if text else Parallel(tp=machine.config.devices.count)


def check_devices(machine: Machine, mappers: Mapping[str, Mapper], parallel: Parallel) -> None:
    """Refuse several devices where the machine or its mappers work with one.

    Raises
    ------
    ConfigError
        No link joins the devices, or a mapper has no collectives.
    """
    if parallel.devices == 1:
        return
    for name, mapper in sorted(mappers.items()):
        if OPTION not in mapper.options:
            raise ConfigError(
                f"machine {machine.name} maps {name} with {mapper.id}, which works on one device",
                path=PATH,
                given=str(parallel),
                allowed="machines whose mappers have collectives, such as GPUs",
            )
    link = machine.config.devices.link
    if link is None:
        raise ConfigError(
            f"machine {machine.name} says no link between its devices",
            path="hardware.devices.link",
            allowed=sorted(machine.components),
        )
    joint = machine.component(link)
    if "transfer" not in joint.actions():
        raise ConfigError("is no link", path="hardware.devices.link", given=link)
    domain = domain_of(machine)
    if domain is None or parallel.devices <= domain:
        return
    if isinstance(joint, BoundGpuLink) and joint.link.network_bytes_per_s is None:
        raise ConfigError(
            f"the link of {machine.name} joins {domain} devices, and it has no network adapter",
            path=PATH,
            given=f"{parallel}: {parallel.devices} devices",
            allowed=f"up to {domain} devices, or hardware.components.{link}.network_bandwidth",
        )


def domain_of(machine: Machine) -> int | None:
    """Return how many devices the link of a machine joins; None if it does not say."""
    link = machine.config.devices.link
    joint = machine.component(link) if link is not None else None
    return joint.link.domain if isinstance(joint, BoundGpuLink) else None


def share(workload: Workload, parallel: Parallel) -> Workload:
    """Return what one of the devices does, all stages of a pipeline after one another.

    Raises
    ------
    ConfigError
        Something does not divide by the number of ranks.
    """
    if parallel.devices == 1:
        return workload
    model = workload.model
    if model.cutoffs and parallel.tp > 1:
        raise ConfigError(
            f"the adaptive vocabulary of {model.name} cannot be shared",
            path=f"{PATH}.tp",
            given=parallel.tp,
            allowed="1",
        )
    if parallel.pp > model.layers:
        raise ConfigError(
            "there are fewer layers than stages",
            path=f"{PATH}.pp",
            given=parallel.pp,
            allowed=f"1 to {model.layers}",
        )
    return _rebuilt(workload, _rank_model(model, parallel), _rank_batch(workload, parallel))


def held(workload: Workload, parallel: Parallel) -> Workload:
    """Return the workload whose weights and caches the fullest device holds.

    Parameters
    ----------
    workload
        What one rank does (see :func:`share`).
    parallel
        The sharing.

    Notes
    -----
    It has the layers of the longest stage, and both the embedding and the head.
    """
    if parallel.pp == 1:
        return workload
    layers = -(-workload.model.layers // parallel.pp)
    return _rebuilt(workload, workload.model.model_copy(update={"layers": layers}), workload.batch)


def _rank_batch(workload: Workload, parallel: Parallel) -> int:
    if parallel.ep > 1 and (workload.requests or not isinstance(workload.routing, str)):
        what = "requests of a mixed batch" if workload.requests else "given loads of experts"
        raise ConfigError(
            f"{what} are not dealt to ranks", path=f"{PATH}.ep", given=parallel.ep, allowed="1"
        )
    if workload.batch % parallel.ep:
        raise ConfigError(
            "expert-parallel ranks share the batch",
            path=f"{PATH}.ep",
            given=parallel.ep,
            allowed=f"a divisor of the batch, {workload.batch}",
        )
    return workload.batch // parallel.ep


def _rank_model(model: ModelConfig, parallel: Parallel) -> ModelConfig:
    tp, ep = parallel.tp, parallel.ep
    kept = max(model.kv_heads, tp)
    if kept % tp or kept % model.kv_heads:
        raise ConfigError(
            f"{model.kv_heads} key-value heads can be neither shared nor repeated evenly",
            path=f"{PATH}.tp",
            given=tp,
            allowed="a divisor or a multiple of the key-value heads",
        )
    changes: dict[str, object] = {
        "heads": _divided("heads", model.heads, "tp", tp),
        "kv_heads": kept // tp,
        "ffn_size": _divided("ffn_size", model.ffn_size, "tp", tp),
        "vocabulary": -(-model.vocabulary // tp),
        "published_parameters": None,
        "printed_parameters": "",
    }
    experts = model.moe
    if experts is None:
        if ep > 1:
            raise ConfigError(f"{model.name} has no experts", path=f"{PATH}.ep", given=ep)
        return model.model_copy(update=changes)
    own = _divided("experts", experts.experts, "ep", ep)
    if own < experts.active:
        raise ConfigError(
            f"a rank needs at least the {experts.active} experts that a token goes to",
            path=f"{PATH}.ep",
            given=ep,
            allowed=f"1 to {experts.experts // experts.active}",
        )
    # Groups are chosen among all experts, not among those of a rank.
    grouped = {} if ep == 1 else {"groups": 1, "active_groups": 1}
    changes["moe"] = experts.model_copy(
        update={
            **grouped,
            "experts": own,
            "expert_size": _divided("expert_size", experts.expert_size, "tp", tp),
            "shared_size": _divided("shared_size", experts.shared_size, "tp", tp),
        }
    )
    return model.model_copy(update=changes)


def _divided(name: str, number: int, degree: str, ranks: int) -> int:
    if number % ranks:
        raise ConfigError(
            f"does not divide the {name} of the model",
            path=f"{PATH}.{degree}",
            given=ranks,
            allowed=f"a divisor of {number}",
        )
    return number // ranks


def _rebuilt(workload: Workload, model: ModelConfig, batch: int) -> Workload:
    """Return the same work of another model and batch; of a mixed batch, of all its requests."""
    if workload.requests:
        return load_mixed(
            model,
            [(new, past) for number, new, past in workload.requests for _ in range(number)],
            precision=workload.precision,
            routing=workload.routing,
            dequantise=workload.dequantise,
            sampled=workload.sampled,
        )
    return build_workload(
        model,
        phase=workload.phase,
        batch=batch,
        context=workload.context,
        new_tokens=workload.new_tokens,
        precision=workload.precision,
        history=workload.history,
        draft_tokens=workload.draft_tokens,
        source=workload.source,
        routing=workload.routing,
        adapters=workload.adapters,
        adapter_rank=workload.adapter_rank,
        dequantise=workload.dequantise,
        sparsity=workload.sparsity,
        sampled=workload.sampled,
    )


def said(parallel: Parallel, link: str) -> tuple[str, ...]:
    """Return what a report says about the sharing."""
    if parallel.devices == 1:
        return ()
    found = [
        f"{parallel.devices} devices ({parallel}) joined by {link}: energy, power, area, MACs, "
        "bytes and the bound are those of one rank, times are those of all",
        "collectives and hand-overs hide behind nothing: none overlaps with other kernels",
    ]
    if parallel.pp > 1:
        found.append(
            "one batch is in flight: its stages work one after another; with the pipeline full "
            f"{parallel.pp} batches are, and their caches stand beside the weights"
        )
    if max(parallel.tp, parallel.ep) > MEASURED_RANKS:
        found.append(
            f"nothing was measured beyond {MEASURED_RANKS} ranks: collectives in a larger domain "
            "are extrapolated, exchanges between domains follow published times"
        )
    if parallel.ep > 1:
        found.append("tokens are routed evenly over the expert-parallel ranks")
    return tuple(found)
