"""The command ``calibrate``: fit constants to measurements and say how well they hold elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.validation.gpu_calibration import Fit

commands = typer.Typer(
    help="Fit the constants of a model to measurements.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.callback()
def calibrate() -> None:
    """Fit the constants of a model to measurements."""


@commands.command()
def gpu(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with the measured operators.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Write the constants, as YAML."),
    ] = None,
    across: Annotated[
        bool,
        typer.Option("--across", help="Also predict each GPU from the constants of all others."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
) -> int:
    """Fit GPU constants to two thirds of the measured shapes; score them on the last third."""
    from archsim.cli.output import print_json, print_report
    from archsim.errors import ConfigError
    from archsim.gpu.constants import BANDS
    from archsim.validation.gpu_bands import fit_bands, write_bands
    from archsim.validation.gpu_calibration import calibrate as fit_all
    from archsim.validation.gpu_calibration import leave_one_out, write_records
    from archsim.validation.gpu_rows import read_measurements

    if output is not None and not output.is_dir():
        raise ConfigError(
            "there is no such folder", path="-o", given=str(output), allowed="a folder"
        )
    rows = read_measurements(data).measured
    fits = fit_all(rows)
    if output is not None:
        records = [fit.record for fit in fits]
        write_records(records, output)
        write_bands(fit_bands(rows, records), output / BANDS)
    unseen = leave_one_out(rows, [fit.record for fit in fits]) if across else []
    record: dict[str, Json] = {
        "calibration": "gpu",
        "records": [_record(fit) for fit in fits],
        "across": [dict(item) for item in unseen],
    }
    if as_json:
        print_json(record)
    else:
        from archsim.report.calibration import render_calibration

        print_report(render_calibration(record))
    return 0


def _record(fit: Fit) -> dict[str, Json]:
    found = fit.record
    return {
        "family": found.family,
        "architecture": found.architecture,
        "library": found.library,
        "version": found.version,
        "format": found.format,
        "variant": found.variant,
        "gpus": list(found.gpus),
        "rows": found.rows,
        "held_rows": fit.held_rows,
        "fitted_mape_percent": fit.fitted_mape_percent,
        "held_mape_percent": fit.held_mape_percent,
        "values": dict(found.values),
    }
