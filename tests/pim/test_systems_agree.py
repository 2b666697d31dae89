"""The machine ``attacc-bank`` of a run and the system ``dgx-attacc``: the same attention in memory.

A run counts refreshes in operations shorter than their interval at their mean (5070 of 4614 cycles,
9.9 %); a system times each operation from just after a refresh. Longer operations agree.
"""

import pytest

from archsim import simulate
from archsim.pim.systems import decode
from archsim.pim.systems_file import load_system
from archsim.pim.systems_model import find_model

SHORT = 1.0991
"""Mean cost of refreshes: 5070 / (5070 - 457)."""


@pytest.mark.parametrize(
    ("model", "batch", "context", "least", "most"),
    [
        ("gpt3-175b", 32, 2048, 0.995, 1.01),
        ("gpt3-175b", 8, 4096, 0.995, 1.01),
        ("opt-66b", 16, 1024, SHORT - 0.001, SHORT + 0.001),
        ("llama-65b", 40, 512, SHORT - 0.001, SHORT + 0.001),
    ],
)
def test_attention_in_memory_takes_the_same_time(model, batch, context, least, most):
    result = simulate("attacc-bank", model, phase="decode", context=context, batch=batch)
    ran = result.busy["units"] * result.latency_s
    system, _ = load_system("dgx-attacc")
    step = decode(system, find_model(model), batch, context + 1)
    assert least < ran / step.parts_s["attention"] < most


def test_the_rest_of_a_step_differs_by_kernels_and_links():
    # The GPU model's kernels against the terms of AttAcc's simulator: hops of 6 us and norms of 7.
    result = simulate("attacc-bank", "gpt3-175b", phase="decode", context=2048, batch=32)
    system, _ = load_system("dgx-attacc")
    step = decode(system, find_model("gpt3-175b"), 32, 2049)
    assert 1.0 < step.latency_s / result.latency_s < 1.4
    fixed = step.parts_s["collectives"] + step.parts_s["elementwise"]
    assert fixed > step.latency_s - result.latency_s
