"""The data behind the FuseMax figures: our points, and published ones where they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from archsim.figures.figure import Cell, FigureRequest, Table
from archsim.validation.fusemax import COLUMNS, Key, Scorer
from archsim.validation.fusemax_model import CONFIGS, MODELS, closed_program, machine_of
from archsim.validation.suite import data_files
from archsim.validation.table import Row, read_table

if TYPE_CHECKING:
    from archsim.program import Program

LENGTHS: Final = tuple(1024 * 4**step for step in range(6))
"""Tokens of the published points: 1K to 1M."""

POINT_COLUMNS: Final = ("config", "model", "tokens", "metric", "ours", "published")

MAPPERS: Final = (
    *("unfused", "flat", "flash"),
    *("fusemax-cascade", "fusemax-architecture", "fusemax-binding"),
)
"""Attention mappers, in the order of the ablation."""

REAL_MODELS: Final = ("llama3-70b", "deepseek-v3")
"""Models whose prefill is mapped by all of them."""

REAL_CONTEXT: Final = 131072

QUOTED: Final = {
    # FuseMax, MICRO 2024, Fig. 6b (artifact, outputs/pregenerated/results): BERT, 1K … 1M.
    ("FLAT", "util_2d"): (0.1250, 0.1250, 0.1250, 0.1250, 0.1082, 0.1082),
    ("+Binding", "util_2d"): (0.8896, 0.9648, 0.9856, 0.9910, 0.9923, 0.9926),
    # Fig. 6a and Fig. 8.
    ("+Architecture", "util_1d"): (0.3362, 0.3100, 0.3035, 0.3019, 0.3014, 0.3013),
    ("FLAT", "speedup_vs_unfused"): (1.630, 1.578, 1.565, 1.561, 1.351, 1.350),
    ("+Binding", "speedup_vs_unfused"): (10.84, 11.38, 11.53, 11.56, 11.58, 11.58),
}
"""Published values of BERT that are drawn where no data are given."""


def text_of(tokens: int) -> str:
    """Return a number of tokens as the tables write it."""
    return f"{tokens >> 20}M" if tokens >= 1 << 20 else f"{tokens >> 10}K"


def scorer_of(request: FigureRequest) -> Scorer:
    """Return what predicts points: with the given table's decisions of FLAT, if there is one."""
    rows: list[Row] = []
    if request.data is not None:
        files = data_files(
            request.data,
            suite="fusemax",
            packaged=(),
            pattern="fusemax*.csv",
            wanted="a CSV file with the columns " + ", ".join(COLUMNS),
        )
        for path in files:
            rows += read_table(path, COLUMNS)
    return Scorer(rows)


def points(request: FigureRequest, *metrics: str) -> Table:
    """Return our value of some metrics at every published point, and the published one."""
    scorer = scorer_of(request)
    return Table(POINT_COLUMNS, tuple(_points(scorer, metrics)))


def _points(scorer: Scorer, metrics: tuple[str, ...]) -> Iterator[tuple[Cell, ...]]:
    for config in CONFIGS:
        for model in MODELS:
            for position, tokens in enumerate(LENGTHS):
                for metric in metrics:
                    key = Key(config, model, tokens)
                    given = scorer.given.get((config, model, tokens, metric))
                    published = float(given) if given is not None else None
                    if not scorer.rows and model == "BERT" and (config, metric) in QUOTED:
                        published = QUOTED[config, metric][position]
                    yield (config, model, tokens, metric, _ours(scorer, key, metric), published)


def _ours(scorer: Scorer, key: Key, metric: str) -> float | None:
    """Return our value, FLAT with decisions of its own where none are published."""
    found, base = scorer.predict(key), scorer.predict(Key("Unfused", key.model, key.length))
    if found is None or base is None:
        return None
    if metric == "energy_vs_unfused":
        return found.energy_pj / base.energy_pj
    if metric == "speedup_vs_unfused":
        return base.latency_s / found.latency_s
    if metric == "util_2d" and key.config == "FLAT":
        return found.array_busy["QK"] + found.array_busy["AV"]
    return found.busy["array" if metric == "util_2d" else "vector"]


def ablation() -> Table:
    """Return the time of BERT's attention for each configuration, closed form and tile by tile."""
    from archsim.engine import run_program
    from archsim.validation.fusemax_model import attention_of, mapping_of

    rows: list[tuple[Cell, ...]] = []
    for config, (hardware, mapper) in CONFIGS.items():
        if config == "Unfused":
            continue
        for tokens in (4096, 65536):
            machine = machine_of(hardware, ())
            mapping = mapping_of(machine, mapper, attention_of("BERT", tokens), {})
            closed = run_program(mapping.analytic(), path=False)
            tile = run_program(mapping.program(), path=False)
            rows.append(
                (
                    *(config, tokens, closed.makespan_ps * 1e-12, tile.makespan_ps * 1e-12),
                    tile.busy_ps["array"] / tile.makespan_ps,
                )
            )
    return Table(("config", "tokens", "closed_form_s", "tile_s", "array_busy"), tuple(rows))


def real_models() -> Table:
    """Return the attention time of one layer of real models at 128K, for every mapper."""
    from archsim.fragments import ATTENTION, cut
    from workloads import load_workload

    rows: list[tuple[Cell, ...]] = []
    machine = machine_of("fusemax-cloud", ())
    for model in REAL_MODELS:
        workload = load_workload(model, phase="prefill", context=REAL_CONTEXT)
        stage = max(workload.stages, key=lambda item: item.repeat)
        fragment = next(item for item in cut(stage.cascade) if item.mapper_class == ATTENTION)
        rows += [
            (model, mapper, _time_s(closed_program(machine, mapper, fragment.cascade, {})))
            for mapper in MAPPERS
        ]
    return Table(("model", "mapper", "layer_attention_s"), tuple(rows))


def _time_s(program: Program) -> float:
    from archsim.engine import run_program

    return run_program(program, path=False).makespan_ps * 1e-12
