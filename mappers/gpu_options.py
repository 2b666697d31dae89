"""Options of the GPU mappers: whose kernels, how launched, what is fused, how many ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError, nearest
from archsim.gpu.constants import shipped_records

if TYPE_CHECKING:
    from archsim.mapping import Json

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "launch": ("graph", "eager"),
    "fusion": ("library", "none"),
    "kernel": ("auto", "flash", "unfused"),
}
"""Options that are one of a few words, the default first."""

NAMES: Final = frozenset({*CHOICES, "library", "version", "host", "parallel"})
"""All options."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a serving library's host adds to a pass, because nothing hides it.

    Attributes
    ----------
    name
        What a user calls it.
    fixed_s, each_s
        Time of a pass, and that of each of its sequences, s.
    said
        Where it comes from.
    """

    name: str
    fixed_s: float
    each_s: float
    said: str

    def time_s(self, sequences: int) -> float:
        """Return the time of a pass over some sequences, s."""
        return self.fixed_s + self.each_s * sequences


HOSTS: Final[Mapping[str, Host]] = {
    item.name: item
    for item in (
        Host(
            "overlapped",
            0.0,
            0.0,
            "its scheduler runs a pass ahead, as those of TensorRT-LLM (documentation, overlap "
            "scheduler, on by default) and SGLang (v0.4) do",
        ),
        Host(
            "vllm-async",
            250e-6,
            0.0,
            "200 to 300 us between decode steps, expected of asynchronous scheduling in vLLM "
            "issue 10634",
        ),
        Host(
            "vllm-sync",
            200e-6,
            20.7e-6,
            "a line through 0.2 ms for one sequence (vLLM issue 6913) and 5.5 ms for 256 (issue "
            "10634), of 2024",
        ),
    )
}
"""Hosts by name, the default first."""


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """How a run uses its GPU.

    Attributes
    ----------
    library, version
        Whose kernels; empty: those of the fitted record with most rows of the architecture.
    launch
        ``graph``: kernels follow one another in a captured graph, whose gaps are in their times;
        ``eager``: each takes at least the time in which the host launches it.
    fusion
        ``library``: norms add the residual, activations gate, as serving libraries do; ``none``:
        one kernel for each operation, as plain PyTorch.
    kernel
        Of attention: ``flash``, ``unfused`` (two products and a softmax) or ``auto``: fused in 16
        bits, unfused in fp32.
    host
        What the host adds to each pass, not hidden by the GPU.
    tp, pp, ep
        Ranks that share each layer, stages of a pipeline, ranks that share the experts.
    """

    library: str = ""
    version: str = ""
    launch: str = "graph"
    fusion: str = "library"
    kernel: str = "auto"
    host: Host = HOSTS["overlapped"]
    tp: int = 1
    pp: int = 1
    ep: int = 1


def read_options(options: Mapping[str, Json], mapper: str) -> GpuOptions:
    """Read the options of a mapper.

    Raises
    ------
    ConfigError
        A value that is none of those allowed.
    """
    for name, allowed in CHOICES.items():
        given = options.get(name, allowed[0])
        if given not in allowed:
            raise ConfigError(
                "is none of the choices",
                path=f"mapper.{mapper}.{name}",
                given=given,
                allowed=allowed,
                hint=nearest(str(given), allowed),
            )
    _check_library(options, mapper)
    ranks = dict(item.split("=") for item in str(options.get("parallel", "")).split(",") if item)
    return GpuOptions(
        library=str(options.get("library", "")),
        version=str(options.get("version", "")),
        launch=str(options.get("launch", "graph")),
        fusion=str(options.get("fusion", "library")),
        kernel=str(options.get("kernel", "auto")),
        host=_host(options.get("host", "overlapped"), mapper),
        tp=int(ranks.get("tp", 1)),
        pp=int(ranks.get("pp", 1)),
        ep=int(ranks.get("ep", 1)),
    )


def _host(given: Json, mapper: str) -> Host:
    if isinstance(given, str) and given in HOSTS:
        return HOSTS[given]
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 1e9:
        raise ConfigError(
            "must be a time in us, or one of these names",
            path=f"mapper.{mapper}.host",
            given=given,
            allowed=(*HOSTS, "a number of us from 0"),
            hint=nearest(str(given), HOSTS),
        )
    return Host(f"{given:g} us", given * 1e-6, 0.0, "as it was set")


def _check_library(options: Mapping[str, Json], mapper: str) -> None:
    """Refuse a library, or a version of it, of which no constants were fitted."""
    library, version = options.get("library", ""), options.get("version", "")
    versions: dict[str, set[str]] = {}
    for record in shipped_records():
        if record.library:
            versions.setdefault(record.library, {""}).add(record.version)
    if library and library not in versions:
        raise ConfigError(
            "no constants were fitted to this library",
            path=f"mapper.{mapper}.library",
            given=library,
            allowed=sorted(versions),
            hint=nearest(str(library), versions),
        )
    able = versions.get(str(library), {""})
    if version not in able:
        raise ConfigError(
            "no constants were fitted to this version",
            path=f"mapper.{mapper}.version",
            given=version,
            allowed=sorted(item for item in able if item) or "a version of a library that is given",
        )
