"""One operation on a memory that computes, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.console import Group
from rich.text import Text

from archsim.report.layout import bullets, facts, percent, quantity, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def render_pim(record: Mapping[str, object]) -> RenderableType:
    """Return the report of a feasible operation."""
    own = cast("Mapping[str, object]", record["pim"])
    share = cast("Mapping[str, float]", record["utilization"])["pim"]
    bandwidth = quantity(cast("float", own["bandwidth_bytes_per_s"]), "bandwidth")
    peak = quantity(cast("float", own["peak_bytes_per_s"]), "bandwidth")
    stored, have = cast("int", own["stored_bytes"]), cast("int", own["capacity_bytes"])
    padding = cast("int", own["padding_bytes"]) / cast("int", record["dram_bytes"])
    rows = [
        ("time", quantity(cast("float", record["latency_s"]), "time")),
        ("cycles", f"{cast('int', own['cycles']):,}"),
        ("bandwidth", f"{bandwidth} useful of {peak}, {percent(share)}"),
        ("padding", f"{percent(padding)} of the bytes moved"),
        ("stored", f"{quantity(stored, 'bytes')} of {quantity(have, 'bytes')}"),
    ]
    if record["energy_j"] is not None:
        energy = cast("float", record["energy_j"])
        moved = 8 * cast("int", own["useful_bytes"])
        rows.append(("energy", quantity(energy, "energy")))
        rows.append(("useful bit", f"{energy / moved * 1e12:.3g} pJ"))
        rows.append(("power", quantity(cast("float", record["power_w"]), "power")))
    grid = table("command", ">of one stack")
    for name, count in cast("Mapping[str, int]", own["commands"]).items():
        grid.add_row(name, f"{count:,}")
    parts: list[RenderableType] = [
        Text(str(own["device"]), style="bold") + Text(f"  {own['stacks']} × stack"),
        Text(),
        facts(rows),
        Text(),
        grid,
    ]
    if record["energy"] is not None:
        spent = table("energy for", ">of all stacks", ">share")
        component = cast("Mapping[str, Mapping[str, float]]", record["energy"])["component"]
        for name, value in component.items():
            if value:
                spent.add_row(name, quantity(value, "energy"), percent(value / energy))
        parts += [Text(), spent]
    return Group(*parts, Text(), bullets(cast("list[str]", record["assumptions"])))
