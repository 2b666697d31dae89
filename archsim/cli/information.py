"""The command ``list`` and the option ``--version``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from archsim.cli.output import print_json, print_report, print_text
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.registry import Registry

KINDS: Final = (
    *("hardware", "memories", "models", "mappers", "components", "suites", "benches"),
    *("figures", "pim", "systems"),
)


class Listing(NamedTuple):
    """Columns (a leading ``>`` aligns to the right); of each item, its record and row; a note."""

    columns: tuple[str, ...]
    records: list[dict[str, object]]
    rows: list[list[str]]
    note: str = ""


def print_version() -> None:
    """Print the program's name and version."""
    from importlib.metadata import version

    print_text(f"archsim {version('archsim')}\n")


def listing(what: str, *, as_json: bool) -> int:
    """Print the installed items of a kind; return the exit code.

    Raises
    ------
    ConfigError
        There is no such kind, or an installed plug-in is broken.
    """
    if what not in KINDS:
        raise ConfigError("cannot be listed", given=what, allowed=KINDS, hint=nearest(what, KINDS))
    found = _LISTERS[what]()
    if as_json:
        print_json({what: found.records})
    else:
        from archsim.report.comparison import render_listing

        print_report(render_listing(found.columns, found.rows))
        if found.note:
            print_text(f"{found.note}\n")
    return 0


def _hardware() -> Listing:
    from archsim.machine import load_hardware
    from archsim.registry import hardware
    from archsim.report.layout import quantity

    records: list[dict[str, object]] = []
    rows = []
    files = hardware.yaml_names()
    for name in hardware.names():
        family = hardware.find_yaml(name).parent.name if name in files else "made"
        try:
            machine = load_hardware(name)
        except ConfigError as error:
            records.append({"name": name, "family": family, "error": str(error)})
            rows.append([name, family, "", "", "", f"broken: {error}"])
            continue
        unit, peak = machine.peak_macs_per_s("bf16")
        memory = machine.component(machine.outermost)
        capacity, bandwidth = memory.capacity_bytes(), memory.bandwidth_bytes_per_s("read")
        records.append(
            {
                "name": name,
                "family": family,
                "peak_unit": unit,
                "peak_bf16_macs_per_s": peak,
                "capacity_bytes": capacity,
                "bandwidth_bytes_per_s": bandwidth,
                "levels": list(machine.levels),
            }
        )
        shown = "unbounded" if capacity is None else quantity(capacity, "bytes")
        levels = " > ".join(machine.levels)
        rate = quantity(bandwidth, "bandwidth")
        flops = f"{2 * peak / 1e12:.4g}" if peak else "–"
        rows.append([name, family, flops, shown, rate, levels])
    columns = ("machine", "family", ">bf16 TFLOPS", ">memory", ">bandwidth", "memory levels")
    return Listing(columns, records, rows)


def _memories() -> Listing:
    from archsim.dram.standard import load_standard
    from archsim.registry import memory
    from archsim.report.layout import quantity

    records: list[dict[str, object]] = []
    rows = []
    for name in memory.yaml_names():
        try:
            standard = load_standard(name)
        except ConfigError as error:
            records.append({"name": name, "error": str(error)})
            rows.append([name, "", "", "", "", f"broken: {error}"])
            continue
        records.append(
            {
                "name": name,
                "family": standard.family,
                "peak_bytes_per_s": standard.peak_bytes_per_s,
                "capacity_bytes": standard.capacity_bytes,
                "clock_ps": standard.clock_ps,
                "banks": standard.num_banks,
                "mark": standard.mark,
            }
        )
        peak = quantity(standard.peak_bytes_per_s, "bandwidth")
        capacity = quantity(standard.capacity_bytes, "bytes")
        row = [name, standard.family, peak, capacity, str(standard.num_banks), standard.mark]
        rows.append(row)
    columns = ("memory", "family", ">peak", ">capacity", ">banks", "numbers")
    return Listing(columns, records, rows, "of one channel")


def _models() -> Listing:
    from archsim.registry import workloads
    from archsim.report.layout import count as prefixed
    from workloads import load_workload

    records: list[dict[str, object]] = []
    rows = []
    for name in workloads.names():
        try:
            # One position with empty caches: what every token takes beside looking back.
            workload = load_workload(name, context=1)
        except ConfigError as error:
            records.append({"name": name, "error": str(error)})
            rows.append([name, "", "", "", "", f"broken: {error}"])
            continue
        model, count, macs = workload.model, workload.num_parameters(), workload.macs()
        cache = workload.kv_bytes_per_token
        layers = model.layers + model.encoder_layers
        records.append(
            {
                "name": name,
                "parameters": count,
                "active_parameters": workload.active_parameters(),
                "layers": layers,
                "kv_bytes_per_token": cache,
                "macs_per_token": macs,
                "family": model.family,
            }
        )
        shown = f"{cache / 2**10:,.5g} KiB" if cache else "–"
        active = prefixed(workload.active_parameters())
        rows.append([name, f"{count:,}", active, str(layers), shown, prefixed(macs)])
    columns = ("model", ">parameters", ">active", ">layers", ">KV/token", ">MACs/token")
    note = "active: parameters that one token visits; KV/token in bf16; MACs/token without a past"
    return Listing(columns, records, rows, note)


