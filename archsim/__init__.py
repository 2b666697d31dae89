"""archsim: accelerator-architecture simulator for transformer inference.

Hardware YAML and a model go in; latency, energy, area, and what limits them come out::

    import archsim

    result = archsim.simulate("tpu-v4i", "llama3.2-1b", phase="decode", context=1024)
    print(result)

`load_hardware` and `load_workload` give the objects that `simulate` also takes. Nothing heavy is
imported before one of these names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.composition import simulate
    from archsim.machine import Machine, load_hardware
    from archsim.results import Result
    from workloads import Workload, load_workload

__version__ = "0.1.0"

_HOMES = {
    "Machine": "archsim.machine",
    "Result": "archsim.results",
    "Workload": "workloads",
    "load_hardware": "archsim.machine",
    "load_workload": "workloads",
    "simulate": "archsim.composition",
}

__all__ = [
    "Machine",
    "Result",
    "Workload",
    "__version__",
    "load_hardware",
    "load_workload",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'archsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
