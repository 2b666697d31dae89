"""The builder that all layer types share: a model, one step through it, and naming rules.

Weights carry the ``weights`` format where they are matrices (embeddings and head included); norm
gains and biases stay in the ``act`` format, as quantised checkpoints have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.numberformat import FORMATS, NumberFormat, Precision, parse_format
from workloads.access import Access
from workloads.builder import CascadeBuilder
from workloads.layer_kinds import LayerKind
from workloads.model import ModelConfig
from workloads.notation import Statement, parse_statement
from workloads.routing_plan import Routing
from workloads.sparsity import Sparsity

ADAPTED = tuple(
    f"{name}_projection" for name in ("query", "key", "value", "output", "gate", "up", "down")
)
"""Projections that LoRA adapters change."""


@dataclass(frozen=True, slots=True)
class Step:
    """One pass of new positions through a model.

    Attributes
    ----------
    batch
        B, sequences.
    queries
        P, new positions of each sequence.
    history
        Positions whose keys and values are cached already.
    precision
        Number formats.
    source
        Positions of the encoder's result; 0: there is none.
    routing
        How tokens spread over experts.
    all_logits
        The head makes logits of every position, not of the last alone.
    requests
        Of a mixed batch, ``(number, new positions, history)`` of every group of equal requests;
        all their new positions together are the `queries` of one sequence.
    adapters, adapter_rank
        LoRA adapters that the sequences use, each as many of them, and their rank; 0: none.
    dequantise
        Weights with scales are turned into ``act`` values by einsums of their own.
    sparsity
        Annotation of the layers' weight matrices; None: they are dense.
    sampled
        Candidates among which the next token is drawn; 0: the pass ends with the logits.
    """

    batch: int
    queries: int
    history: int
    precision: Precision
    source: int = 0
    routing: Routing = "uniform"
    all_logits: bool = False
    requests: tuple[tuple[int, int, int], ...] = ()
    adapters: int = 0
    adapter_rank: int = 16
    dequantise: bool = False
    sparsity: Sparsity | None = None
    sampled: int = 0

    @property
    def keys(self) -> int:
        """M, positions that can be attended to."""
        return self.history + self.queries


class LayerBuilder(CascadeBuilder):
    """A cascade builder that knows the model, the step, and the ranks B, P and D.

    Parameters
    ----------
    name
        Name of the cascade.
    model, step, kind
        What to build it for.
    """

    def __init__(
        self, name: str, model: ModelConfig, step: Step, kind: LayerKind | None = None
    ) -> None:
        super().__init__(name)
        self.model = model
        self.step = step
        self.kind = kind or LayerKind()
        self.rank("B", step.batch)
        self.rank("P", step.queries)
        self.rank("D", model.hidden_size)
        self.projection_class = "gemv" if step.batch * step.queries == 1 else "gemm"

    def activation(self, name: str, ranks: str, role: str = "intermediate") -> None:
        """Declare a tensor in the ``act`` format."""
        self.tensor(name, ranks, role, self.step.precision.act)

    def statistic(self, name: str, ranks: str) -> None:
        """Declare an intermediate in the ``accumulator`` format."""
        self.tensor(name, ranks, "intermediate", self.step.precision.accumulator)

    def matrix(self, name: str, ranks: str) -> None:
        """Declare a weight matrix."""
        self.tensor(name, ranks, "weight", self.step.precision.weights, self.step.sparsity)

    def vector(self, name: str, ranks: str) -> None:
        """Declare a gain or a bias."""
        self.tensor(name, ranks, "weight", self.step.precision.act)

    def elementwise(self, name: str, statement: str, layer: str) -> None:
        """Append element-wise work (residual sums, biases, activations, scaling)."""
        self.einsum(name, statement, op_class="activation", layer=layer)

    def linear(
        self,
        name: str,
        output: str,
        source: str,
        weight: str,
        *,
        layer: str,
        bias: str = "",
        op_class: str = "",
    ) -> None:
        """Append a projection, ``output = source * weight (+ bias)``.

        Declares the weight, the bias and, with a bias, the product before it.

        Parameters
        ----------
        name
            Name of the einsum; the bias sum appends ``_bias``.
        output, source, weight, bias
            Accesses as text, ``Q0[b,g,r,p,e]``. The output tensor must be declared already.
        layer
            Layer type.
        op_class
            Default gemm, or gemv for a single position.
        """
        op_class = op_class or self.projection_class
        target = parse_statement(f"{output} = {source} * {weight}")
        factor = target.operands[1]
        ranks = " ".join(name.upper() for name in factor.variables())
        if self.step.dequantise and self.step.precision.weights.group is not None:
            shared = [name for name in factor.variables() if name not in target.output.variables()]
            weight = self._dequantised(name, factor, ranks, shared[-1], layer)
        else:
            self.matrix(factor.tensor, ranks)
        adapted = None
        if self.step.adapters and name in ADAPTED:
            output, adapted = self._adapted(name, output, source, weight, layer)
            target = parse_statement(f"{output} = {source} * {weight}")
        self._projection(name, target, f"{source} * {weight}", layer, bias, op_class)
        if adapted is not None:
            self.elementwise(f"{name}_adapter_sum", adapted, layer)

    def _dequantised(self, name: str, factor: Access, ranks: str, shared: str, layer: str) -> str:
        """Append the product of a weight and its scales; return the access to the result.

        Groups of neighbours along the summed variable `shared` have a scale in common. A rank that
        the group does not divide is one group.
        """
        quantised = self.step.precision.weights
        extent = self.extent(shared.upper())
        size = quantised.group or extent
        size = extent if extent % size else size
        outer, inner = f"{shared.upper()}Q{size}", f"{shared.upper()}I{size}"
        self.rank(outer, extent // size, parent=shared.upper())
        self.rank(inner, size, parent=shared.upper())
        values, scales, zeros = _parts(quantised)
        coarse_ranks = ranks.replace(shared.upper(), outer, 1)
        self.tensor(factor.tensor, ranks, "weight", values, self.step.sparsity)
        self.tensor(f"{factor.tensor}SCALE", coarse_ranks, "weight", scales)
        result = f"{factor.tensor}D"
        self.activation(result, ranks)
        split = f"{outer.lower()}*{size}+{inner.lower()}"
        variables = list(factor.variables())
        whole = ",".join(split if item == shared else item for item in variables)
        coarse = ",".join(outer.lower() if item == shared else item for item in variables)
        value = f"{factor.tensor}[{whole}]"
        if zeros is not None:
            self.tensor(f"{factor.tensor}ZERO", coarse_ranks, "weight", zeros)
            value = f"({value} - {factor.tensor}ZERO[{coarse}])"
        statement = f"{result}[{whole}] = {value} * {factor.tensor}SCALE[{coarse}]"
        self.elementwise(f"{name}_dequantise", statement, layer)
        return f"{result}[{','.join(variables)}]"

    def _projection(
        self, name: str, target: Statement, product: str, layer: str, bias: str, op_class: str
    ) -> None:
        output = str(target.output)
        if not bias:
            self.einsum(name, f"{output} = {product}", op_class=op_class, layer=layer)
            return
        variables = list(target.output.variables())
        before = f"{target.output.tensor}P"
        self.activation(before, " ".join(name.upper() for name in variables))
        before = f"{before}[{','.join(variables)}]"
        self.einsum(name, f"{before} = {product}", op_class=op_class, layer=layer)
        term = parse_statement(f"{output} = {bias}").operands[0]
        self.vector(term.tensor, " ".join(name.upper() for name in term.variables()))
        self.elementwise(f"{name}_bias", f"{output} = {before} + {bias}", layer)

    def _adapted(
        self, name: str, output: str, source: str, weight: str, layer: str
    ) -> tuple[str, str]:
        """Append a low-rank update; return where the projection itself goes, and the sum's text.

        Sequences are sorted by adapter: adapter a serves the sequences a·n … a·n + n - 1.
        """
        target = parse_statement(f"{output} = {source} * {weight}")
        factor = target.operands[1]
        made = list(target.output.variables())
        summed = [item for item in factor.variables() if item not in made]
        grown = [item for item in factor.variables() if item in made]
        outer = [item for item in made if item not in grown and item != "b"]
        each = self.step.batch // self.step.adapters
        self.rank("AD", self.step.adapters)
        self.rank("AB", each)
        self.rank("AL", self.step.adapter_rank)
        base, short, full = (f"{factor.tensor}{part}" for part in ("Y", "S", "T"))
        down, up = f"{factor.tensor}A", f"{factor.tensor}B"
        rows = f"[ad*{each}+ab,"
        adapted = source.replace("[b,", rows, 1)
        for tensor, variables in (
            (short, ["ad", "ab", *outer, "al"]),
            (full, ["ad", "ab", *outer, *grown]),
            (base, made),
        ):
            self.activation(tensor, " ".join(variables).upper())
        self.matrix(down, " ".join(["ad", *summed, "al"]).upper())
        self.matrix(up, " ".join(["ad", "al", *grown]).upper())
        lead = ",".join(["ad", "ab", *outer])
        product = f"{short}[{lead},al] = {adapted} * {down}[ad,{','.join(summed)},al]"
        self.einsum(f"{name}_adapter_down", product, op_class="gemm", layer=layer)
        low = f"{short}[{lead},al]"
        product = f"{full}[{lead},{','.join(grown)}] = {low} * {up}[ad,al,{','.join(grown)}]"
        self.einsum(f"{name}_adapter_up", product, op_class="gemm", layer=layer)
        plain = f"{base}[{','.join(made)}]"
        total, part = output.replace("[b,", rows, 1), plain.replace("[b,", rows, 1)
        return plain, f"{total} = {part} + {full}[{lead},{','.join(grown)}]"


def _parts(
    number_format: NumberFormat,
) -> tuple[NumberFormat, NumberFormat, NumberFormat | None]:
    """Return the formats of values, scales and zero points of a format with scales."""
    base, *rest = number_format.name.split(":")
    if not rest:
        # Formats with scales by definition: 4-bit values, 8-bit scales.
        return FORMATS["int4"], FORMATS["fp8"], None
    zeros = parse_format(rest[2]) if len(rest) == 3 else None
    return parse_format(base), parse_format(rest[1]), zeros
