"""Adaptive embedding and softmax: rare words have shorter vectors.

The vocabulary is cut into clusters, frequent words first. The vectors of cluster i have
D / divisor^i elements and are projected to the model dimension; the head projects back and uses the
same tables. The first cluster's logits come with one more for every other cluster; the
log-probability of a rare word is that of its cluster plus its own within the cluster.

Which tokens belong to which cluster is known at run time only. As with experts, tokens are sorted
by cluster, and tables say which sits where: ROW0, ROW1, … (the row in the cluster's table of each
of its tokens) and SLOT (B P: where a token's vector is). The step says how many tokens each cluster
has.

References
----------
Baevski and Auli, Adaptive Input Representations, arXiv:1809.10853. Grave et al., Efficient softmax
approximation for GPUs, arXiv:1609.04309. Dai et al., Transformer-XL, arXiv:1901.02860.
"""

from __future__ import annotations

from itertools import pairwise

from archsim.errors import WorkloadError
from archsim.numberformat import FORMATS
from workloads.layers.layer_builder import LayerBuilder
from workloads.layers.quantised import scaled_text
from workloads.model import ModelConfig


def cluster_bounds(model: ModelConfig) -> list[tuple[int, int]]:
    """Return ``(first word, words)`` of every cluster."""
    ends = [0, *model.cutoffs, model.vocabulary]
    return [(first, last - first) for first, last in pairwise(ends)]


