"""Mixture of experts: router, dispatch, experts, combination.

Tokens are sorted by expert into NX slots, one per token and chosen expert. Which token sits in
which slot is known at run time only; the tables that say it are inputs:

======== ======= =====================================================================
SEQ, POS NX      sequence and position of the token in each slot
SLOT     B P K   slot of each choice of each token
KEEP     B P K   1, or 0 where the choice was dropped (only with a capacity that drops)
======== ======= =====================================================================

:func:`workloads.dispatch.dispatch_tables` makes them from the router's choices XI. How many
experts are visited, and how many slots each has, comes from the step's routing; equally busy
experts form one einsum, so that its multiply-accumulates are exact.

References
----------
Shazeer et al., Outrageously Large Neural Networks, ICLR 2017. Fedus et al., Switch Transformers,
JMLR 23 (2022) (capacity). DeepSeek-AI, DeepSeek-V2, arXiv:2405.04434, and DeepSeek-V3,
arXiv:2412.19437 (groups, shared experts, sigmoid scores, selection bias).
"""

from __future__ import annotations

from archsim.numberformat import FORMATS
from workloads.layers.feed_forward import activation_text, add_feed_forward
from workloads.layers.layer_builder import LayerBuilder
from workloads.model import MoeConfig
from workloads.routing_plan import expert_loads, load_groups

_LAYER = "moe"


def add_experts(builder: LayerBuilder, source: str, target: str) -> None:
    """Append a mixture of experts from tensor `source` to tensor `target`, both B P D.

    Declares ranks X K SX NX, the router WR, the experts' weights WXU WXD (WXG), `target`, and the
    tables of this module's text.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    """
    moe = builder.model.moe
    assert moe is not None
    tokens = builder.step.batch * builder.step.queries
    loads = expert_loads(moe, tokens, builder.step.routing)
    slots = sum(loads)
    for name, extent in (
        ("X", moe.experts),
        ("K", moe.active),
        ("SX", moe.expert_size),
        ("NX", slots),
    ):
        builder.rank(name, extent)
    _router(builder, moe, source)
    _weights(builder, moe)
    for name in ("SEQ", "POS"):
        builder.tensor(name, "NX", "input", FORMATS["int32"])
    builder.tensor("SLOT", "B P K", "input", FORMATS["int32"])
    _declare_experts(builder, moe)
    builder.activation("YX", "NX D")
    for number, group in enumerate(load_groups(loads)):
        _expert_group(builder, moe, source, number, group)
    chosen = "GW[b,p,k] * YX[SLOT[b,p,k],d]"
    if slots < tokens * moe.active:
        builder.activation("KEEP", "B P K", "input")
        chosen = "GW[b,p,k] * KEEP[b,p,k] * YX[SLOT[b,p,k],d]"
    builder.activation(target, "B P D")
    result = "YR" if moe.shared_size else target
    if moe.shared_size:
        builder.activation("YR", "B P D")
    builder.einsum("combine", f"{result}[b,p,d] = {chosen}", op_class="router", layer=_LAYER)
    if moe.shared_size:
        _shared(builder, moe, source, target)


def _vector(
    builder: LayerBuilder, name: str, statement: str, reduce: dict[str, str] | None = None
) -> None:
    builder.einsum(name, statement, op_class="router", layer=_LAYER, reduce=reduce)


