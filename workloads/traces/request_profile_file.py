"""Profiles of synthetic request traces as YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from archsim.config.document import load_document
from archsim.config.emit import to_yaml
from archsim.config.leaves import Choice, Real
from archsim.config.schema import (
    ConfigModel,
    Duration,
    Fraction01,
    Frequency,
    PositiveFloat,
    PositiveFraction,
    dump_model,
    validate_model,
)
from archsim.errors import ConfigError, nearest
from workloads.traces.arrivals import ARRIVALS, LAWS, ArrivalProcess, Burst, Swell
from workloads.traces.lengths import LengthDistribution, QuantileLengths
from workloads.traces.request_generators import PROFILES, RequestProfile

KIND = "requests"
"""Root of a profile's dotted paths."""

MOST_TOKENS = 2**31
"""Greatest length of a prompt or an output."""


class SwitchConfig(ConfigModel):
    """A rate that switches: see :class:`~workloads.traces.arrivals.Burst`."""

    share: PositiveFraction
    factor: PositiveFloat
    busy_s: Duration = Field(alias="busy")


class SwellConfig(ConfigModel):
    """A rate that takes random values: see :class:`~workloads.traces.arrivals.Swell`."""

    variance: PositiveFloat
    hold_s: Duration = Field(alias="hold")
    law: Annotated[str, Choice(LAWS)] = "gamma"


class ArrivalConfig(ConfigModel):
    """When requests arrive; see :class:`~workloads.traces.arrivals.ArrivalProcess`."""

    kind: Annotated[str, Choice(ARRIVALS)]
    rate_per_s: Frequency = Field(alias="rate")
    variation: PositiveFloat = 1.0
    stamp_s: Duration = Field(default=0.0, alias="stamp")
    switches: tuple[SwitchConfig, ...] = ()
    swells: tuple[SwellConfig, ...] = ()


class LengthPoint(ConfigModel):
    """Tokens that a share of all lengths does not exceed."""

    share: Fraction01
    tokens: Annotated[float, Real(1, MOST_TOKENS)]


class ProfileConfig(ConfigModel):
    """A profile: arrivals, quantiles of prompts and outputs, correlation of the two."""

    name: str = ""
    source: str = ""
    arrivals: ArrivalConfig
    prompt: tuple[LengthPoint, ...]
    output: tuple[LengthPoint, ...]
    correlation: Annotated[float, Real(-1, 1)] = 0.0


def read_profile(path: str | Path) -> RequestProfile:
    """Read a profile.

    Raises
    ------
    ConfigError
        A file that is none, with file and line.
    """
    document = load_document(Path(path), kind=KIND, sources=False)
    config = validate_model(ProfileConfig, document.data, document, KIND)
    try:
        return RequestProfile(
            _process(config.arrivals),
            _lengths(config.prompt),
            _lengths(config.output),
            correlation=config.correlation,
        )
    except ConfigError as error:
        raise error.at(location=document.location(KIND)) from error


def find_profile(name: str) -> RequestProfile:
    """Return a fitted profile by name, or the one of a YAML file."""
    if name in PROFILES:
        return PROFILES[name]
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return read_profile(name)
    raise ConfigError(
        "unknown request profile",
        path=KIND,
        given=name,
        allowed=[*PROFILES, "a .yaml file"],
        hint=nearest(name, PROFILES),
    )


def profile_text(profile: RequestProfile, *, name: str = "", source: str = "") -> str:
    """Return a profile as YAML that :func:`read_profile` reads back.

    Raises
    ------
    ConfigError
        Lengths that are not quantiles.
    """
    process = profile.arrivals
    arrivals = ArrivalConfig(
        kind=process.kind,
        rate=process.rate_per_s,
        variation=process.variation,
        stamp=process.stamp_s,
        switches=tuple(
            SwitchConfig(share=item.share, factor=item.factor, busy=item.busy_s)
            for item in process.bursts
            if isinstance(item, Burst)
        ),
        swells=tuple(
            SwellConfig(variance=item.variance, hold=item.hold_s, law=item.law)
            for item in process.bursts
            if isinstance(item, Swell)
        ),
    )
    config = ProfileConfig(
        name=name,
        source=source,
        arrivals=arrivals,
        prompt=_points(profile.prompt),
        output=_points(profile.output),
        correlation=profile.correlation,
    )
    data = dump_model(config)
    for side in (data, cast("dict[str, Any]", data["arrivals"])):
        for key in [key for key, value in side.items() if value in ("", [], 0.0, "0 s")]:
            del side[key]
    return to_yaml(data)


def _process(config: ArrivalConfig) -> ArrivalProcess:
    switches = (Burst(item.share, item.factor, item.busy_s) for item in config.switches)
    swells = (Swell(item.variance, item.hold_s, item.law) for item in config.swells)
    return ArrivalProcess(
        config.kind,
        config.rate_per_s,
        variation=config.variation,
        bursts=(*switches, *swells),
        stamp_s=config.stamp_s,
    )


def _lengths(points: tuple[LengthPoint, ...]) -> QuantileLengths:
    if len(points) < 2:
        raise ConfigError("a length has at least two quantiles", path=KIND, given=len(points))
    return QuantileLengths(tuple((point.share, point.tokens) for point in points))


def _points(lengths: LengthDistribution) -> tuple[LengthPoint, ...]:
    if not isinstance(lengths, QuantileLengths):
        raise ConfigError("only lengths given by quantiles can be written", path=KIND)
    return tuple(LengthPoint(share=share, tokens=tokens) for share, tokens in lengths.points)