def _mappers() -> Listing:
    from archsim.registry import mappers

    return _plugins(mappers, "mapper", "maps", _classes)


def _components() -> Listing:
    from archsim.registry import components

    return _plugins(components, "component", "description", _first_line)


def _suites() -> Listing:
    from archsim.registry import suites

    return _plugins(suites, "suite", "compares", lambda suite: str(getattr(suite, "title", "")))


def _benches() -> Listing:
    from archsim.registry import benches

    return _plugins(benches, "bench", "measures", _first_line)


def _figures() -> Listing:
    from archsim.registry import figures

    return _plugins(figures, "figure", "shows", lambda figure: str(getattr(figure, "title", "")))


def _pim() -> Listing:
    from archsim.pim.device import load_device
    from archsim.pim.operations import peak_bytes_per_s
    from archsim.registry import pim
    from archsim.report.layout import quantity

    records: list[dict[str, object]] = []
    rows = []
    for name in pim.yaml_names():
        try:
            device = load_device(name)
        except ConfigError as error:
            records.append({"name": name, "error": str(error)})
            rows.append([name, "", "", "", "", f"broken: {error}"])
            continue
        rate, standard = peak_bytes_per_s(device), device.standard
        records.append(
            {
                "name": name,
                "family": standard.family,
                "placement": device.unit.placement,
                "internal_bytes_per_s": rate,
                "external_bytes_per_s": standard.peak_bytes_per_s * device.channels,
                "capacity_bytes": device.stack_bytes,
                "mark": standard.mark,
            }
        )
        shown, room = quantity(rate, "bandwidth"), quantity(device.stack_bytes, "bytes")
        channels = str(device.channels)
        rows.append([name, device.unit.placement, channels, shown, room, standard.mark])
    columns = ("device", "unit at each", ">channels", ">internal bandwidth", ">capacity", "numbers")
    return Listing(columns, records, rows, "of one stack or package; MACs without gaps")


def _systems() -> Listing:
    from archsim.pim.systems import room
    from archsim.pim.systems_file import SYSTEMS, load_system
    from archsim.pim.systems_model import NOTHING
    from archsim.report.layout import quantity

    records: list[dict[str, object]] = []
    rows = []
    for name in SYSTEMS.yaml_names():
        system, _ = load_system(name)
        xpus = 0 if system.xpu is None else system.xpu.count
        stacks = 0 if system.pim is None else system.pim.stacks
        rate = 0.0 if system.pim is None else stacks * system.pim.bandwidth_bytes_per_s
        capacity = room(system, NOTHING).cache_bytes
        records.append(
            {
                "name": name,
                "processors": xpus,
                "stacks": stacks,
                "internal_bytes_per_s": rate,
                "cache_capacity_bytes": capacity,
            }
        )
        shown = quantity(rate, "bandwidth") if rate else "–"
        rows.append([name, str(xpus), str(stacks), shown, quantity(capacity, "bytes")])
    columns = ("system", ">processors", ">stacks", ">internal bandwidth", ">capacity")
    return Listing(columns, records, rows, "capacity: weights and caches, or caches alone")


def _plugins(
    registry: Registry, title: str, subtitle: str, describe: Callable[[object], str]
) -> Listing:
    """List the objects of a registry; one that cannot be loaded says so instead of hiding all."""
    records: list[dict[str, object]] = []
    rows = []
    for name in registry.names():
        try:
            text = describe(registry.get(name))
            records.append({"name": name, "description": text})
        except ConfigError as error:
            text = f"broken: {error}"
            records.append({"name": name, "error": str(error)})
        rows.append([name, text])
    return Listing((title, subtitle), records, rows)


def _classes(mapper: object) -> str:
    return ", ".join(sorted(getattr(mapper, "classes", ())))


def _first_line(item: object) -> str:
    text = (getattr(item, "__doc__", None) or "").strip()
    return text.splitlines()[0] if text else ""


_LISTERS: Final = {
    "hardware": _hardware,
    "memories": _memories,
    "models": _models,
    "mappers": _mappers,
    "components": _components,
    "suites": _suites,
    "benches": _benches,
    "figures": _figures,
    "pim": _pim,
    "systems": _systems,
}
