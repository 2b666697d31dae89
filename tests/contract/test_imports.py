"""Who may import whom: floors, ground first; every module imports only its own floor and below."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.contract.source import module_of, modules

FLOORS = (
    {"errors", "units", "expression", "numberformat", "registry", "config", "lazy_kernel"},
    {"program"},
    {"cost", "engine"},
    {"dram"},
    {"components", "results", "mapping", "cim", "gpu", "pim"},
    {"machine", "machine_checks", "machine_config"},
    {
        *("edgecim", "fragments", "residency", "capacity", "roofline"),
        *("mapped_model", "mapping_cache"),
        *("accounting", "run_config", "run_record", "composition", "request"),
        *("command_rung", "command_transfer"),
        *("explanation", "timeline_export", "timeline_counters", "trace_events"),
        *("resident_tiles", "allocated_room", "parallel", "operator_use"),
    },
    {"report", "validation", "bench", "measure"},
    {"figures"},
    {"cli"},
)
"""Parts of archsim by floor. What only types name may stand higher: it is not needed to run."""

LOADER = {"config", "errors", "expression", "numberformat", "registry", "units"}
"""What workloads may see of archsim."""

CONTRACTS = {
    *("errors", "units", "expression", "numberformat", "config", "program", "cost"),
    *("components", "mapping", "machine", "gpu", "registry"),
}
"""What mappers may see of archsim: contracts, and never the engine."""

MAX_HELP_CPU_S = 0.3

HEAVY = {"numpy", "numba", "pydantic", "yaml", "matplotlib", "networkx", "rich"}


def part(name: str) -> str:
    """Return the part of archsim that a module belongs to, or the package for the others."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] if package == "archsim" else package


def edges(*kinds: str):
    """Return (importer, imported, dotted name) for imports of our own modules."""
    return [
        (module.name, target, name)
        for module in modules().values()
        for name, when in module.imports()
        if when in kinds and (target := module_of(name)) is not None and target != module.name
    ]


def floor_of(name: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if part(name) in floor)


def test_every_part_has_a_floor():
    known = set().union(*FLOORS)
    for name in modules():
        if name.startswith("archsim."):
            assert part(name) in known, f"give {name} a floor in DESIGN.md and here"


def test_archsim_imports_downwards():
    wrong = [
        f"{importer} imports {name}"
        for importer, target, name in edges("load", "call")
        if importer.startswith("archsim.")
        and target.startswith("archsim.")
        and floor_of(target) > floor_of(importer)
    ]
    assert wrong == []


def test_workloads_know_only_the_loader():
    for importer, target, name in edges("load", "call", "types"):
        if importer.partition(".")[0] == "workloads" and target.startswith("archsim"):
            assert part(target) in LOADER, f"{importer} imports {name}"
        if importer.partition(".")[0] == "workloads":
            assert part(target) not in ("mappers", "hw_configs"), f"{importer} imports {name}"


def test_mappers_know_only_contracts():
    for importer, target, name in edges("load", "call", "types"):
        if importer.partition(".")[0] == "mappers" and target.startswith("archsim"):
            assert part(target) in CONTRACTS, f"{importer} imports {name}"


def test_archsim_never_imports_mappers():
    for importer, target, name in edges("load", "call", "types"):
        if importer.partition(".")[0] in ("archsim", "workloads", "hw_configs"):
            assert part(target) != "mappers", f"{importer} imports {name}"


def test_hardware_files_are_data_alone():
    assert all(
        module.imports() == [] for name, module in modules().items() if part(name) == "hw_configs"
    )


def test_nothing_is_imported_relatively():
    for module in modules().values():
        assert "relative" not in {name for name, _ in module.imports()}, module.name


def test_no_cycle_of_imports_at_load_time():
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for importer, target, _ in edges("load"):
        graph[importer].add(target)
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join([*above[above.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*above, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def loaded_by(*arguments: str) -> set[str]:
    code = "import sys; exec(sys.argv[1]); print('loaded:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


HELP = """
from archsim.cli import main
main(["--help"])
"""


@pytest.mark.parametrize("statement", ["import archsim", "import archsim.cli", HELP])
def test_neither_import_nor_help_loads_anything_heavy(statement):
    allowed = {"rich"} if statement == HELP else set()
    assert not loaded_by(statement) & (HEAVY - allowed)


@pytest.mark.parametrize("package", ["archsim", "mappers", "workloads", "hw_configs"])
def test_packages_are_lazy(package):
    assert not loaded_by(f"import {package}") & {"numpy", "numba", "matplotlib"}


def test_help_is_quick():
    def cpu_s() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    times = []
    for _ in range(3):
        before = cpu_s()
        loaded_by(HELP)
        times.append(cpu_s() - before)
    assert min(times) <= MAX_HELP_CPU_S
