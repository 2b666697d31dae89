"""Small bound components for tests."""

from __future__ import annotations

from archsim.components.base import BindContext, Clock, Technology
from archsim.components.dma import Dma
from archsim.components.dram import Dram
from archsim.components.link import Link
from archsim.components.sram import Sram
from archsim.components.systolic_array import SystolicArray
from archsim.components.vector_unit import VectorUnit
from archsim.cost.loader import load_table
from archsim.units import period_ps

FREQUENCIES_HZ = {"core": 940e6, "memory": 1.2e9}
KINDS = {
    "systolic-array": SystolicArray,
    "vector-unit": VectorUnit,
    "sram": Sram,
    "dram": Dram,
    "dma": Dma,
    "link": Link,
}
CONFIGS = {
    "array": {
        "kind": "systolic-array",
        "clock": "core",
        "rows": 128,
        "columns": 128,
        "weight_load": "shadow",
        "output_register": 1,
        "macs_per_cycle": {"bf16": 1, "int8": 2},
    },
    "vector": {
        "kind": "vector-unit",
        "clock": "core",
        "lanes": 1024,
        "cycles_per_operation": {"add": 1, "mul": 1, "max": 1, "exp": 6, "div": 4},
        "pipeline_cycles": 8,
    },
    "buffer": {
        "kind": "sram",
        "clock": "core",
        "capacity": "16 MiB",
        "banks": 32,
        "read_width": "64 B",
        "write_width": "32 B",
        "access_cycles": 4,
    },
    "dram": {
        "kind": "dram",
        "clock": "memory",
        "standard": "hbm2e",
        "capacity": "16 GiB",
        "bandwidth": "614 GB/s",
        "efficiency": 0.925,
        "latency": "120 ns",
        "interfaces": 2,
    },
    "mover": {
        "kind": "dma",
        "clock": "core",
        "width": "512 B",
        "setup_cycles": 20,
        "max_descriptor": "64 KiB",
    },
    "wire": {
        "kind": "link",
        "clock": "memory",
        "bandwidth": "50 GB/s",
        "latency": "500 ns",
        "energy_per_bit": "8 pJ",
    },
}


def context(name, *, table=None, node_nm=7.0, supply_v=0.75):
    """Return a bind context with two clock domains."""
    clocks = {key: Clock(value, period_ps(value)) for key, value in FREQUENCIES_HZ.items()}
    table = load_table("default") if table is None else table
    return BindContext(name, clocks, Technology(node_nm, supply_v), table)


def model(name, **changes):
    """Return the configuration of a sample, changed."""
    data = {**CONFIGS[name], **changes}
    return KINDS[data["kind"]].model_validate(data)


def bound(name, *, changes=None, **keys):
    """Return a bound sample."""
    return model(name, **(changes or {})).bind(context(name, **keys))


def lookup(path):
    """Return the value of a configuration path of the samples, in base units."""
    root, section, *rest = path.split(".")
    assert root == "hardware"
    if section == "clocks":
        return FREQUENCIES_HZ[rest[0]]
    name, key = rest
    for field, info in type(model(name)).model_fields.items():
        if (info.alias or field) == key:
            return float(getattr(model(name), field))
    raise KeyError(path)
