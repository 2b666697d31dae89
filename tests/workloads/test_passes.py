"""Passes over ranks. Expected counts are derived by hand beside each cascade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import attention_cascade
from workloads.cascade_file import cascade_names, load_cascade
from workloads.passes import analyze_passes

EXPECTED = {
    # A is summed with B into Y; Z reads every A again and needs Y whole.
    "product-of-sums": {"K": 2},
    # Y and X are two sums of one traversal; Z reads no fiber.
    "product-of-sums-deferred": {"K": 1},
    # exp and its sum in one traversal; A reads every numerator again and needs the sum.
    "attention-unstable": {"M": 2},
    # the product with V is summed beside the denominator; the division sees no fiber.
    "attention-unstable-deferred": {"M": 1},
    # maximum | numerator and sum | quotient and product with V.
    "attention-3-pass": {"M": 3},
    # maximum | numerator, sum, product with V; the division sees no fiber.
    "attention-3-pass-deferred": {"M": 2},
    # tile maxima, numerators, sums | correction by the row maximum, quotient, product.
    "attention-2-pass": {"M": 2},
    # the same; every numerator is corrected, so read again, once the row maximum is known.
    "attention-2-pass-deferred": {"M": 2},
    # F values per tile are corrected instead of the numerators: no fiber is read again.
    "attention-split-kv": {"M": 1},
    # the running maximum is known with each tile.
    "attention-1-pass": {"M": 1},
    # sum | differences from the mean, squared and summed.
    "moments-mean-then-variance": {"N": 2},
    # both sums side by side.
    "moments-sum-of-squares": {"N": 1},
    # mean and squares are updated value by value.
    "moments-welford": {"N": 1},
    # mean | differences and their squares | scaled differences.
    "layer-norm-centred": {"D": 3},
    # both sums | scaled differences.
    "layer-norm-single-pass-moments": {"D": 2},
    # squares | scaled values into the projection, which sums D too.
    "rms-norm-matmul": {"D": 2, "S": 1},
    # squares and projection side by side; the scale sees results only.
    "rms-norm-matmul-deferred": {"D": 1, "S": 1},
    # maximum | exponentials and their sum.
    "log-sum-exp": {"M": 2},
    "log-sum-exp-online": {"M": 1},
    # maximum | numerators and sum | probabilities and their largest; picking K is no traversal.
    "top-k-softmax": {"M": 3, "K": 1},
    # maximum, sum and largest values side by side.
    "top-k-softmax-online": {"M": 1, "K": 1},
    # S is made, multiplied and summed along; D is read by gate and up side by side.
    "gated-ffn": {"D": 1, "S": 1, "N": 1},
}


@pytest.mark.parametrize("name", cascade_names())
def test_packaged_cascades_have_the_passes_derived_by_hand(name):
    passes = analyze_passes(load_cascade(name).cascade).passes
    assert {rank: count for rank, count in passes.items() if count > 1} == {
        rank: count for rank, count in EXPECTED[name].items() if count > 1
    }
    assert EXPECTED[name].items() <= passes.items()


# Forms of the attention builder. 2-pass-deferred corrects F values per tile, which is split-KV.
FORMS = {"3-pass": 3, "3-pass-deferred": 2, "2-pass": 2, "2-pass-deferred": 1, "1-pass": 1}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("form", "passes"), FORMS.items())
def test_attention_forms_masked_or_not(form, passes, causal):
    tile = None if form.startswith("3") else 8
    cascade = attention_cascade(
        form, queries=16, keys=40, head_dim=4, group=2, tile=tile, causal=causal
    )
    found = analyze_passes(cascade)
    assert found.rank("M").passes == passes
    assert all(count == 1 for rank, count in found.passes.items() if rank != "M")


def write(*einsums: str, ranks: str = "{P: 4, M: 16}", tensors: str = "{X: P M}") -> str:
    lines = "".join(f"  - {line}\n" for line in einsums)
    return f"name: own\nranks: {ranks}\ntensors: {tensors}\neinsums:\n{lines}"


def passes_of(text: str) -> dict[str, int]:
    return analyze_passes(load_cascade(text).cascade).passes


OWN = [
    # Two reads that nothing orders are one traversal: X waits for the sum of another tensor.
    (
        write("S[p] = W[p,m]", "T[p] = X[p,m]", "Y[p,m] = X[p,m] * S[p]",
              tensors="{X: P M, W: P M}"),
        {"P": 1, "M": 1},
    ),
    # The sum of W waits for X, and X waits for the sum of W: X twice, W once.
    (
        write("S[p] = X[p,m]", "Z[p,m] = W[p,m] * S[p]", "U[p] = Z[p,m]", "V[p,m] = X[p,m] * S[p]",
              "Y[p,m] = X[p,m] * U[p]", tensors="{X: P M, W: P M}"),
        {"P": 1, "M": 2},
    ),
    # First touching V in the third phase is V's first traversal; X needs three.
    (
        write("A[p] = X[p,m]", "B[p,m] = X[p,m] - A[p]", "C[p] = square(B[p,m])",
              "Y[p,m] = B[p,m] * C[p] * V[m]", tensors="{X: P M, V: M}"),
        {"M": 3},
    ),
    # Residual: the sum over all of X comes back to every element of X.
    (
        write("H[p,s] = X[p,m] * W[m,s]", "Y[p,n] = H[p,s] * U[s,n]", "Z[p,m] = X[p,m] + Y[p,m]",
              ranks="{P: 4, M: 16, S: 8, N: 16}",
              tensors="{X: P M, W: M S, U: S N, Y: P N}"),
        {"M": 2, "S": 1, "N": 1},
    ),
    # Min-max scaling: both extremes in one traversal, scaling in the second.
    (
        write("LO[p] = X[p,m] (min over m)", "HI[p] = X[p,m] (max over m)",
              "Y[p,m] = (X[p,m] - LO[p]) / (HI[p] - LO[p])"),
        {"M": 2},
    ),
    # The maximum by absolute value, then a quantised product: amax | products.
    (
        write("AX[p] = abs(X[p,m]) (max over m)", "XQ[p,m] = X[p,m] / AX[p]",
              "Y[p,s] = XQ[p,m] * W[m,s]", ranks="{P: 4, M: 16, S: 8}",
              tensors="{X: P M, W: M S}"),
        {"M": 2, "S": 1},
    ),
    # The same with the scale behind the product, which is exact for a division.
    (
        write("AX[p] = abs(X[p,m]) (max over m)", "YQ[p,s] = X[p,m] * W[m,s]",
              "Y[p,s] = YQ[p,s] / AX[p]", ranks="{P: 4, M: 16, S: 8}",
              tensors="{X: P M, W: M S}"),
        {"M": 1, "S": 1},
    ),
    # Skewness: mean | second and third powers of differences side by side.
    (
        write("S[p] = X[p,m]", "D[p,m] = X[p,m] - S[p]", "B[p] = square(D[p,m])",
              "C[p] = D[p,m] * square(D[p,m])", "Y[p] = C[p] / B[p]"),
        {"M": 2},
    ),
    # A reduction over M0 alone is a summary; combining summaries is no pass over M.
    (
        write("L[p,m1] = X[p,m1*4+m0] (max over m0)", "G[p] = L[p,m1] (max over m1)",
              "K[p,m1] = L[p,m1] / G[p]",
              ranks="{P: 4, M: 16, M1: {extent: 4, split: M}, M0: {extent: 4, split: M}}"),
        {"M": 1},
    ),
    # Reversed order of reading is still one traversal; the sum before makes it two.
    (
        write("S[p] = X[p,m]", "Y[p,m] = X[p,15-m] * S[p]", tensors="{X: P M}"),
        {"M": 2},
    ),
    # A permutation by value reads every element once.
    (write("Y[p,m] = X[p,I[m]]", tensors="{X: P M, I: M}"), {"M": 1}),
    # What is made element by element can be made where it is picked.
    (
        write("Z[p,m] = square(X[p,m])", "Y[p,m] = Z[p,I[m]]", tensors="{X: P M, I: M}"),
        {"M": 1},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), OWN)
def test_cascades_of_a_user(text, expected):
    assert expected.items() <= passes_of(text).items()


def test_an_iteration_that_needs_every_element_is_a_pass_each():
    # Power iteration: version i+1 of V needs all of A once more; 5 iterations, then one more sum.
    text = write(
        "V[0,m] = X[m]",
        "T[i,n] = A[n,m] * V[i,m]",
        "V[i+1,n] = T[i,n]",
        ranks="{I: {extent: 5, iterative: true}, M: 16, N: 16}",
        tensors="{X: M, A: N M, V: I M}",
    )
    assert passes_of(text)["N"] == 1


def test_the_chain_names_what_forces_each_pass():
    found = analyze_passes(load_cascade("attention-3-pass").cascade).rank("M")
    assert [(step.number, step.einsum, step.reads, step.because) for step in found.chain] == [
        (1, "GM", "QK", ()),
        (2, "SN", "QK", ("GM",)),
        (3, "A", "SN", ("SD",)),
    ]
    assert found.tensors == {"K": 3, "QK": 3, "SN": 2, "A": 1, "V": 1}


def test_a_correction_through_summaries_is_explained():
    found = analyze_passes(load_cascade("attention-2-pass").cascade).rank("M")
    assert found.chain[-1].because == ("LM", "GM", "PLM")
    assert [item.tensor for item in found.summaries] == ["LM", "SLD"]
    assert found.levels == {"M1": 2, "M0": 3}


def test_held_fibers_grow_with_the_rank_only_with_several_passes():
    def fiber(form: str, keys: int) -> int:
        cascade = attention_cascade(form, queries=4, keys=keys, head_dim=4, tile=8)
        return analyze_passes(cascade).rank("M").fiber_bytes

    assert fiber("3-pass", 512) == 8 * fiber("3-pass", 64) == 512 * 2
    assert fiber("1-pass", 512) == fiber("1-pass", 64) == 0


def test_split_kv_keeps_a_summary_of_f_values_per_tile():
    found = analyze_passes(load_cascade("attention-split-kv").cascade).rank("M")
    assert {item.tensor: item.ranks for item in found.summaries}["SLNV"] == ("F", "M1", "P")


@given(st.integers(1, 6))
def test_a_chain_of_normalisations_takes_one_pass_more_each(depth):
    einsums = []
    for level in range(depth):
        before = "X" if level == 0 else f"Y{level - 1}"
        einsums += [f"S{level}[p] = {before}[p,m]", f"Y{level}[p,m] = {before}[p,m] / S{level}[p]"]
    assert passes_of(write(*einsums))["M"] == depth + 1


@given(st.integers(1, 40), st.integers(1, 40))
def test_sizes_do_not_change_the_passes(keys, tile):
    cascade = attention_cascade("1-pass", queries=3, keys=keys, head_dim=2, tile=tile)
    assert analyze_passes(cascade).rank("M").passes == 1
