"""Published beside predicted, and what would have to be true for the published means to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.model_shape import ModelShape, model_shape
from archsim.edgecim.published import (
    DEVICES,
    MEAN_TOKENS_PER_J,
    MEAN_TOKENS_PER_S,
    MODELS,
    TOKENS_PER_J,
    TOKENS_PER_S,
    Figure,
)
from workloads import load_model

if TYPE_CHECKING:
    from archsim.mapping import Json

PUBLISHED_BITS = 4
"""Bits of the published figures."""

LPDDR5X_PJ_PER_BIT = (4.0, 7.0)
"""LPDDR5X with interface and controller, pJ/bit (recalled range; data sheets do not give it)."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One model on the chip, tokens over 128 + 128.

    Attributes
    ----------
    tokens_per_s
        Rate.
    chip_tokens_per_j, tokens_per_j
        Efficiency without and with DRAM.
    dram_bytes
        Mean bytes of weights and cache a token.
    limits
        Share of time in steps whose pace each part sets.
    parts_j
        Energy of a token by part of the chip, and of the DRAM.
    """

    tokens_per_s: float
    chip_tokens_per_j: float
    tokens_per_j: float
    dram_bytes: float
    limits: Mapping[str, float]
    parts_j: Mapping[str, float]

    def to_json(self) -> dict[str, Json]:
        """Return it by name."""
        return {
            "tokens_per_s": self.tokens_per_s,
            "chip_tokens_per_j": self.chip_tokens_per_j,
            "tokens_per_j": self.tokens_per_j,
            "dram_bytes_per_token": self.dram_bytes,
            "limits": dict(self.limits),
            "energy_j": dict(self.parts_j),
        }


def predict(chip: EdgeChip, shape: ModelShape, bits: int, *, head: bool) -> Predicted:
    """Return the rate and efficiency of a model, INT4 or INT8, 128 prompt and 128 new tokens."""
    job = Job(shape, weight_bits=bits, cache_bits=bits, head=head)
    found = evaluate(chip, chip.design, job)
    tokens = job.generated
    return Predicted(
        tokens / float(found.seconds[0]),
        tokens / float(found.chip_j[0]),
        tokens / float(found.chip_j[0] + found.dram_j[0]),
        sum(job.dram_bits(length) for length in job.lengths) / 8 / tokens,
        {name: float(part[0] / found.seconds[0]) for name, part in found.limited_s.items()},
        {
            name: float(part[0]) / tokens
            for name, part in (*found.components_j.items(), ("dram", found.dram_j))
        },
    )


def compare(chip: EdgeChip, *, bits: int = PUBLISHED_BITS) -> dict[str, Json]:
    """Return all models, the means, what the published means imply, and quoted devices.

    Parameters
    ----------
    chip
        The chip.
    bits
        Bits of weights and cache; the published figures are those of 4.

    Notes
    -----
    Implied by a mean rate r over models of b bytes a token: a bandwidth ``r / mean(1/b)``; by a
    mean efficiency e: an energy ``mean(1/(8 b)) / e`` for each bit of weights and cache, in which
    DRAM, buses, writes and MACs have to fit.
    """
    rows: list[Json] = []
    found: dict[bool, list[Predicted]] = {False: [], True: []}
    for name in MODELS:
        shape = model_shape(load_model(name))
        row: dict[str, Json] = {"model": name, "bits": bits}
        for head in (False, True):
            one = predict(chip, shape, bits, head=head)
            found[head].append(one)
            row["head_on" if head else "head_off"] = one.to_json()
        if bits == PUBLISHED_BITS:
            row["published"] = _published(name)
            row["implied"] = {
                ("head_on" if head else "head_off"): _implied_by(name, found[head][-1])
                for head in (False, True)
            }
        rows.append(row)
    record: dict[str, Json] = {
        "machine": chip.machine.name,
        "design": dict(chip.design.row(0)),
        "models": rows,
        "mean": {("head_on" if head else "head_off"): _mean(found[head]) for head in (False, True)},
        "real": {
            "peak_bytes_per_s": chip.dram.dram.bandwidth_bytes_per_s,
            "assumed_bytes_per_s": chip.dram_bytes_per_s,
            "bus_bytes_per_s": chip.buses["chip"].bandwidth_bytes_per_s("transfer"),
            "assumed_pj_per_bit": chip.dram.energy_pj("read") / 8,
            "lpddr5x_pj_per_bit": list(LPDDR5X_PJ_PER_BIT),
        },
        "mac_pj": dict(chip.tiles.energy_parts_pj(f"int{bits}")),
        "balance": _balance(chip, bits),
        "devices": _devices(rows) if bits == PUBLISHED_BITS else [],
    }
    if bits == PUBLISHED_BITS:
        record["published_mean"] = {
            "tokens_per_s": MEAN_TOKENS_PER_S,
            "tokens_per_j": MEAN_TOKENS_PER_J,
        }
        record["implied"] = {
            ("head_on" if head else "head_off"): _implied_by_means(found[head])
            for head in (False, True)
        }
    return record


def _balance(chip: EdgeChip, bits: int) -> dict[str, Json]:
    """Return how many macros must be written at a time to take what the memory gives.

    Notes
    -----
    ``N_active >= BW / (update bits per cycle * f)``.
    """
    tiles, macro = chip.tiles, chip.tiles.tiles.macro
    update_bits = macro.rows_written_per_cycle * macro.columns * bits
    rate = update_bits * 1e12 / chip.period_ps
    return {
        "active_macros": tiles.macros // tiles.tiles.tile_sets,
        "needed_macros": 8 * chip.dram_bytes_per_s / rate,
        "update_bits_per_cycle": update_bits,
        "clock_hz": 1e12 / chip.period_ps,
    }


def _published(name: str) -> dict[str, Json]:
    return {
        key: {"value": figures[name].value, "kind": figures[name].kind}
        for key, figures in (("tokens_per_s", TOKENS_PER_S), ("tokens_per_j", TOKENS_PER_J))
        if name in figures
    }


def _implied_by(name: str, predicted: Predicted) -> dict[str, Json]:
    """Return the bandwidth and energy that a model's published figures imply, bounds alike."""
    implied: dict[str, Json] = {}
    if name in TOKENS_PER_S:
        implied["bytes_per_s"] = TOKENS_PER_S[name].value * predicted.dram_bytes
    if name in TOKENS_PER_J:
        implied["pj_per_bit"] = _pj_per_bit(TOKENS_PER_J[name], predicted)
    return implied


