"""What ``archsim pim run`` and ``archsim pim system`` print with ``--json``, for claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.validation.claim_file import ClaimRun

SHAPE: Final = (
    *("rows", "inner", "tokens", "head_size", "heads", "kv_heads", "requests"),
    "element_bytes",
)
"""Options of an operation."""


def system_numbers(run: ClaimRun) -> Json:
    """Return the record of a model on a system.

    Raises
    ------
    ConfigError
        Unknown names or bad options.
    """
    from archsim.pim.systems_options import CONTEXT, NEW_TOKENS, job_options
    from archsim.pim.systems_record import system_record

    options = run.options
    job = job_options(
        batch=options.batch,
        context=CONTEXT if options.context is None else options.context,
        new_tokens=NEW_TOKENS if options.new_tokens is None else options.new_tokens,
        slo=options.slo,
        continuous=options.continuous,
        spread=options.spread,
    )
    return system_record(
        run.config or "",
        run.model or "",
        job,
        precision=options.precision or "",
        overrides=options.set,
        baseline=options.baseline,
    )


def operation_numbers(run: ClaimRun) -> Json:
    """Return the record of an operation on a device.

    Raises
    ------
    ConfigError
        Unknown names or a shape that is not one.
    """
    from archsim.pim.device import load_device
    from archsim.pim.grid import make_operation
    from archsim.pim.operations import run_operation
    from archsim.pim.record import operation_record

    options = run.options
    if options.op is None:
        raise ConfigError("names no operation", given=run.config or "")
    if options.op == "product":
        return _product(run)
    device = load_device(run.config or "", options.set)
    given = {name: getattr(options, name) for name in SHAPE}
    operation = make_operation(
        options.op, {name: value for name, value in given.items() if value is not None}
    )
    return cast("Json", operation_record(device, operation, run_operation(device, operation)))


def _product(run: ClaimRun) -> Json:
    from archsim.pim.systems_file import load_system
    from archsim.pim.systems_product import Product, product_record

    options = run.options
    system, _ = load_system(run.config or "", options.set)
    shape = Product(
        options.rows or 1, options.inner or 1, options.columns or 1, options.element_bytes or 2
    )
    return product_record(system, shape, options.side or "pim")
