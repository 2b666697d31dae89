"""Unfused (3-pass) attention with what layers add to it: windows, caps, biases, sinks.

Tensor names are those of FuseMax, MICRO 2024, cascade 4: QK scores, GM row maximum, SN numerator,
SD denominator, A probabilities, AV result.

References
----------
Beltagy et al., Longformer, arXiv:2004.05150 (sliding windows). Gemma Team, Gemma 2,
arXiv:2408.00118 (score caps). Raffel et al., T5, JMLR 21 (2020) (biases). Xiao et al.,
Attention Sinks, ICLR 2024 (a learned extra score is that of gpt-oss).
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.numberformat import Precision
from workloads.builder import CascadeBuilder

_LAYER = "attention"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What an attention does beyond softmax(Q Kᵀ) V.

    Attributes
    ----------
    window
        A query sees the last `window` keys up to its own only; 0: all of them.
    cap
        Scores s become cap · tanh(s / cap); None: they stay.
    bias
        Access (or product of accesses) added to the scores.
    sinks
        Access of an extra score in every row's softmax, which has no value.
    value
        Name of the tensor of values.
    batch_rank, query_rank, key_rank
        Ranks of sequences, queries and keys.
    head_ranks
        Ranks of key/value heads, and of the query heads that share one.
    key_dim, value_dim
        Ranks of the elements of a key and of a value.
    prefix, label
        In front of tensor names and of einsum names.
    """

    window: int = 0
    cap: float | None = None
    bias: str = ""
    sinks: str = ""
    value: str = "V"
    batch_rank: str = "B"
    query_rank: str = "P"
    key_rank: str = "M"
    head_ranks: str = "G R"
    key_dim: str = "E"
    value_dim: str = "F"
    prefix: str = ""
    label: str = ""

    @property
    def row_ranks(self) -> str:
        """Ranks that number the rows of the scores."""
        return f"{self.batch_rank} {self.head_ranks} {self.query_rank}"

    @property
    def head(self) -> str:
        """Variable of the key/value heads."""
        return self.head_ranks.split()[0].lower()

    @property
    def row(self) -> str:
        """Variables that number the rows of the scores."""
        return self.row_ranks.lower().replace(" ", ",")


