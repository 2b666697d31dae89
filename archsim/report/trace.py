"""What ``trace`` and ``routing`` show to people; every number is one of their records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from archsim.report.layout import table

if TYPE_CHECKING:
    from rich.console import RenderableType

Record = Mapping[str, Any]


def render_requests(title: str, record: Record) -> RenderableType:
    """Return the report of a request trace, with the fitted profile beside it if there is one."""
    fitted: Record | None = record.get("fitted")
    columns = ["", ">trace"] if fitted is None else ["", ">trace", ">fitted"]
    grid = table(*columns)
    for name, value in rows(record).items():
        cells = [value]
        if fitted is not None:
            cells.append(rows(fitted).get(name, ""))
        grid.add_row(name, *cells)
    head = f"{title} · {record['requests']:,} requests"
    if fitted is not None:
        head += f" · fitted as {fitted['arrivals']['kind']}"
    return Group(Text(head, style="bold cyan"), Text(), grid)


def rows(record: Record) -> dict[str, str]:
    """Return ``{what: number}`` of a trace or a profile."""
    found = {} if record["arrivals"] is None else _arrivals(record["arrivals"])
    for side in ("prompt", "output"):
        for key, value in record[side].items():
            name = key if key == "mean" else f"{key[1:]} % up to"
            found[f"{side}: {name}"] = f"{value:,.5g}"
    found["correlation of lengths"] = f"{record['correlation']:.2f}"
    return found


def _arrivals(arrivals: Record) -> dict[str, str]:
    found = {}
    if "duration_s" in arrivals:
        found["duration"] = f"{arrivals['duration_s']:,.5g} s"
    found["rate"] = f"{arrivals['rate_per_s']:.4g} /s"
    found["gaps: deviation / mean"] = f"{arrivals['variation']:.3g}"
    if arrivals["stamp_s"]:
        found["stamps"] = f"multiples of {arrivals['stamp_s']:.4g} s"
    for item in arrivals["dispersion"]:
        found[f"counts in {item['window_s']:.3g} s: variance / mean"] = f"{item['value']:.3g}"
    return found


def render_routing(title: str, record: Record) -> RenderableType:
    """Return the report of a routing trace, one row a layer."""
    rows = record["by_layer"]
    policies, batches = list(rows[0]["hit_rates"]), list(rows[0]["coverage"])
    grid = table(
        ">layer",
        ">overlap",
        ">any",
        *(f">{name}" for name in policies),
        ">spread",
        *(f">by {number}" for number in batches),
    )
    for row in rows:
        shares = [row["overlap"], row["any"], *(row["hit_rates"][name] for name in policies)]
        cells = [f"{100 * share:.1f}" for share in shares]
        seen = [f"{100 * row['coverage'][number]:.1f}" for number in batches]
        grid.add_row(str(row["layer"]), *cells, f"{row['spread']:.2f}", *seen)
    head = (
        f"{title} · {record['tokens']:,} tokens · {record['active']} of {record['experts']} experts"
    )
    note = (
        f"in %: overlap, a token's experts that the one before has too; any, tokens with at least "
        f"one; {', '.join(policies)}, hit rate of {record['slots']} cached experts; by n, experts "
        "that n neighbours visit. spread: deviation of the logarithm of the counts"
    )
    return Group(Text(head, style="bold cyan"), Text(), grid, Text(), Text(note, style="dim"))