def cluster_width(model: ModelConfig, cluster: int) -> int:
    """Return the elements of a cluster's vectors."""
    return int(model.hidden_size // model.cutoff_divisor**cluster)


def _declare(builder: LayerBuilder, cluster: int, words: int) -> tuple[str, str]:
    """Declare the ranks of a cluster; return them: words, elements."""
    ranks = f"V{cluster}", f"AE{cluster}"
    builder.rank(ranks[0], words)
    builder.rank(ranks[1], cluster_width(builder.model, cluster))
    return ranks


def add_adaptive_embedding(builder: LayerBuilder) -> str:
    """Append the vectors of all tokens; return the text of that of token (b, p)."""
    model, step = builder.model, builder.step
    bounds = cluster_bounds(model)
    tokens = step.batch * step.queries
    loads = step.clusters or (tokens,)
    if len(loads) > len(bounds) or sum(loads) != tokens or min(loads) < 0:
        raise WorkloadError(
            f"{model.name}: tokens of the vocabulary's clusters must add up to all tokens",
            given=str(loads),
            allowed=f"{tokens} tokens in at most {len(bounds)} clusters",
        )
    ids = FORMATS["int32"]
    builder.rank("NX", tokens)
    builder.tensor("SLOT", "B P", "input", ids)
    builder.activation("EX", "NX D")
    first = 0
    for cluster, (_, words) in enumerate(bounds):
        load = loads[cluster] if cluster < len(loads) else 0
        v, ae = _declare(builder, cluster, words)
        table, projection = f"WTE{cluster}", f"WEP{cluster}"
        builder.scaled_matrix(table, f"{v} {ae}", 1)
        if not load:
            # Nobody reads them in this pass, but they are parameters.
            builder.scaled_matrix(projection, f"D {ae}", 1)
            continue
        n, e = f"n{cluster}", ae.lower()
        builder.rank(n.upper(), load)
        builder.tensor(f"ROW{cluster}", n.upper(), "input", ids)
        builder.activation(f"EE{cluster}", f"{n.upper()} {ae}")
        row = f"ROW{cluster}[{n}]"
        element, value = e, f"copy({table}[{row},{e}])"
        if builder.scales_weights:
            weights = step.precision.weights
            element, value = scaled_text(builder, table, [row, ""], 1, ae, weights)
        builder.einsum(
            f"gather_{cluster}",
            f"EE{cluster}[{n},{element}] = {value}",
            op_class="embedding",
            layer="embedding",
        )
        builder.linear(
            f"embedding_projection_{cluster}",
            f"EX[{n}+{first},d]",
            f"EE{cluster}[{n},{e}]",
            f"{projection}[d,{e}]",
            layer="embedding",
        )
        first += load
    return "EX[SLOT[b,p],d]"


def add_adaptive_logits(builder: LayerBuilder, source: str, rows: str, ranks: str) -> None:
    """Append Y, the log-probabilities of all words.

    Parameters
    ----------
    builder
        The head; its tensor Y is declared.
    source
        Access to what they are made from.
    rows, ranks
        Variables and ranks of the positions.
    """
    bounds = cluster_bounds(builder.model)
    for cluster, (_, words) in enumerate(bounds):
        v, ae = _declare(builder, cluster, words)
        e, name = ae.lower(), f"head_{cluster}"
        builder.activation(f"HP{cluster}", f"{ranks} {ae}")
        # The projection of the first cluster is the head's own, the others are the embedding's.
        weight = f"WEP{cluster}[d,{e}]" if cluster else f"WHP[d,{e}]"
        hidden = f"HP{cluster}[{rows},{e}]"
        builder.linear(f"{name}_projection", hidden, source, weight, layer="head", op_class="head")
        logits = f"HL{cluster}"
        extra = 0 if cluster else len(bounds) - 1
        rank = f"L{cluster}"
        builder.rank(rank, words + extra)
        builder.activation(logits, f"{ranks} {rank}")
        parts = [(f"{v.lower()}", f"WTE{cluster}[{v.lower()},{e}]", f"BLM{cluster}[{v.lower()}]")]
        if extra:
            builder.rank("CN", extra)
            parts.append((f"cn+{words}", f"WCL[cn,{e}]", "BCL[cn]"))
        for part, (index, weight, bias) in enumerate(parts):
            _logits(
                builder,
                f"{name}_logits" + "_rest" * part,
                logits,
                index,
                rows,
                ranks,
                hidden,
                weight,
                bias,
            )
        _normaliser(builder, cluster, rows, ranks, rank.lower())
    for cluster, (start, _) in enumerate(bounds):
        v = f"v{cluster}"
        value = f"HL{cluster}[{rows},{v}] - HZ{cluster}[{rows}]"
        if cluster:
            of_cluster = f"HL0[{rows},{bounds[0][1] + cluster - 1}]"
            value += f" + {of_cluster} - HZ0[{rows}]"
        shift = f"+{start}" if start else ""
        _head(builder, f"log_probability_{cluster}", f"Y[{rows},{v}{shift}] = {value}")


def _logits(
    builder: LayerBuilder,
    name: str,
    target: str,
    index: str,
    rows: str,
    ranks: str,
    hidden: str,
    weight: str,
    bias: str,
) -> None:
    """Append products and biases for some of a cluster's logits."""
    variable = index.partition("+")[0]
    product = f"{target}{variable.upper()}P"
    builder.activation(product, f"{ranks} {variable.upper()}")
    plain = f"{product}[{rows},{variable}]"
    builder.linear(name, plain, hidden, weight, layer="head", op_class="head")
    builder.vector(bias.partition("[")[0], variable.upper())
    _head(builder, f"{name}_bias", f"{target}[{rows},{index}] = {plain} + {bias}")


def _normaliser(builder: LayerBuilder, cluster: int, rows: str, ranks: str, over: str) -> None:
    """Append HZ, the logarithm of the sum of a cluster's exponentials."""
    for name in ("HM", "HS", "HZ"):
        builder.statistic(f"{name}{cluster}", ranks)
    builder.statistic(f"HE{cluster}", f"{ranks} {over.upper()}")
    most, total = f"HM{cluster}[{rows}]", f"HS{cluster}[{rows}]"
    power = f"HE{cluster}[{rows},{over}]"
    label = f"head_{cluster}"
    logit = f"HL{cluster}[{rows},{over}]"
    _head(builder, f"{label}_max", f"{most} = {logit}", {over: "max"})
    _head(builder, f"{label}_numerator", f"{power} = sub_exp({logit}, {most})")
    _head(builder, f"{label}_denominator", f"{total} = {power}")
    _head(builder, f"{label}_log", f"HZ{cluster}[{rows}] = log({total}) + {most}")


def _head(
    builder: LayerBuilder, name: str, statement: str, reduce: dict[str, str] | None = None
) -> None:
    builder.einsum(name, statement, op_class="head", layer="head", reduce=reduce)