def add_unfused_attention(
    builder: CascadeBuilder,
    precision: Precision,
    *,
    causal_offset: int | None,
    deferred: bool = False,
    role: str = "intermediate",
    options: ScoreOptions | None = None,
) -> None:
    """Append 3-pass attention over the tensors Q, K, V (ranks B G R P E, B G M E, B G M F).

    Parameters
    ----------
    builder
        Has the ranks B G R P M E F and the tensors Q, K, V.
    precision
        Scores, numerators and results are stored in ``act``, row statistics in ``accumulator``.
    causal_offset
        Query p sees the keys 0 … p + offset; None: all keys.
    deferred
        Divide the result instead of the probabilities.
    role
        Role of the result AV.
    options
        What else it does.
    """
    chosen = options or ScoreOptions()
    x = chosen.prefix
    n = chosen.key_rank.lower()
    b, p = chosen.batch_rank.lower(), chosen.query_rank.lower()
    m = _visible(n, p, causal_offset, chosen.window)
    act, statistic = precision.act, precision.accumulator
    for name in ("QK", "SN"):
        builder.tensor(f"{x}{name}", f"{chosen.row_ranks} {chosen.key_rank}", "intermediate", act)
    for name in ("GM", "SD"):
        builder.tensor(f"{x}{name}", chosen.row_ranks, "intermediate", statistic)
    inner = chosen.value_dim
    builder.tensor(f"{x}AV", f"{chosen.row_ranks} {inner}", role, act)
    row, f = chosen.row, inner.lower()
    _scores(builder, precision, chosen, m)
    maximum, total = (f"{x}{name}[{row}]" for name in ("GM", "SD"))
    visible = f"{x}QK[{row},{m}]"
    if chosen.sinks:
        for name in ("GMP", "SDP"):
            builder.tensor(f"{x}{name}", chosen.row_ranks, "intermediate", statistic)
        _softmax(builder, chosen, "row_max", f"{x}GMP[{row}] = {visible}", reduce=n)
        _softmax(builder, chosen, "sink_max", f"{maximum} = max({x}GMP[{row}], {chosen.sinks})")
    else:
        _softmax(builder, chosen, "row_max", f"{maximum} = {visible}", reduce=n)
    numerator = f"{x}SN[{row},{m}]"
    _softmax(builder, chosen, "numerator", f"{x}SN[{row},{n}] = sub_exp({visible}, {maximum})")
    if chosen.sinks:
        _softmax(builder, chosen, "denominator", f"{x}SDP[{row}] = {numerator}")
        sink = f"sub_exp({chosen.sinks}, {maximum})"
        _softmax(builder, chosen, "sink_denominator", f"{total} = {x}SDP[{row}] + {sink}")
    else:
        _softmax(builder, chosen, "denominator", f"{total} = {numerator}")
    value = f"{x}{chosen.value}[{b},{chosen.head},{n},{f}]"
    if deferred:
        builder.tensor(f"{x}SNV", f"{chosen.row_ranks} {inner}", "intermediate", statistic)
        _product(builder, chosen, "context", f"{x}SNV[{row},{f}] = {numerator} * {value}")
        divided = f"{x}AV[{row},{f}] = {x}SNV[{row},{f}] / {total}"
        _softmax(builder, chosen, "normalise", divided)
    else:
        builder.tensor(f"{x}A", f"{chosen.row_ranks} {chosen.key_rank}", "intermediate", act)
        _softmax(builder, chosen, "normalise", f"{x}A[{row},{n}] = {numerator} / {total}")
        _product(builder, chosen, "context", f"{x}AV[{row},{f}] = {x}A[{row},{m}] * {value}")


def _visible(variable: str, query: str, causal_offset: int | None, window: int) -> str:
    """Return the index of a key position, with the filter that hides what a query cannot see."""
    if causal_offset is None:
        return variable
    lower = f"{query}{causal_offset - window:+d}<" if window else ""
    return f"{lower}{variable}<={query}+{causal_offset}"


def _scores(builder: CascadeBuilder, precision: Precision, chosen: ScoreOptions, m: str) -> None:
    """Append QK; where scores are changed, after the plain products QS."""
    x, n = chosen.prefix, chosen.key_rank.lower()
    row, b = chosen.row, chosen.batch_rank.lower()
    shaped = chosen.cap is not None or chosen.bias
    target = f"{x}QS" if shaped else f"{x}QK"
    if shaped:
        builder.tensor(
            target, f"{chosen.row_ranks} {chosen.key_rank}", "intermediate", precision.act
        )
    e = chosen.key_dim.lower()
    product = f"{target}[{row},{n}] = {x}Q[{row},{e}] * {x}K[{b},{chosen.head},{m},{e}]"
    _product(builder, chosen, "scores", product)
    if shaped:
        value = f"{target}[{row},{m}]"
        if chosen.cap is not None:
            value = f"tanh({value} * {1.0 / chosen.cap!r}) * {chosen.cap!r}"
        if chosen.bias:
            value += f" + {chosen.bias}"
        _softmax(builder, chosen, "score_shape", f"{x}QK[{row},{n}] = {value}")


def _product(builder: CascadeBuilder, chosen: ScoreOptions, name: str, statement: str) -> None:
    builder.einsum(f"{chosen.label}{name}", statement, op_class="attention", layer=_LAYER)


def _softmax(
    builder: CascadeBuilder,
    chosen: ScoreOptions,
    name: str,
    statement: str,
    *,
    reduce: str = "",
) -> None:
    """Append softmax work; `reduce` names the variable over which the maximum is taken."""
    builder.einsum(
        f"{chosen.label}{name}",
        statement,
        op_class="softmax",
        layer=_LAYER,
        reduce={reduce: "max"} if reduce else None,
    )
