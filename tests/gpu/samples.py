"""Small tables in the columns of the GPU data set; no row is a measurement."""

from __future__ import annotations

from archsim.validation.gpu_rows import COLUMNS


def table(path, *rows):
    """Write a table of rows given as dicts; cells left out are empty."""
    names = (*COLUMNS, "power_w")
    lines = [",".join(names)]
    lines += [",".join(str(row.get(name, "")) for name in names) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def gemm(m=64, n=4096, k=4096, latency_us=20.0, **cells):
    """Return one made-up GEMM row."""
    return {
        **{"gpu": "A100-SXM-80GB", "op": "gemm", "dtype": "bf16", "m": m, "n": n, "k": k},
        **{"latency_us": latency_us, "timing": "graph_event_coldW", "kernel": "made-up"},
        **{"source": "aic:vllm-0.14.0", **cells},
    }
