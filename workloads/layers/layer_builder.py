"""The builder that all layer types share: a model, one step through it, and naming rules.

Weights carry the ``weights`` format where they are matrices (embeddings and head included); norm
gains and biases stay in the ``act`` format, as quantised checkpoints have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.numberformat import Precision
from workloads.builder import CascadeBuilder
from workloads.layer_kinds import LayerKind
from workloads.layers.quantised import declare_scaled, has_scales, scaled_text
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
        Weights and caches with scales are turned into ``act`` values by einsums of their own.
    sparsity
        Annotation of the layers' weight matrices; None: they are dense.
    sampled
        Candidates among which the next token is drawn; 0: the pass ends with the logits.
    clusters
        Tokens of each cluster of an adaptive vocabulary; empty: all in the first, whose vectors
        are the longest.
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
    clusters: tuple[int, ...] = ()

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
        self._weights: dict[str, str] = {}

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
        """Declare a gain, a bias or another weight in the ``act`` format."""
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

        Declares the weight (the first time), the bias and, with a bias, the product before it.

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
        weight = self._weight(name, target, layer)
        adapted = None
        if self.step.adapters and name in ADAPTED:
            output, adapted = self._adapted(name, output, source, weight, layer)
            target = parse_statement(f"{output} = {source} * {weight}")
        self._projection(name, target, f"{source} * {weight}", layer, bias, op_class)
        if adapted is not None:
            self.elementwise(f"{name}_adapter_sum", adapted, layer)

    @property
    def scales_weights(self) -> bool:
        """Whether weight matrices are scaled by einsums of their own."""
        return self.step.dequantise and has_scales(self.step.precision.weights)

    def scaled_matrix(self, name: str, ranks: str, place: int) -> None:
        """Declare a weight matrix; where they are scaled, with scales along one of its ranks."""
        if not self.scales_weights:
            self.matrix(name, ranks)
            return
        step = self.step
        declare_scaled(
            self, name, ranks.split(), place, "weight", step.precision.weights, step.sparsity
        )

    def _weight(self, name: str, target: Statement, layer: str) -> str:
        """Declare the weight of a product, once; return the access to what is multiplied."""
        factor = target.operands[1]
        if factor.tensor in self._weights:
            return f"{self._weights[factor.tensor]}[{','.join(factor.variables())}]"
        ranks = [item.upper() for item in factor.variables()]
        summed = [item for item in factor.variables() if item not in target.output.variables()]
        place = list(factor.variables()).index(summed[-1])
        self._weights[factor.tensor] = factor.tensor
        self.scaled_matrix(factor.tensor, " ".join(ranks), place)
        if self.scales_weights:
            self._weights[factor.tensor] = self.dequantised(
                f"{name}_dequantise", factor.tensor, ranks, place, layer
            )
        return f"{self._weights[factor.tensor]}[{','.join(factor.variables())}]"

    def dequantised(
        self,
        name: str,
        tensor: str,
        ranks: list[str],
        place: int,
        layer: str,
        *,
        outer: tuple[str, str, str] | None = None,
    ) -> str:
        """Append the product of a scaled matrix and its scales; return the name of the result.

        Parameters
        ----------
        name, layer
            Of the einsum.
        tensor, ranks, place
            As for :meth:`scaled_matrix`.
        outer
            Result, rank and index text where only a part of the first rank is scaled.
        """
        result, first, index = outer or (f"{tensor}D", ranks[0], ranks[0].lower())
        self.activation(result, " ".join((first, *ranks[1:])))
        indices = [index, *(rank.lower() for rank in ranks[1:])]
        element, value = scaled_text(
            self, tensor, indices, place, ranks[place], self.step.precision.weights
        )
        made = [first.lower(), *indices[1:]]
        made[place] = element
        self.elementwise(name, f"{result}[{','.join(made)}] = {value}", layer)
        return result

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
        # Adapters stay in the format of activations: only the weights below them are quantised.
        self.vector(down, " ".join(["ad", *summed, "al"]).upper())
        self.vector(up, " ".join(["ad", "al", *grown]).upper())
        lead = ",".join(["ad", "ab", *outer])
        product = f"{short}[{lead},al] = {adapted} * {down}[ad,{','.join(summed)},al]"
        self.einsum(f"{name}_adapter_down", product, op_class="gemm", layer=layer)
        low = f"{short}[{lead},al]"
        product = f"{full}[{lead},{','.join(grown)}] = {low} * {up}[ad,al,{','.join(grown)}]"
        self.einsum(f"{name}_adapter_up", product, op_class="gemm", layer=layer)
        plain = f"{base}[{','.join(made)}]"
        total, part = output.replace("[b,", rows, 1), plain.replace("[b,", rows, 1)
        return plain, f"{total} = {part} + {full}[{lead},{','.join(grown)}]"
