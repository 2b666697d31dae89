import pytest

from archsim.errors import WorkloadError
from archsim.numberformat import parse_format
from workloads import Cascade, CascadeBuilder, Einsum, Rank, Tensor, attention_cascade

BF16 = parse_format("bf16")


class Sketch:
    """A valid cascade in builder form, to be spoiled one rule at a time."""

    def __init__(self):
        self.b = CascadeBuilder("sketch")
        for name, extent in (("I", 4), ("K", 6)):
            self.b.rank(name, extent)
        self.b.rank("K1", 3, parent="K")
        self.b.rank("K0", 2, parent="K")
        self.b.tensor("A", "I K", "input", BF16)
        self.b.tensor("C", "I", "output", BF16)

    def einsum(self, name, statement, **options):
        options = {"op_class": "norm", "layer": "norm"} | options
        self.b.einsum(name, statement, **options)
        return self

    def sum(self):
        return self.einsum("sum", "C[i] = A[i,k]")

    def tensor(self, *arguments):
        self.b.tensor(*arguments, BF16)
        return self

    def rank(self, *arguments, **options):
        self.b.rank(*arguments, **options)
        return self


def test_the_sketch_is_valid():
    Sketch().sum().b.build()
    Sketch().einsum("sum", "C[i] = A[i,k1*2+k0]").b.build()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.einsum("e", "C[i] = Z[i]"), "unknown tensor; given 'Z'"),
        (lambda s: s.einsum("e", "C[i] = A[i]"), r"A\[i\] has 1 indices, tensor A 2 ranks"),
        (lambda s: s.einsum("e", "C[i] = A[i,k+1]"), "reaches 1 to 6, rank K has 6 coordinates"),
        (lambda s: s.einsum("e", "C[i] = A[i,k-1]"), "reaches -1 to 4"),
        (lambda s: s.einsum("e", "C[k] = A[i,k]"), r"C\[k\] reaches 0 to 5, rank I has 4"),
        (lambda s: s.einsum("e", "C[i] = A[k0,k]"), "an output variable occurs in no operand"),
        (
            lambda s: s.einsum("e", "C[i] = A[i,k]").einsum("e", "C[i] = A[i,k]"),
            "two einsums of one name; given 'e'",
        ),
        (
            lambda s: s.einsum("e", "C[i] = A[i,k]").einsum("f", "C[i] = A[i,0]"),
            "tensor C is written twice at one place",
        ),
        (lambda s: s.einsum("e", "A[i,k] = copy(C[i]) * A[i,k]"), "A is written but its role"),
        (lambda s: s.einsum("e", "C[i] = A[i,k]", op_class="magic"), "unknown operation class"),
        (lambda s: s.einsum("e", "C[i] = A[i,k]", section="coda"), "a section is one of init"),
        (lambda s: s.einsum("e", "C[i] = A[i,k]", reduce={"k": "sub"}), "one operation out of mul"),
        (
            lambda s: s.einsum("e", "C[i] = A[i,k1*2+k0]", reduce={"k1": "max"}),
            "one operation out of",
        ),
        (
            lambda s: s.einsum("e", "C[i] = A[i,k<=i] * A[i,k<=i+1]"),
            "at most one prefix filter",
        ),
        (
            lambda s: s.tensor("T", "I", "intermediate").einsum("e", "C[i] = A[i,k]"),
            "T is never written but its role is intermediate",
        ),
        (
            lambda s: (
                s.tensor("T", "I", "intermediate")
                .einsum("e", "C[i] = T[i] * A[i,k]")
                .einsum("f", "T[i] = A[i,k]")
            ),
            r"T\[i\] is read before it is made",
        ),
        (lambda s: s.tensor("T", "I", "scratch").sum(), "role of tensor T is one of"),
        (lambda s: s.tensor("t", "I", "input").sum(), "a tensor name starts with an upper case"),
        (lambda s: s.tensor("T", "Q", "input").sum(), "unknown rank; given 'Q'"),
        (lambda s: s.rank("lower", 2), "a rank name is upper case"),
        (lambda s: s.rank("J", 0), "extent of rank J must be at least 1; given 0"),
        (lambda s: s.rank("I0", 3, parent="I"), "levels of rank I cover 3 of its 4"),
        (lambda s: s.rank("J0", 3, parent="J"), "unknown rank; given 'J'"),
        (
            lambda s: s.rank("X", 2, iterative=True).rank("Y", 2, iterative=True),
            "at most one rank is iterative; given 'X, Y'",
        ),
        (
            lambda s: s.einsum("e", "C[i] = A[i,k]", section="tail").einsum("f", "C[i] = A[i,k]"),
            "order init, body, tail",
        ),
    ],
)
def test_rules(spoil, message):
    with pytest.raises(WorkloadError, match=message):
        spoil(Sketch()).b.build()


