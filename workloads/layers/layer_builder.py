"""The builder that all layer types share: a model, one step through it, and naming rules.

Weights carry the ``weights`` format where they are matrices (embeddings and head included); norm
gains and biases stay in the ``act`` format, as quantised checkpoints have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.numberformat import Precision
from workloads.builder import CascadeBuilder
from workloads.layer_kinds import LayerKind
from workloads.model import ModelConfig
from workloads.notation import parse_statement
from workloads.routing_plan import Routing


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
    """

    batch: int
    queries: int
    history: int
    precision: Precision
    source: int = 0
    routing: Routing = "uniform"
    all_logits: bool = False
    requests: tuple[tuple[int, int, int], ...] = ()

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
        self.tensor(name, ranks, "weight", self.step.precision.weights)

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
        self.matrix(factor.tensor, " ".join(name.upper() for name in factor.variables()))
        if not bias:
            self.einsum(name, f"{output} = {source} * {weight}", op_class=op_class, layer=layer)
            return
        variables = list(target.output.variables())
        product = f"{target.output.tensor}P"
        self.activation(product, " ".join(name.upper() for name in variables))
        product = f"{product}[{','.join(variables)}]"
        self.einsum(name, f"{product} = {source} * {weight}", op_class=op_class, layer=layer)
        term = parse_statement(f"{output} = {bias}").operands[0]
        self.vector(term.tensor, " ".join(name.upper() for name in term.variables()))
        self.elementwise(f"{name}_bias", f"{output} = {product} + {bias}", layer)