def _router(builder: LayerBuilder, moe: MoeConfig, source: str) -> None:
    """Append scores RS (B P X), choices XI (B P K)."""
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
    builder.statistic("RS", "B P X")
    if moe.scoring == "sigmoid":
        _vector(builder, "router_scores", "RS[b,p,x] = 1.0 / (1.0 + exp(-RL[b,p,x]))")
    else:
        for name, ranks in (("RM", "B P"), ("RN", "B P X"), ("RD", "B P")):
            builder.statistic(name, ranks)
        _vector(builder, "router_max", "RM[b,p] = RL[b,p,x]", {"x": "max"})
        _vector(builder, "router_numerator", "RN[b,p,x] = sub_exp(RL[b,p,x], RM[b,p])")
        _vector(builder, "router_denominator", "RD[b,p] = RN[b,p,x]")
        _vector(builder, "router_scores", "RS[b,p,x] = RN[b,p,x] / RD[b,p]")
    ranked = "RS"
    if moe.selection_bias:
        builder.vector("BSEL", "X")
        builder.statistic("RC", "B P X")
        _vector(builder, "router_selection", "RC[b,p,x] = RS[b,p,x] + BSEL[x]")
        ranked = "RC"
    builder.tensor("XI", "B P K", "intermediate", FORMATS["int32"])
    if moe.groups > 1:
        _grouped_choice(builder, moe, ranked)
    else:
        _vector(builder, "router_choice", f"XI[b,p,k] = copy({ranked}[b,p,x])", {"x": "argtop"})


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
    _vector(builder, "router_groups", f"RY[b,p,y,z] = copy({ranked}[b,p,y*{size}+z])")
    if moe.group_score == "max":
        _vector(builder, "group_scores", "RYS[b,p,y] = RY[b,p,y,z]", {"z": "max"})
    else:
        builder.tensor("ZI", "B P Y TWO", "intermediate", ids)
        _vector(builder, "group_best", "ZI[b,p,y,two] = copy(RY[b,p,y,z])", {"z": "argtop"})
        _vector(builder, "group_scores", "RYS[b,p,y] = copy(RY[b,p,y,ZI[b,p,y,two]])")
    _vector(builder, "group_choice", "YI[b,p,ya] = copy(RYS[b,p,y])", {"y": "argtop"})
    candidate = f"ya*{size}+z"
    _vector(builder, "candidates", f"RW[b,p,{candidate}] = copy(RY[b,p,YI[b,p,ya],z])")
    # Expert ids of the candidates: address arithmetic on integers, counted like any other.
    identity = f"WID[b,p,{candidate}] = YI[b,p,ya] * {float(size)} + ZID[z]"
    _vector(builder, "candidate_ids", identity)
    _vector(builder, "router_choice", "WI[b,p,k] = copy(RW[b,p,w])", {"w": "argtop"})
    _vector(builder, "choice_ids", "XI[b,p,k] = copy(WID[b,p,WI[b,p,k]])")


def _weights(builder: LayerBuilder, moe: MoeConfig) -> None:
    """Append GW (B P K), the weights of the chosen experts."""
    builder.statistic("GW", "B P K")
    scale = f" * {moe.weight_scale!r}" if moe.weight_scale != 1.0 else ""
    chosen = "copy(RS[b,p,XI[b,p,k]])"
    if not moe.renormalise:
        _vector(builder, "weights", f"GW[b,p,k] = {chosen}{scale}")
        return
    builder.statistic("GC", "B P K")
    builder.statistic("GS", "B P")
    _vector(builder, "chosen_scores", f"GC[b,p,k] = {chosen}")
    _vector(builder, "weight_sum", "GS[b,p] = GC[b,p,k]")
    _vector(builder, "weights", f"GW[b,p,k] = GC[b,p,k] / GS[b,p]{scale}")


def _is_gated(builder: LayerBuilder, moe: MoeConfig) -> bool:
    return builder.model.gated if moe.gated is None else moe.gated


def _declare_experts(builder: LayerBuilder, moe: MoeConfig) -> None:
    parts = ["U", "G"] if _is_gated(builder, moe) else ["U"]
    for part in parts:
        builder.scaled_matrix(f"WX{part}", "X D SX", 1)
        if moe.expert_bias:
            builder.vector(f"BX{part}", "X SX")
    builder.scaled_matrix("WXD", "X SX D", 1)
    if moe.expert_bias:
        builder.vector("BXD", "X D")


