"""Names of GPUs and of libraries as measurements write them, and our ids of them."""

from __future__ import annotations

import re
from typing import Final

ALIASES: Final = {
    "a100-80g-sxm": (
        "A100-SXM-80GB",
        "A100-SXM4-80GB",
        "A100-SXM",
        "A100-80GB",
        "A100",
        "DGX-A100",
    ),
    "a100-40g-sxm": ("A100-SXM-40GB", "A100-SXM4-40GB", "A100-40GB"),
    "a100-80g-pcie": ("A100-PCIe-80GB", "A100-80GB-PCIe"),
    "a100-40g-pcie": ("A100-PCIe-40GB", "A100-PCIe"),
    "a40": ("A40-48GB", "A40-PCIe"),
    "a6000": ("RTX-A6000", "A6000-48GB"),
    "h100-sxm": (
        *("H100-SXM-80GB", "H100-SXM5", "H100-SXM5-80GB", "H100-80GB", "H100-80GB-HBM3", "H100"),
        "DGX-H100",
    ),
    "h100-pcie": ("H100-PCIe-80GB",),
    "h200-sxm": ("H200", "H200-SXM-141GB", "H200-141GB", "DGX-H200"),
    "gh200": ("GH200-96GB", "GH200-SXM", "GH200-480GB"),
    "b200-sxm": ("B200", "B200-SXM-180GB", "B200-SXM-192GB", "B200-180GB", "DGX-B200"),
    "gb200": ("GB200-SXM", "GB200-NVL72"),
    "b300-sxm": ("B300", "B300-SXM-288GB"),
    "gb300": ("GB300-SXM", "GB300-NVL72"),
    "h20": ("H20-SXM", "H20-96GB"),
    "a30": ("A30-PCIe", "A30-24GB"),
    "a10": ("A10-24GB", "A10-PCIe"),
    "rtx-5090": ("RTX5090", "GeForce-RTX-5090"),
    "l40s": ("L40S-48GB",),
    "l4": ("L4-24GB",),
    "t4": ("T4-16GB",),
    "v100": ("V100-PCIe-32GB", "V100-PCIe", "V100-32GB", "V100-PCIe-16GB"),
    "p100": ("P100-PCIe", "P100-PCIe-16GB"),
    "p4": ("P4-8GB",),
    "rtx-3090": ("RTX3090", "GeForce-RTX-3090"),
    "rtx-4070": ("RTX4070", "GeForce-RTX-4070"),
    "rtx-4090": ("RTX4090", "GeForce-RTX-4090"),
    "rtx-pro-6000": ("RTX-PRO-6000-Blackwell", "RTXPRO6000", "RTX-PRO-6000-Workstation"),
    "rtx-pro-6000-server": ("RTX-PRO-6000-Server", "RTX-PRO-6000-Blackwell-Server"),
    "orin-nano": ("Jetson-Orin-Nano", "Orin-Nano-8GB"),
    "mi100": ("AMD-MI100", "Instinct-MI100"),
    "mi210": ("AMD-MI210", "Instinct-MI210"),
    "mi250": ("AMD-MI250", "Instinct-MI250", "MI250X"),
    "mi300x": ("AMD-MI300X", "Instinct-MI300X"),
    "tpu-v6e": ("TPUv6e", "TPU-v6e", "Trillium"),
}
"""Other names of each id; letters' case, blanks and punctuation do not count."""

_SOURCE = re.compile(r"^(?:[a-z]+:)?(?P<library>[A-Za-z_]+?)-(?P<version>\d[\w.]*)$")


_PART = re.compile(r"^[a-z]{1,3}\d+[a-z]?_")
"""Name of a part before that of a machine: ``a100_dgx``."""


def _plain(name: str) -> str:
    text = re.sub(r"[^a-z0-9]", "", name.lower())
    return text.removeprefix("nvidia").removeprefix("tesla")


_IDS: Final = {
    _plain(alias): name for name, aliases in ALIASES.items() for alias in (name, *aliases)
}


def gpu_id(name: str) -> str | None:
    """Return the id of a GPU named in a measurement; None if it is not known."""
    return _IDS.get(_plain(name))


def library_of(source: str) -> tuple[str, str]:
    """Split the name of a source into library and version.

    Examples
    --------
    >>> library_of("aic:vllm-0.14.0"), library_of("vidur")
    (('vllm', '0.14.0'), ('vidur', ''))
    """
    found = _SOURCE.match(source.strip())
    return (found["library"], found["version"]) if found else (source.strip(), "")


VECTOR_KIN: Final = {"copy": "add", "silu": "gelu"}
"""Vector operators that no measurement names, and the one whose kernel is most like theirs."""


def variant_of(
    op: str,
    family: str,
    *,
    kernel: str = "",
    ranks: float = 0.0,
    library: str = "",
    dtype: str = "",
    topology: str = "",
) -> str:
    """Return what tells kernels of a family apart, for constants.

    A vector operator is its own variant (the norm after the last layer another); a collective is
    one with the library call that made it and with what joins its ranks (that is the `topology` of
    the link, where they meet on the peripheral bus); attention of FlashInfer is
    told from all other, and TensorRT-LLM decodes an fp8 cache with kernels of their own; in GEMM a
    batch has constants of its own.
    """
    if family == "vector":
        return f"{op} final" if kernel.startswith("final_") else VECTOR_KIN.get(op, op)
    if family == "collective":
        over = " over the bus" if topology == "host" else ""
        return f"{op} {_joined(kernel, ranks)}{over}".strip()
    if family in ("attention_decode", "attention_prefill"):
        if family == "attention_decode" and library == "trtllm" and dtype.endswith("+kvfp8"):
            return "fp8 cache"
        return "flashinfer" if "flashinfer" in kernel else ""
    return "batched" if op == "batched_gemm" else ""


def _joined(kernel: str, ranks: float) -> str:
    """Return the call of a collective and, where it leaves a node or a pair, how its ranks join."""
    name, _, devices = kernel.partition("|devs_per_node=")
    name = _PART.sub("", name)
    if not devices.isdigit():
        return name
    if ranks > int(devices):
        return f"{name} across nodes of {devices}"
    return f"{name} across pairs" if "pairwise" in name and ranks > 2 else name
