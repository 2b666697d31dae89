"""One run as its options describe it, on the command line and in claims alike."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from archsim.errors import ConfigError, Location, nearest

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.results import Result
    from archsim.run_record import TimedPass
    from workloads import Workload

FIDELITIES: Final = ("roofline", "analytic", "tile", "command")
"""Rungs that a run can ask for, from bound to detail."""

STAND_INS: Final = {"command": "tile"}
"""Rungs that refine another one, which also may stand in where a machine lacks them."""

OPTION_KINDS: Final[dict[str, type]] = {
    "phase": str,
    "batch": int,
    "context": int,
    "new_tokens": int,
    "precision": str,
    "fidelity": str,
    "fidelity_fallback": bool,
    "ignore_capacity": bool,
    "slack": float,
    "seed": int,
    "parallel": str,
}
"""Options that ``--set options.NAME=VALUE`` may set, and the kind of their values."""

LOAD_KINDS: Final[dict[str, type]] = {
    "history": int,
    "draft_tokens": int,
    "source": int,
    "routing": str,
    "adapters": int,
    "adapter_rank": int,
    "dequantise": bool,
    "sparsity": str,
    "sampled": int,
    "requests": str,
}
"""Options of the workload beside phase and sizes; see :func:`workloads.load_workload` and, of
requests, :mod:`workloads.batch_file`."""

MIXED_KINDS: Final = ("requests", "routing", "dequantise", "sampled")
"""Those that a mixed batch has."""

KIND_PHRASES: Final[dict[type, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}

SIZES: Final = ("phase", "batch", "context", "new_tokens")
"""Fields that give a workload its phase and sizes."""

BARE_CLASS: Final = "attention"
"""Mapper class that a bare ``--mapper ID`` means."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to simulate; None leaves a choice to the default of the workload or the machine.

    Attributes
    ----------
    hardware, model
        Registered id or path of a YAML file.
    phase
        ``prefill``, ``decode``, ``generate``, or ``mixed`` (with requests in `load`).
    batch, context, new_tokens
        Sequences, prompt or KV length in tokens, new tokens per sequence.
    mapper
        ``CLASS=ID`` choices; a bare ``ID`` sets the attention mapper.
    mapper_options
        Options of the mapper of a class, as ``--set mapper.CLASS.OPTION=VALUE`` gives them.
    fidelity, fidelity_fallback
        Rung of the fidelity ladder, and whether a lower one may stand in where it is missing.
    precision
        Number formats, ``weights=int8,kv=fp8``.
    overrides
        Dotted overrides, ``hardware.components.dram.bandwidth=800 GB/s``.
    ignore_capacity
        Run although the workload does not fit.
    slack
        Fraction of time that a mapper may give up to move fewer bytes.
    seed
        Seed of everything random.
    parallel
        How several devices share the model, ``tp=2,pp=1,ep=1``.
    load
        Other options of the workload, as ``--set options.history=512`` gives them; see
        :data:`LOAD_KINDS`.
    """

    hardware: str
    model: str
    phase: str | None = None
    batch: int | None = None
    context: int | None = None
    new_tokens: int | None = None
    mapper: Sequence[str] = ()
    mapper_options: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    fidelity: str = "tile"
    fidelity_fallback: bool = False
    precision: str | None = None
    overrides: Sequence[str] = ()
    ignore_capacity: bool = False
    slack: float = 0.0
    seed: int = 0
    parallel: str = ""
    load: Mapping[str, Any] = field(default_factory=dict)

    def simulate(
        self,
        progress: Callable[[int, int], None] | None = None,
        observe: Callable[[TimedPass], None] | None = None,
    ) -> Result:
        """Run it.

        Parameters
        ----------
        progress
            Called with the passes through the model that are done, and how many there are.
        observe
            Called with each pass that the engine has timed.

        Raises
        ------
        ArchsimError
            Anything wrong with the machine, the model or the options; a workload that does not fit
            is a result, not an error.
        """
        from archsim.composition import simulate

        resolved = self.resolved()
        model: str | Workload = resolved.model
        if resolved.load or resolved.phase == "mixed":
            resolved, model = resolved._loaded()
        return simulate(
            resolved.hardware,
            model,
            phase=resolved.phase,
            batch=resolved.batch,
            context=resolved.context,
            new_tokens=resolved.new_tokens,
            precision=resolved.precision,
            mapper=mapper_choices(resolved.mapper) or None,
            mapper_options=resolved.mapper_options,
            fidelity=resolved.fidelity,
            fidelity_fallback=resolved.fidelity_fallback,
            overrides=tuple(resolved.overrides),
            ignore_capacity=resolved.ignore_capacity,
            slack=resolved.slack,
            seed=resolved.seed,
            parallel=resolved.parallel,
            progress=progress,
            observe=observe,
        )

    def _loaded(self) -> tuple[RunRequest, Workload]:
        """Return the request without what describes the workload, and the workload."""
        from archsim.machine import load_hardware
        from workloads import load_model, load_workload
        from workloads.mixed_batch import load_mixed

        own = [text for text in self.overrides if text.startswith("workload.")]
        rest = tuple(text for text in self.overrides if text not in own)
        chosen: dict[str, Any] = {} if self.precision is None else {"precision": self.precision}
        if not chosen:
            machine = [text for text in rest if text.startswith("hardware.")]
            formats = load_hardware(self.hardware, overrides=machine).config.precision
            chosen = {} if formats is None else {"precision": formats}
        load = dict(self.load)
        if "requests" in load or self.phase == "mixed":
            requests = self._requests()
            del load["requests"]
            self._route(load, sum(new for new, _ in requests))
            workload = load_mixed(load_model(self.model, overrides=own), requests, **chosen, **load)
        else:
            given = {name: getattr(self, name) for name in SIZES}
            chosen |= {name: item for name, item in given.items() if item is not None}
            self._route(load, self._pass_tokens())
            workload = load_workload(self.model, overrides=own, **chosen, **load)
        described: dict[str, Any] = dict.fromkeys((*SIZES, "precision"))
        plain = dataclasses.replace(self, overrides=rest, load={}, **described)
        return plain, workload

    def _pass_tokens(self) -> int:
        """Return the new positions of a pass of all sequences."""
        from workloads.sizes import DEFAULT_CONTEXT

        each = DEFAULT_CONTEXT if self.context is None else self.context
        if self.phase == "decode":
            each = 1 + int(self.load.get("draft_tokens", 0))
        return each * (1 if self.batch is None else self.batch)

    def _route(self, load: dict[str, Any], tokens: int) -> None:
        """Put loads in place of a routing that lists them or names a trace's file."""
        from workloads.traces.routing_loads import routing_of

        if "routing" not in load:
            return
        load["routing"] = routing_of(load["routing"], tokens)
        if self.phase == "generate" and not isinstance(load["routing"], str):
            raise ConfigError(
                "loads are those of one pass, and a generate has several",
                path="options.routing",
                given=self.load["routing"],
                allowed="with prefill, decode or a mixed batch; uniform, balanced",
            )

    def _requests(self) -> tuple[tuple[int, int], ...]:
        """Return the requests of a mixed batch; ConfigError for what such a batch has not."""
        from workloads.batch_file import batch_requests

        if "requests" not in self.load:
            raise ConfigError(
                "a mixed batch needs its requests",
                path="options.requests",
                allowed="--requests '512, 8x1+2000', or a .csv or .json file",
            )
        if self.phase not in (None, "mixed"):
            raise ConfigError(
                "requests are those of a mixed batch",
                path="options.phase",
                given=self.phase,
                allowed="mixed",
            )
        wrong = [name for name in SIZES[1:] if getattr(self, name) is not None]
        wrong += [name for name in self.load if name not in MIXED_KINDS]
        if wrong:
            raise ConfigError(
                "is not for mixed batches: each request has its own lengths",
                path=f"options.{wrong[0]}",
                allowed=MIXED_KINDS,
            )
        return batch_requests(self.load["requests"])

    def resolved(self) -> RunRequest:
        """Return the same request with ``mapper.`` and ``options.`` overrides made options.

        Raises
        ------
        ConfigError
            An override that cannot be read, names no option, or has a value of the wrong kind.
        """
        from archsim.config.overrides import parse_override

        options: dict[str, Any] = {}
        load = dict(self.load)
        mapper = dict(mapper_choices(self.mapper))
        chosen_options = {name: dict(item) for name, item in self.mapper_options.items()}
        kept = []
        for text in self.overrides:
            override = parse_override(text)
            if override.root in ("hardware", "workload"):
                kept.append(text)
                continue
            key, value = ".".join(override.segments[1:]), override.node.value
            if override.root == "mapper" and len(override.segments) == 3:
                _, name, option = override.segments
                chosen_options.setdefault(name, {})[option] = cast("Json", value)
            elif override.root == "mapper":
                mapper[key] = str(_of_kind(str, value, override.path))
            else:
                kind = _option_kind(key, override.path)
                chosen_here = load if key in LOAD_KINDS else options
                chosen_here[key] = _of_kind(kind, value, override.path)
        chosen = tuple(f"{name}={mapper[name]}" for name in sorted(mapper))
        plain = dataclasses.replace(
            self, mapper=chosen, mapper_options=chosen_options, overrides=tuple(kept), load=load
        )
        return dataclasses.replace(plain, **options)


