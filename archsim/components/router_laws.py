"""Cycle laws of a top-k router for mixtures of experts, as pure integer functions.

The logits of a token enter one a cycle, expert 0 first, into a sorted list of k entries; the last
one writes the result. Measured on the register-transfer block `topk_router`, for which k does not
matter. Batched twins stand in :mod:`archsim.components.router_batch`.
"""

from __future__ import annotations


def cycles_router_token(experts: int) -> int:
    """Cycles from a token's first logit to its result, and between two tokens: ``E``."""
    return experts


def cycles_router(experts: int, tokens: int) -> int:
    """Cycles from the first logit to the last result of `tokens` tokens: ``(T-1)*E + E``."""
    return (tokens - 1) * cycles_router_token(experts) + cycles_router_token(experts)