def iterative(**sections):
    sketch = Sketch().rank("M1", 3, iterative=True).tensor("R", "M1 I", "intermediate")
    if sections.get("init", True):
        sketch.einsum("start", "R[0,i] = 0.0", section="init")
    sketch.einsum("step", sections.get("step", "R[m1+1,i] = R[m1,i] + A[i,m1]"))
    return sketch.einsum("end", "C[i] = copy(R[3,i])", section="tail").b.build()


def test_iterative_rank_keeps_versions():
    cascade = iterative()
    assert cascade.is_versioned("R")
    assert cascade.tensor("R").shape(cascade) == (4, 4)
    assert cascade.tensor("R").num_elements(cascade) == 2 * 4
    assert cascade.iterative_rank.name == "M1"


def test_iterative_rank_rules():
    with pytest.raises(WorkloadError, match=r"R\[m1,i\] has no initialisation"):
        iterative(init=False)
    with pytest.raises(WorkloadError, match="a body einsum cannot reduce the iterative rank"):
        Sketch().rank("M1", 3, iterative=True).einsum("e", "C[i] = A[i,m1]").b.build()


def test_einsums_made_by_hand_are_checked_too():
    good = Sketch().einsum("sum", "C[i] = A[i,k]").b.build()
    (einsum,) = good.einsums

    def with_einsum(**changes):
        fields = {name: getattr(einsum, name) for name in Einsum.__dataclass_fields__}
        return Cascade("x", good.ranks, good.tensors, (Einsum(**(fields | changes)),))

    assert with_einsum() is not None
    with pytest.raises(WorkloadError, match="variable k has extent 7, its rank 6"):
        with_einsum(space=(("i", 4), ("k", 7)))
    with pytest.raises(WorkloadError, match="space must hold the variables"):
        with_einsum(space=(("i", 4),), reduce=())
    with pytest.raises(WorkloadError, match="exactly the variables that the output lacks"):
        with_einsum(reduce=())
    with pytest.raises(WorkloadError, match="distinct and in the order of their use"):
        with_einsum(operands=einsum.operands * 2)
    filtered = Einsum.parse("e", "C[i<=2] = A[i,k]", {"i": 4, "k": 6}, op_class="norm")
    with pytest.raises(WorkloadError, match="a filter stands on an operand"):
        Cascade("x", good.ranks, good.tensors, (filtered,))
    with pytest.raises(WorkloadError, match="two ranks of one name"):
        Cascade("x", (*good.ranks, Rank("I", 4)), good.tensors, good.einsums)
    with pytest.raises(WorkloadError, match="two tensors of one name"):
        Cascade("x", good.ranks, (*good.tensors, good.tensors[0]), good.einsums)
    assert isinstance(good.tensor("A"), Tensor)


def test_builder_refuses_contradictions():
    sketch = Sketch()
    sketch.rank("I", 4)
    with pytest.raises(WorkloadError, match="rank I is declared twice, differently"):
        sketch.rank("I", 5)
    with pytest.raises(WorkloadError, match="tensor A is declared twice"):
        sketch.tensor("A", "I", "input")


def test_padded_split_needs_a_filter():
    """Five keys in tiles of two: the sixth position is filtered away, never read."""
    cascade = attention_cascade("1-pass", queries=1, keys=5, head_dim=2, tile=2)
    assert cascade.einsum("scores").filter.num_keys == 6
    assert cascade.einsum("scores").points() == 5 * 2
