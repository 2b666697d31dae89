"""The composition of a run: load, check, map, time, account, report.

Read :func:`simulate` from top to bottom: it is the whole path from a hardware file and a model to a
result. Everything it calls has a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from archsim.accounting import PassAccounts, Totals, account
from archsim.capacity import activation_bytes, check_capacity
from archsim.command_rung import command_machine, lower_program, with_refreshes
from archsim.config.overrides import group_overrides
from archsim.engine import run_program
from archsim.errors import ConfigError, nearest
from archsim.machine import Machine, build_machine, load_hardware
from archsim.mapped_model import ModelMapper, check_options, choose_mappers
from archsim.mapping import Infeasible, Json, MappingCache
from archsim.mapping_cache import DiskCache
from archsim.parallel import OPTION, check_devices, chosen_parallel, held, share
from archsim.request import FIDELITIES, STAND_INS
from archsim.roofline import bound_pass
from archsim.run_config import part, read_workload, value
from archsim.run_record import Outcome, PhaseOutcome, RunRecord, TimedPass
from workloads import Workload, load_workload

if TYPE_CHECKING:
    from archsim.mapped_model import MappedPass
    from archsim.program import Program
    from archsim.results import Result

Progress = Callable[[int, int], None]
"""Called with the number of passes done and the number of passes in all."""

Observer = Callable[[TimedPass], None]
"""Called with every pass that was timed."""


def simulate(
    hardware: str | Path | Machine,
    workload: str | Path | Workload,
    *,
    phase: str | None = None,
    batch: int | None = None,
    context: int | None = None,
    new_tokens: int | None = None,
    precision: str | None = None,
    mapper: Mapping[str, str] | None = None,
    mapper_options: Mapping[str, Mapping[str, Json]] | None = None,
    fidelity: str = "tile",
    fidelity_fallback: bool = False,
    overrides: Sequence[str] = (),
    ignore_capacity: bool = False,
    slack: float = 0.0,
    seed: int = 0,
    parallel: str = "",
    cache: MappingCache | None = None,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> Result:
    """Simulate one workload on one machine.

    Parameters
    ----------
    hardware
        Registered id, path of a hardware file, or a machine.
    workload
        Registered model id, path of a model file, or a workload (then phase, sizes and precision
        are its own and must not be given).
    phase, batch, context, new_tokens, precision
        As in :func:`workloads.load_workload`; None takes its default.
    mapper
        Mapper id by mapper class, over the machine's defaults.
    mapper_options
        Options of the mapper of a class, such as ``{"attention": {"interleave": False}}``.
    fidelity
        ``roofline`` (closed-form bound), ``analytic`` (closed form of a mapping) or ``tile``
        (engine at tile granularity); ``command`` is a rung that no operation has yet.
    fidelity_fallback
        Whether another rung may stand in for one that an operation lacks.
    overrides
        ``hardware.path=value`` and ``workload.path=value`` texts.
    ignore_capacity
        Run although the workload does not fit in the outermost memory level.
    slack
        Fraction of time, 0..1, that a mapper may give up to move fewer bytes. Only with 0 is it
        certain that more bandwidth or buffer is never slower.
    seed
        Seed of everything random.
    parallel
        How several devices share the model, as ``tp=2,pp=1,ep=1``; see :mod:`archsim.parallel`.
    cache
        Store for search results; the default is one on disk.
    progress
        Called after each pass through the model.
    observe
        Called with each pass that the engine has timed, such as to look at its timeline.

    Returns
    -------
    Result
        Feasible or not: a workload that does not fit is a result.

    Raises
    ------
    ArchsimError
        Bad input of any kind.

    Examples
    --------
    >>> import archsim
    >>> result = archsim.simulate("array128-hbm2e", "llama3.2-1b", phase="decode", context=128)
    >>> result.feasible
    True
    """
    groups = group_overrides(overrides)
    for root in ("mapper", "options"):
        if groups[root]:
            raise ConfigError(
                "is an argument of this call", path=groups[root][0].path, allowed="an argument"
            )
    machine = _machine(hardware, [item for item in overrides if item.startswith("hardware.")])
    if precision is None and not isinstance(workload, Workload):
        precision = machine.config.precision
    sizes = _sizes(phase, batch, context, new_tokens, precision)
    load = _workload(workload, sizes, [item for item in overrides if item.startswith("workload.")])
    if fidelity not in FIDELITIES:
        raise ConfigError(
            "there is no such rung",
            path="options.fidelity",
            given=fidelity,
            allowed=FIDELITIES,
            hint=nearest(fidelity, FIDELITIES),
        )
    used = fidelity
    if fidelity == "command":
        try:
            machine = command_machine(machine)
        except ConfigError:
            if not fidelity_fallback:
                raise
            used = STAND_INS[fidelity]
    if not 0 <= slack <= 1:
        raise ConfigError(
            "must be a fraction", path="options.slack", given=slack, allowed="a number from 0 to 1"
        )
    mappers = choose_mappers(machine, mapper or {})
    ranks = chosen_parallel(parallel, machine)
    check_devices(machine, mappers, ranks)
    for name, chosen in (mapper_options or {}).items():
        if OPTION in chosen:
            raise ConfigError("is what --parallel says", path=f"mapper.{name}.{OPTION}")
    rank_load = share(load, ranks)
    record = RunRecord(
        machine=machine,
        workload=rank_load,
        whole=load,
        held=held(rank_load, ranks),
        parallel=ranks,
        mappers=mappers,
        mapper_options=check_options(mappers, mapper_options or {}),
        requested=fidelity,
        fidelity=used,
        fidelity_fallback=fidelity_fallback,
        ignore_capacity=ignore_capacity,
        slack=slack,
        seed=seed,
    )
    store = DiskCache() if cache is None else cache
    return record.result(_run(record, store, progress, observe))


def simulate_config(
    config: Mapping[str, Json],
    *,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> Result:
    """Run the resolved configuration that a result carries; the result is the same again.

    Parameters
    ----------
    config
        What `Result.config` holds.
    progress, observe
        As for `simulate`.

    Raises
    ------
    ConfigError
        The configuration is not one that a result carries.
    """
    hardware, load, mapper, options = (
        part(config, name) for name in ("hardware", "workload", "mapper", "options")
    )
    return simulate(
        build_machine(hardware),
        read_workload(load),
        mapper={name: value(mapper, name, str) for name in mapper},
        mapper_options={
            name: part(chosen, name)
            for chosen in (part(options, "mapper_options"),)
            for name in chosen
        },
        fidelity=value(options, "fidelity", str),
        fidelity_fallback=value(options, "fidelity_fallback", bool),
        ignore_capacity=value(options, "ignore_capacity", bool),
        slack=value(options, "slack", float),
        seed=value(options, "seed", int),
        parallel=value(options, OPTION, str) if OPTION in options else "",
        progress=progress,
        observe=observe,
    )


class _Sizes(TypedDict, total=False):
    """Phase and sizes of a workload that were given; the rest takes its default."""

    phase: str
    batch: int
    context: int
    new_tokens: int
    precision: str


def _sizes(
    phase: str | None,
    batch: int | None,
    context: int | None,
    new_tokens: int | None,
    precision: str | None,
) -> _Sizes:
    sizes: _Sizes = {}
    if phase is not None:
        sizes["phase"] = phase
    if batch is not None:
        sizes["batch"] = batch
    if context is not None:
        sizes["context"] = context
    if new_tokens is not None:
        sizes["new_tokens"] = new_tokens
    if precision is not None:
        sizes["precision"] = precision
    return sizes


def _machine(hardware: str | Path | Machine, overrides: Sequence[str]) -> Machine:
    if not isinstance(hardware, Machine):
        return load_hardware(hardware, overrides=overrides)
    if overrides:
        raise ConfigError("a machine that is built already takes no overrides", given=overrides[0])
    return hardware


def _workload(
    workload: str | Path | Workload, chosen: _Sizes, overrides: Sequence[str]
) -> Workload:
    if not isinstance(workload, Workload):
        return load_workload(workload, overrides=overrides, **chosen)
    if chosen or overrides:
        name = next(iter(chosen), "overrides")
        raise ConfigError(f"a workload that is built already takes no {name}")
    return workload


def _run(
    record: RunRecord,
    cache: MappingCache,
    progress: Progress | None,
    observe: Observer | None,
) -> Outcome:
    """Run all passes of a workload: check, bound, map, time, account."""
    workload, machine = record.workload, record.machine
    model_mapper = ModelMapper(
        machine,
        record.mappers,
        _makespan_ps,
        cache,
        record.seed,
        record.mapping_options(),
        mapper_options=record.mapper_options,
        fidelity=STAND_INS.get(record.fidelity, record.fidelity),
        fallback=record.fidelity_fallback,
    )
    if record.fidelity == "roofline" and not record.ignore_capacity:
        shortage = check_capacity(record.held, machine)
        if shortage is not None:
            return Outcome(infeasible=shortage)
    outcome = Outcome()
    accounts = PassAccounts(machine)
    passes = list(_passes(workload))
    begin_ps = 0
    for done, (phase, index) in enumerate(passes):
        step = workload.step(index) if phase == "decode" else workload.prefill()
        bound = bound_pass(step, machine)
        if record.fidelity == "roofline":
            outcome.add(phase, PhaseOutcome(bound, Totals(latency_ps=bound.bound_ps)))
            continue
        mapped = _map_pass(step, record, model_mapper)
        if isinstance(mapped, Infeasible):
            return Outcome(infeasible=mapped)
        timing = None
        if record.fidelity == "command":
            timing = run_program(lower_program(mapped.program, machine))
            totals = account(mapped, timing, machine)
        else:
            totals = accounts.totals(mapped)
            if observe is not None:
                timing = run_program(mapped.program)
        outcome.add(phase, PhaseOutcome(bound, with_refreshes(totals, machine), mapped))
        if observe is not None and timing is not None:
            observe(TimedPass(phase, index, begin_ps, machine, timing, mapped))
        begin_ps += totals.latency_ps
        if progress is not None:
            progress(done + 1, len(passes))
    return outcome


def _passes(workload: Workload) -> Sequence[tuple[str, int]]:
    steps = [("decode", index) for index in range(workload.num_steps)]
    if workload.phase == "mixed":
        return [("mixed", 0)]
    return steps if workload.phase == "decode" else [("prefill", 0), *steps]


def _map_pass(
    step: Workload, record: RunRecord, model_mapper: ModelMapper
) -> MappedPass | Infeasible:
    mapped = model_mapper.map(step)
    if isinstance(mapped, Infeasible) or record.ignore_capacity:
        return mapped
    used = activation_bytes(step, record.machine, mapped)
    return check_capacity(record.held, record.machine, used) or mapped


def _makespan_ps(program: Program) -> int:
    return run_program(program, path=False).makespan_ps
