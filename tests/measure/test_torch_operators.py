"""Builders of operators, a few functions in place of PyTorch: copies, bytes, refusals.

With PyTorch itself, on a CPU and a simulated clock, every job of the plan was run once by hand.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from math import prod

import pytest

from archsim.measure.plan import COLD, Job, plan
from archsim.measure.timing import MAX_CALLS, UnsupportedError
from archsim.measure.torch_operators import MAKERS, build


@dataclass(frozen=True)
class Tensor:
    """A shape and the bytes of an element."""

    sizes: tuple[int, ...]
    wide: int = 2

    def numel(self):
        return prod(self.sizes)

    def element_size(self):
        return self.wide

    def copy_(self, other):
        assert other.sizes == self.sizes
        return self


def torch(free_bytes=100 << 30):
    """Return what GEMM and copies need of the module."""

    def randn(*sizes, device, dtype):
        assert device == "cuda"
        return Tensor(sizes, 4 if dtype == "fp32" else 2)

    def linear(left, right):
        assert left.sizes[1] == right.sizes[1]
        return Tensor((left.sizes[0], right.sizes[0]))

    return types.SimpleNamespace(
        bfloat16="bf16",
        float16="fp16",
        float32="fp32",
        randn=randn,
        cuda=types.SimpleNamespace(mem_get_info=lambda: (free_bytes, free_bytes)),
        nn=types.SimpleNamespace(functional=types.SimpleNamespace(linear=linear)),
    )


def job(op, **shape):
    return Job(op, op, "bf16", tuple(shape.items()), COLD)


def test_every_job_of_the_plan_has_a_maker():
    assert {item.op for item in plan(0)} <= set(MAKERS)


def test_copies_are_as_many_as_the_cache_asks_for():
    calls, each_bytes = build(torch(), job("gemm", m=4, n=1024, k=1024), 150 << 20)
    assert each_bytes == 1024 * 1024 * 2
    assert len(calls) * each_bytes >= 150 << 20
    assert calls[0]().sizes == (4, 1024)
    assert len(build(torch(), job("gemm", m=4, n=1024, k=1024), 0)[0]) == 1


@pytest.mark.parametrize(
    ("free_bytes", "columns", "word"), [(100 << 30, 16, "too small"), (10 << 20, 65536, "memory")]
)
def test_what_cannot_be_cold_is_refused(free_bytes, columns, word):
    shape = job("copy", m=1, n=columns)
    with pytest.raises(UnsupportedError, match=word):
        build(torch(free_bytes), shape, MAX_CALLS << 20)
