"""Routers of mixtures of experts: scores, choices and weights.

References
----------
DeepSeek-AI, DeepSeek-V3, arXiv:2412.19437, section 2.1.2 (groups, sigmoid scores, selection bias).
Liu et al., GRIN: GRadient-INformed MoE, arXiv:2409.12136 (SparseMixer, of Phi-3.5-MoE).
"""

from __future__ import annotations

from archsim.numberformat import FORMATS
from workloads.layers.layer_builder import LayerBuilder
from workloads.model import MoeConfig

_LAYER = "moe"


def add_router_work(
    builder: LayerBuilder, name: str, statement: str, reduce: dict[str, str] | None = None
) -> None:
    """Append an einsum of the router, of dispatch or of combination."""
    builder.einsum(name, statement, op_class="router", layer=_LAYER, reduce=reduce)


def add_router(builder: LayerBuilder, moe: MoeConfig, source: str) -> None:
    """Append the choices XI (B P K) of tensor `source` (B P D), and their weights GW (B P K)."""
    builder.activation("RL", "B P X")
    builder.linear(
        "router",
        "RL[b,p,x]",
        f"{source}[b,p,d]",
        "WR[d,x]",
        layer=_LAYER,
        bias="BR[x]" if moe.router_bias else "",
        op_class="router",
    )
    if moe.scoring == "sparsemixer":
        _sparse_mixer(builder, moe)
        return
    builder.statistic("RS", "B P X")
    if moe.scoring == "sigmoid":
        add_router_work(builder, "router_scores", "RS[b,p,x] = 1.0 / (1.0 + exp(-RL[b,p,x]))")
    else:
        for name, ranks in (("RM", "B P"), ("RN", "B P X"), ("RD", "B P")):
            builder.statistic(name, ranks)
        add_router_work(builder, "router_max", "RM[b,p] = RL[b,p,x]", {"x": "max"})
        add_router_work(builder, "router_numerator", "RN[b,p,x] = sub_exp(RL[b,p,x], RM[b,p])")
        add_router_work(builder, "router_denominator", "RD[b,p] = RN[b,p,x]")
        add_router_work(builder, "router_scores", "RS[b,p,x] = RN[b,p,x] / RD[b,p]")
    ranked = "RS"
    if moe.selection_bias:
        builder.vector("BSEL", "X")
        builder.statistic("RC", "B P X")
        add_router_work(builder, "router_selection", "RC[b,p,x] = RS[b,p,x] + BSEL[x]")
        ranked = "RC"
    builder.tensor("XI", "B P K", "intermediate", FORMATS["int32"])
    if moe.groups > 1:
        _grouped_choice(builder, moe, ranked)
    else:
        choice = f"XI[b,p,k] = copy({ranked}[b,p,x])"
        add_router_work(builder, "router_choice", choice, {"x": "argtop"})
    _weights(builder, moe)


def _sparse_mixer(builder: LayerBuilder, moe: MoeConfig) -> None:
    """Append choice and weights of SparseMixer at inference (arXiv:2409.12136).

    The K greatest logits are chosen. The weight of one is its softmax among the logits l that are
    no greater than its own, c, and for which (c - l) / max(|l|, c) is at most 2 · jitter: the
    candidates that training could have drawn in its place.
    """
    builder.tensor("XI", "B P K", "intermediate", FORMATS["int32"])
    builder.statistic("RC", "B P K")
    builder.statistic("RN", "B P K X")
    builder.statistic("RD", "B P K")
    builder.statistic("GW", "B P K")
    add_router_work(builder, "router_choice", "XI[b,p,k] = copy(RL[b,p,x])", {"x": "argtop"})
    add_router_work(builder, "chosen_logits", "RC[b,p,k] = copy(RL[b,p,XI[b,p,k]])")
    logit, best = "RL[b,p,x]", "RC[b,p,k]"
    gap = f"({best} - {logit}) / max(abs({logit}), {best})"
    near = f"at_most({gap}, {2.0 * moe.jitter!r}) * at_most({logit}, {best})"
    numerator = f"RN[b,p,k,x] = sub_exp({logit}, {best}) * {near}"
    add_router_work(builder, "router_numerator", numerator)
    add_router_work(builder, "router_denominator", "RD[b,p,k] = RN[b,p,k,x]")
    scale = f" * {moe.weight_scale!r}" if moe.weight_scale != 1.0 else ""
    add_router_work(builder, "weights", f"GW[b,p,k] = 1.0 / RD[b,p,k]{scale}")


def _grouped_choice(builder: LayerBuilder, moe: MoeConfig, ranked: str) -> None:
    """Append the choice among the experts of the best groups (DeepSeek-V3, section 2.1.2)."""
    size = moe.experts // moe.groups
    for name, extent in (
        ("Y", moe.groups),
        ("Z", size),
        ("YA", moe.active_groups),
        ("W", moe.active_groups * size),
        ("TWO", 2),
    ):
        builder.rank(name, extent)
    ids = FORMATS["int32"]
    builder.statistic("RY", "B P Y Z")
    builder.statistic("RYS", "B P Y")
    builder.statistic("RW", "B P W")
    builder.tensor("ZID", "Z", "constant", ids)
    for name, ranks in (("YI", "B P YA"), ("WID", "B P W"), ("WI", "B P K")):
        builder.tensor(name, ranks, "intermediate", ids)
    add_router_work(builder, "router_groups", f"RY[b,p,y,z] = copy({ranked}[b,p,y*{size}+z])")
    if moe.group_score == "max":
        add_router_work(builder, "group_scores", "RYS[b,p,y] = RY[b,p,y,z]", {"z": "max"})
    else:
        builder.tensor("ZI", "B P Y TWO", "intermediate", ids)
        add_router_work(builder, "group_best", "ZI[b,p,y,two] = copy(RY[b,p,y,z])", {"z": "argtop"})
        add_router_work(builder, "group_scores", "RYS[b,p,y] = copy(RY[b,p,y,ZI[b,p,y,two]])")
    add_router_work(builder, "group_choice", "YI[b,p,ya] = copy(RYS[b,p,y])", {"y": "argtop"})
    candidate = f"ya*{size}+z"
    add_router_work(builder, "candidates", f"RW[b,p,{candidate}] = copy(RY[b,p,YI[b,p,ya],z])")
    # Expert ids of the candidates: address arithmetic on integers, counted like any other.
    identity = f"WID[b,p,{candidate}] = YI[b,p,ya] * {float(size)} + ZID[z]"
    add_router_work(builder, "candidate_ids", identity)
    add_router_work(builder, "router_choice", "WI[b,p,k] = copy(RW[b,p,w])", {"w": "argtop"})
    add_router_work(builder, "choice_ids", "XI[b,p,k] = copy(WID[b,p,WI[b,p,k]])")


def _weights(builder: LayerBuilder, moe: MoeConfig) -> None:
    """Append GW (B P K), the weights of the chosen experts."""
    builder.statistic("GW", "B P K")
    scale = f" * {moe.weight_scale!r}" if moe.weight_scale != 1.0 else ""
    chosen = "copy(RS[b,p,XI[b,p,k]])"
    if not moe.renormalise:
        add_router_work(builder, "weights", f"GW[b,p,k] = {chosen}{scale}")
        return
    builder.statistic("GC", "B P K")
    builder.statistic("GS", "B P")
    add_router_work(builder, "chosen_scores", f"GC[b,p,k] = {chosen}")
    add_router_work(builder, "weight_sum", "GS[b,p] = GC[b,p,k]")
    add_router_work(builder, "weights", f"GW[b,p,k] = GC[b,p,k] / GS[b,p]{scale}")