def _expert_group(
    builder: LayerBuilder,
    moe: MoeConfig,
    source: str,
    number: int,
    group: tuple[int, int, int, int],
) -> None:
    """Append the work of some experts with equally many slots."""
    first, experts, load, slot = group
    g, c = f"x{number}", f"c{number}"
    builder.rank(g.upper(), experts)
    builder.rank(c.upper(), load)
    ranks = f"{g} {c}".upper()
    expert, place = f"{g}+{first}", f"{g}*{load}+{c}+{slot}"
    tensors = {name: f"{name}{number}" for name in ("XE", "XU", "XG", "XH")}
    builder.activation(tensors["XE"], f"{ranks} D")
    rows = f"{tensors['XE']}[{g},{c},d]"
    gathered = f"copy({source}[SEQ[{place}],POS[{place}],d])"
    _vector(builder, f"dispatch_{number}", f"{rows} = {gathered}")
    gated = _is_gated(builder, moe)
    for part, name in (("G", "gate"), ("U", "up")) if gated else (("U", "up"),):
        output = f"{tensors[f'X{part}']}[{g},{c},sx]"
        builder.activation(tensors[f"X{part}"], f"{ranks} SX")
        weight = _weight(builder, f"WX{part}", "D SX", number, expert)
        bias = f"BX{part}[{expert},sx]" if moe.expert_bias else ""
        _expert_linear(builder, f"expert_{name}_{number}", output, rows, weight, bias)
    builder.activation(tensors["XH"], f"{ranks} SX")
    hidden = f"{tensors['XH']}[{g},{c},sx]"
    gate = f"{tensors['XG']}[{g},{c},sx]" if gated else ""
    value = activation_text(builder.model.activation, f"{tensors['XU']}[{g},{c},sx]", gate)
    builder.elementwise(f"expert_activation_{number}", f"{hidden} = {value}", _LAYER)
    bias = f"BXD[{expert},d]" if moe.expert_bias else ""
    weight = _weight(builder, "WXD", "SX D", number, expert)
    _expert_linear(builder, f"expert_down_{number}", f"YX[{place},d]", hidden, weight, bias)


def _weight(builder: LayerBuilder, name: str, ranks: str, number: int, expert: str) -> str:
    """Return the access to the matrices of a group's experts, scaled first where they must be."""
    inner = ranks.lower().replace(" ", ",")
    if not builder.scales_weights:
        return f"{name}[{expert},{inner}]"
    group = f"X{number}"
    made = builder.dequantised(
        f"expert_{number}_{name.lower()}_dequantise",
        name,
        ["X", *ranks.split()],
        1,
        _LAYER,
        outer=(f"{name}D{number}", group, expert),
    )
    return f"{made}[{group.lower()},{inner}]"


def _expert_linear(
    builder: LayerBuilder, name: str, output: str, source: str, weight: str, bias: str
) -> None:
    product = output
    if bias:
        # Products before the bias, in the layout of the source.
        inner = output.rpartition(",")[2].rstrip("]")
        outer = source[source.index("[") + 1 :].rpartition(",")[0]
        tensor = f"{name.upper().replace('_', '')}P"
        builder.activation(tensor, f"{outer},{inner}".replace(",", " ").upper())
        product = f"{tensor}[{outer},{inner}]"
    builder.einsum(name, f"{product} = {source} * {weight}", op_class="expert", layer=_LAYER)
    if bias:
        builder.elementwise(f"{name}_bias", f"{output} = {product} + {bias}", _LAYER)


def _shared(builder: LayerBuilder, moe: MoeConfig, source: str, target: str) -> None:
    """Append the shared experts and add their result."""
    add_feed_forward(
        builder,
        source,
        "YS",
        size=moe.shared_size,
        prefix="H",
        name="shared_",
        layer=_LAYER,
    )
    shared = "YS[b,p,d]"
    if moe.shared_gate:
        builder.activation("SG", "B P")
        builder.matrix("WSG", "D")
        builder.einsum(
            "shared_gate_logit",
            f"SG[b,p] = {source}[b,p,d] * WSG[d]",
            op_class="router",
            layer=_LAYER,
        )
        shared = "YS[b,p,d] / (1.0 + exp(-SG[b,p]))"
    builder.elementwise("shared_residual", f"{target}[b,p,d] = YR[b,p,d] + {shared}", _LAYER)
