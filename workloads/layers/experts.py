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
from workloads.layers.router import add_router, add_router_work
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
    add_router(builder, moe, source)
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
    add_router_work(builder, f"dispatch_{number}", f"{rows} = {gathered}")
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