def _option_kind(key: str, path: str) -> type:
    kinds = OPTION_KINDS | LOAD_KINDS
    if key not in kinds:
        raise ConfigError(
            "there is no such option",
            location=Location("--set"),
            path=path,
            allowed=sorted(kinds),
            hint=nearest(key, kinds),
        )
    return kinds[key]


def _of_kind(kind: type, value: object, path: str) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(
            f"must be {KIND_PHRASES[kind]}", location=Location("--set"), path=path, given=value
        )
    return value


def mapper_choices(texts: Sequence[str]) -> dict[str, str]:
    """Return the mapper id of each class that ``CLASS=ID`` texts name.

    Raises
    ------
    ConfigError
        A text without a class or an id, or two ids for one class.
    """
    choices: dict[str, str] = {}
    for text in texts:
        mapper_class, equals, mapper = text.partition("=")
        if not equals:
            mapper_class, mapper = BARE_CLASS, text
        if not mapper_class or not mapper:
            raise ConfigError(
                "is not a mapper choice", path="--mapper", given=text, allowed="CLASS=ID or ID"
            )
        if choices.get(mapper_class, mapper) != mapper:
            raise ConfigError(
                f"names two mappers for the class '{mapper_class}'",
                path="--mapper",
                given=f"{choices[mapper_class]} and {mapper}",
            )
        choices[mapper_class] = mapper
    return choices


def mapper_alternatives(texts: Sequence[str]) -> list[list[str]]:
    """Return ``CLASS=ID`` choices with one id for each class, in all combinations.

    Several ids for one class are alternatives, in the order given.
    """
    by_class: dict[str, list[str]] = {}
    for text in texts:
        ((name, mapper),) = mapper_choices([text]).items()
        known = by_class.setdefault(name, [])
        if mapper not in known:
            known.append(mapper)
    return [
        [f"{name}={mapper}" for name, mapper in zip(by_class, chosen, strict=True)]
        for chosen in itertools.product(*by_class.values())
    ]
