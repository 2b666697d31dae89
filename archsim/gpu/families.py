"""All operator families, and which operator of a measurement belongs to which."""

from __future__ import annotations

from typing import Final

from archsim.gpu.attention import DECODE, PREFILL
from archsim.gpu.collective import COLLECTIVE
from archsim.gpu.family import Family
from archsim.gpu.gemm import GEMM
from archsim.gpu.latent import LATENT
from archsim.gpu.moe import MOE
from archsim.gpu.network import NETWORK
from archsim.gpu.vector import TENSORS, VECTOR_FAMILY

FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (GEMM, DECODE, PREFILL, LATENT, MOE, VECTOR_FAMILY, COLLECTIVE, NETWORK)
}
"""Families by name."""

FAMILY_OF: Final = {
    "gemm": "gemm",
    "batched_gemm": "gemm",
    "attention_decode": "attention_decode",
    "attention_prefill": "attention_prefill",
    "attention_latent": "attention_latent",
    "moe": "moe",
    **dict.fromkeys(TENSORS, "vector"),
    **dict.fromkeys(("allreduce", "allgather", "reducescatter", "alltoall"), "collective"),
    "send_recv": "collective",
    "network": "network",
}
"""Family of each operator that measurements name."""
