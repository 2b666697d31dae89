"""The commands ``check``, ``show`` and ``schema``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.cli.output import (
    check_writable,
    json_text,
    print_json,
    print_report,
    print_text,
    write_file,
)
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.config.document import Document

SCHEMAS: Final = ("hardware", "memory", "workload", "claims", "result")


def check(path: Path, *, as_json: bool) -> int:
    """Check a file, say what it is and how well its numbers are sourced; return the exit code.

    Raises
    ------
    ConfigError
        What is wrong with it, with file, line and column.
    """
    from archsim.report.provenance import numbers_of

    kind, name, document = _examine(path)
    record: dict[str, object] = {"file": str(path), "kind": kind, "name": name, "ok": True}
    line = f"{path}: a valid {kind} file, '{name}'"
    if document is not None:
        unsourced = list(document.unsourced())
        estimates = sorted(document.estimates)
        record |= {
            "numbers": len(numbers_of(document)),
            "unsourced": unsourced,
            "estimates": estimates,
        }
        line += f"; {record['numbers']} numbers, {len(unsourced)} without a source"
        line += "".join(f"\n  no source: {item}" for item in unsourced)
    if as_json:
        print_json(record)
    else:
        print_text(line + "\n")
    return 0


def _examine(path: Path) -> tuple[str, str, Document | None]:
    """Return kind, name and (for YAML with sources) the document of a file that is valid."""
    if path.suffix.lower() == ".json":
        from archsim.cli.simulation import read_result

        result = read_result(path)
        return "result", f"{result.subject('hardware')} · {result.subject('workload')}", None
    from archsim.config.document import load_document

    keys = load_document(path, kind="hardware", sources=False).data
    if "cases" in keys:
        from archsim.validation.claim_file import load_claims

        _, claims = load_claims(path)
        return "claims", f"{len(claims.cases)} cases", None
    if "components" in keys or "levels" in keys:
        from archsim.machine import load_hardware

        machine = load_hardware(path)
        return "hardware", machine.name, load_document(path, kind="hardware")
    if "timings" in keys:
        from archsim.dram.memory import load_memory

        memory = load_memory(str(path.absolute()))
        return "memory", memory.standard.name, memory.document
    from workloads import load_model

    model = load_model(path)
    return "workload", model.name, load_document(path, kind="workload")


def show(name: str, overrides: Sequence[str], *, output: Path | None, as_json: bool) -> int:
    """Show a machine or a model as it is after `extends`, arithmetic and overrides."""
    from archsim.report.provenance import render_document

    check_writable(output)
    kind = _kind_of(name)
    document = _valid_document(name, kind, overrides)
    record = {
        kind: document.data,
        "sources": dict(sorted(document.sources.items())),
        "estimates": {path: list(ends) for path, ends in sorted(document.estimates.items())},
        "files": [Path(file).name for file in document.files],
        "content_hash": document.content_hash,
    }
    if output is not None:
        write_file(output, json_text(record) if as_json else document.to_yaml())
    if as_json:
        print_json(record)
    else:
        print_report(render_document(document))
    return 0


def _kind_of(name: str) -> str:
    """Return whether a name is a machine or a model; a path is judged by its keys."""
    from archsim import registry
    from archsim.config.document import load_document

    if "/" in name or name.endswith((".yaml", ".yml")):
        keys = load_document(name, kind="hardware", sources=False).data
        if "timings" in keys:
            return "memory"
        return "hardware" if "components" in keys or "levels" in keys else "workload"
    machines, models = registry.hardware.names(), registry.workloads.names()
    if name in machines:
        return "hardware"
    if name in models:
        return "workload"
    if name in registry.memory.yaml_names():
        return "memory"
    raise ConfigError(
        "unknown machine or model",
        given=name,
        allowed=machines,
        hint=nearest(name, [*machines, *models]),
    )


def _valid_document(name: str, kind: str, overrides: Sequence[str]) -> Document:
    """Return the resolved document of a machine or model that is valid."""
    from archsim.config.document import load_document
    from archsim.config.overrides import apply_overrides
    from archsim.config.schema import key_paths

    if kind == "hardware":
        from archsim.machine import load_hardware

        machine = load_hardware(name, overrides=tuple(overrides))
        return machine.document or load_document(name, kind=kind)
    if kind == "memory":
        from archsim.dram.memory import load_memory

        return load_memory(name, overrides).document
    from workloads import load_model
    from workloads.model import ModelConfig

    load_model(name, overrides=tuple(overrides))
    document = load_document(name, kind=kind)
    return apply_overrides(document, overrides, known=key_paths(ModelConfig, kind))


def schema(what: str, *, output: Path | None) -> int:
    """Print the JSON Schema of a kind of file."""
    check_writable(output)
    record = _schema(what)
    if output is not None:
        write_file(output, json_text(record))
    print_json(record)
    return 0


def _schema(what: str) -> dict[str, object]:
    if what == "result":
        from archsim.results.schema import result_schema

        return result_schema()
    from archsim.config.jsonschema import registered_components, schema_for

    if what == "hardware":
        from archsim.machine_config import MachineConfig

        return schema_for(
            MachineConfig,
            title="archsim hardware",
            components_key="components",
            components=registered_components(),
        )
    if what == "memory":
        from archsim.dram.controller import MemoryConfig

        return schema_for(MemoryConfig, title="archsim memory")
    if what == "workload":
        from workloads.model import ModelConfig

        return schema_for(ModelConfig, title="archsim workload")
    if what == "claims":
        from archsim.validation.claim_file import ClaimFile

        return schema_for(ClaimFile, title="archsim claims", documents=False)
    raise ConfigError(
        "there is no such schema", given=what, allowed=SCHEMAS, hint=nearest(what, SCHEMAS)
    )