def _pj_per_bit(figure: Figure, predicted: Predicted) -> float:
    return 1e12 / figure.value / (8 * predicted.dram_bytes)


def _mean(found: list[Predicted]) -> dict[str, Json]:
    return {
        "tokens_per_s": fmean(one.tokens_per_s for one in found),
        "chip_tokens_per_j": fmean(one.chip_tokens_per_j for one in found),
        "tokens_per_j": fmean(one.tokens_per_j for one in found),
    }


def _implied_by_means(found: list[Predicted]) -> dict[str, Json]:
    inverse = fmean(1 / one.dram_bytes for one in found)
    return {
        "bytes_per_s": MEAN_TOKENS_PER_S / inverse,
        "pj_per_bit": 1e12 * inverse / 8 / MEAN_TOKENS_PER_J,
    }


def _devices(rows: list[Json]) -> list[Json]:
    by_name: Mapping[str, dict[str, Json]] = {
        str(row["model"]): row for row in rows if isinstance(row, dict)
    }
    devices: list[Json] = []
    for device in DEVICES:
        ratios: dict[str, Json] = {}
        for head in ("head_off", "head_on"):
            one = by_name[device.model][head]
            assert isinstance(one, dict)
            rate = one["tokens_per_s"]
            assert isinstance(rate, float)
            ratios[head] = rate / device.tokens_per_s
        devices.append(
            {
                "device": device.name,
                "model": device.model,
                "tokens_per_s": device.tokens_per_s,
                "tokens_per_j": device.tokens_per_j,
                "ratio": ratios,
                "source": device.source,
            }
        )
    return devices
