"""The command ``pim system``: a system with computing memories serves a language model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsim.mapping import Json

INFEASIBLE: Final = 3

System = Annotated[
    str, typer.Argument(metavar="SYSTEM", help="Id (see list systems) or YAML file.")
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Id (see list models) or YAML file.")]


Batch = Annotated[
    int | None, typer.Option(help="Requests of a pipeline stage; default: as many as fit.")
]
Context = Annotated[
    int, typer.Option("--context", "--input", help="Prompt of each request, tokens.")
]
NewTokens = Annotated[
    int, typer.Option("--new-tokens", "--output-tokens", help="New tokens of each request.")
]
Slo = Annotated[
    str | None, typer.Option(metavar="TIME", help="Longest time between tokens, e.g. 30ms.")
]
Requests = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV with a column tokens: the prompt of each request."),
]
Continuous = Annotated[
    bool, typer.Option("--continuous", help="Requests join one by one, prompts beside decoding.")
]
Spread = Annotated[
    str, typer.Option(help="Prompts: equal, or exponential with --context as their mean.")
]
Deal = Annotated[
    str | None, typer.Option(help="Heads or requests to channels: round-robin or longest-first.")
]
Precision = Annotated[
    str, typer.Option(help="Number formats, e.g. weights=int8,kv=int8; else FP16.")
]
Baseline = Annotated[
    str | None,
    typer.Option(help="System to compare with; without-pim: the same processors alone."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="e.g. hardware.pim.stacks=20."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it as JSON.")
]


def system(
    name: System,
    model: Model,
    batch: Batch = None,
    context: Context = 2048,
    new_tokens: NewTokens = 128,
    slo: Slo = None,
    requests: Requests = None,
    continuous: Continuous = False,
    spread: Spread = "equal",
    deal: Deal = None,
    precision: Precision = "",
    baseline: Baseline = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    output: Output = None,
) -> int:
    """Serve a model: largest batch, tokens/s, step by part, energy; exit 3 if it does not fit."""
    from archsim.cli.output import check_writable, json_text, print_error, print_json, write_file
    from archsim.cli.progress import progress_bar
    from archsim.pim.systems_options import job_options
    from archsim.pim.systems_record import system_record

    check_writable(output)
    job = job_options(
        batch=batch,
        context=context,
        new_tokens=new_tokens,
        slo=slo,
        requests=requests,
        continuous=continuous,
        spread=spread,
    )
    chosen = [*(overrides or []), *([] if deal is None else [f"hardware.homes.deal={deal}"])]
    with progress_bar("steps") as report:
        record = system_record(
            *(name, model, job),
            precision=precision,
            overrides=tuple(chosen),
            baseline=baseline,
            report=report,
        )
    if output is not None:
        write_file(output, json_text(record))
    if as_json:
        print_json(record)
    elif record["feasible"]:
        from archsim.cli.output import print_report
        from archsim.report.pim_system import render_system

        print_report(render_system(name, model, record))
    reason = _refusal(name, record)
    if reason is not None:
        print_error(f"infeasible: {reason}")
        return INFEASIBLE
    return 0


def _refusal(name: str, record: Mapping[str, Json]) -> str | None:
    """Return what is missing where the system or its baseline cannot do it."""
    for found in (record, cast("Mapping[str, Json]", record.get("baseline") or {})):
        lacking = cast("Mapping[str, Json] | None", found.get("infeasible"))
        if lacking is not None:
            return (
                f"{found.get('system', name)}: {lacking['resource']} needs {lacking['need']:,}"
                f" {lacking['unit']}, has {lacking['have']:,} ({lacking['detail']})"
            )
    return None


def product(
    name: System,
    rows: Annotated[int, typer.Option(help="Rows of the matrix in memory.")],
    inner: Annotated[int, typer.Option(help="Elements of a vector.")],
    columns: Annotated[int, typer.Option(help="Vectors.")] = 1,
    side: Annotated[str, typer.Option(help="pim or xpu.")] = "pim",
    element_bytes: Annotated[int, typer.Option(help="Bytes of an element.")] = 2,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> int:
    """Multiply a matrix with some vectors on one side of a system: time, energy, energy x delay."""
    from archsim.cli.output import print_json
    from archsim.errors import ConfigError
    from archsim.pim.systems_file import load_system
    from archsim.pim.systems_product import Product, product_record
    from archsim.report.layout import quantity

    for option, value in (
        *(("--rows", rows), ("--inner", inner), ("--columns", columns)),
        ("--element-bytes", element_bytes),
    ):
        if not 1 <= value <= 2**31:
            raise ConfigError("is out of range", path=option, given=value, allowed="1 to 2^31")
    found, _ = load_system(name, overrides or [])
    record = product_record(found, Product(rows, inner, columns, element_bytes), side)
    if as_json:
        print_json(record)
        return 0
    seconds, joules, both = (
        cast("float", record[key]) for key in ("latency_s", "energy_j", "energy_delay_js")
    )
    typer.echo(
        f"{quantity(seconds, 'time')}, {quantity(joules, 'energy')}, {both:.4g} J s"
        f" at {record['ops_per_byte']:.4g} operations a byte on {side} of {found.name}"
    )
    return 0
