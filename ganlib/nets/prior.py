"""An autoregressive transformer over the codes of a vector-quantised autoencoder (Esser 2021, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CodePrior(nn.Module):
    """p(codes) = product over i of p(code i | codes before i), by a causal transformer (Vaswani 2017; pre-norm).

    Linear layers have no bias and RMS norms no gain (Zhang 2019, "Root Mean Square Layer Normalization"; the next
    linear layer can take it over): fewer nodes when sampling is unrolled. Multiply-adds an image of p positions:
    p * (10 * layers * width^2 + 2 * layers * width^2 / heads + codes * width), and 2 * p^2 * layers * width for
    attention: 21.6 M for 64 positions, 128 codes, width 96, 3 layers, 4 heads.
    """

    def __init__(self, positions: int, codes: int, width: int, layers: int, heads: int) -> None:
        """``positions`` is the number of codes of an image, row by row over its grid; ``codes`` is the size of the
        codebook; ``heads`` must divide ``width``.

        Raises:
            ValueError: it does not.
        """
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}.")
        self.positions, self.codes = positions, codes
        self.embedding = nn.Parameter(0.02 * torch.randn(codes, width))
        self.start = nn.Parameter(0.02 * torch.randn(1, width))
        self.position = nn.Parameter(0.02 * torch.randn(positions, width))
        self.blocks = nn.ModuleList(_Block(width, heads, layers) for _ in range(layers))
        self.head = nn.Parameter(0.02 * torch.randn(codes, width))

    def loss(self, indices: Tensor) -> Tensor:
        """Mean cross-entropy of a code given those before it, in nats; a float scalar.

        ``indices`` is int64 [batch, positions] in [0, codes).
        """
        logits = self.logits(indices[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), indices.flatten())

    def logits(self, before: Tensor) -> Tensor:
        """Int64 [batch, n], n < positions, of the first codes to the logits of codes 0..n, [batch, n + 1, codes]."""
        start = self.start.expand(before.shape[0], 1, -1)
        hidden = torch.cat([start, F.embedding(before, self.embedding)], dim=1) + self.position[: before.shape[1] + 1]
        for block in self.blocks:
            hidden = block(hidden)
        return F.linear(_normalise(hidden), self.head)

    @torch.no_grad()
    def sample(self, noise: Tensor) -> Tensor:
        """Float32 standard normal [batch, positions] to codes distributed as the prior says, int64 of that shape.

        Code i is where the prior's cumulative distribution passes Phi(noise i). One rounding error there would change
        all codes after it, so everything is in float64 and of operators that onnxruntime has in float64: two runtimes
        then disagree only where noise falls within about 1e-13 of a step. Keys and values are kept, so all steps
        cost about one pass over all positions.

        The positions are a loop, also in the exported graph: unrolled they would be thousands of nodes, over which
        the exporter sits for minutes.
        """
        batch = noise.shape[0]
        head, embedding = self.head.double(), self.embedding.double()
        blocks: list[_Block] = list(self.blocks)  # type: ignore[arg-type]
        weights = [block.weights(torch.float64) for block in blocks]

        def step(carry: _Tensors, inputs: _Tensors) -> tuple[_Tensors, Tensor]:
            hidden, *memory = carry
            uniform, position, hide = inputs
            hidden = hidden + position
            caches: list[Tensor] = []
            for block, matrices, keys, values in zip(blocks, weights, memory[::2], memory[1::2], strict=True):
                hidden, *memories = block.step(hidden, matrices, keys, values, hide)
                caches += memories
            code = invert_cdf(F.linear(_normalise(hidden), head), uniform.unsqueeze(1))
            return (F.embedding(code, embedding), *caches), code

        start = self.start.double().expand(batch, -1).clone()
        memory = [start.new_zeros(batch, self.positions, block.head_dim) for block in blocks for _ in range(2)]
        # Memory is filled from its end: at position i its first positions - 1 - i places are not there yet.
        hide = torch.zeros(self.positions, self.positions, dtype=torch.float64, device=noise.device)
        hide = hide.masked_fill(torch.ones_like(hide, dtype=torch.bool).triu(1).flip(1), -torch.inf)
        rows = (normal_cdf(noise.double()).T.clone(), self.position.double(), hide)
        return _scan(step, (start, *memory), rows).T


_Tensors = tuple[Tensor, ...]


def _scan(step: Callable[[_Tensors, _Tensors], tuple[_Tensors, Tensor]], carry: _Tensors, inputs: _Tensors) -> Tensor:
    """``step`` of the carry and of each row of ``inputs`` in turn: its second results, stacked."""
    if torch.compiler.is_exporting():
        from torch._higher_order_ops.scan import scan  # outside of an export it would compile ``step`` first

        out: Tensor = scan(step, carry, inputs)[1]
        return out
    results = []
    for row in zip(*inputs, strict=True):
        carry, result = step(carry, row)
        results.append(result)
    return torch.stack(results)


class _Block(nn.Module):
    """Causal self-attention, then a ReLU layer four times as wide; both residual, both normalised at their input.

    All heads share one key and one value (Shazeer 2019), so that what sampling remembers, and moves, is small.
    """

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, width // heads
        # The nearest power of two to 1 / sqrt(head_dim): the exporter writes Python's numbers as float32.
        self.scale = 2.0 ** -round(math.log2(self.head_dim) / 2)
        last = 0.02 / (2 * layers) ** 0.5  # residual branches start small (Radford 2019, section 2.3)
        self.attend = nn.Parameter(0.02 * torch.randn(width + 2 * self.head_dim, width))
        self.gather = nn.Parameter(last * torch.randn(width, width))
        self.widen = nn.Parameter(0.02 * torch.randn(4 * width, width))
        self.narrow = nn.Parameter(last * torch.randn(width, 4 * width))

    def weights(self, dtype: torch.dtype) -> list[Tensor]:
        """This block's matrices, in the order that :meth:`step` takes them."""
        return [weight.to(dtype) for weight in (self.attend, self.gather, self.widen, self.narrow)]

    def forward(self, hidden: Tensor) -> Tensor:
        """All positions at once: float [batch, n, width] to the same."""
        query, key, value = self._split(F.linear(_normalise(hidden), self.attend))
        query = query.view(*query.shape[:2], self.heads, self.head_dim).transpose(1, 2)
        key, value = (each.unsqueeze(1).expand_as(query) for each in (key, value))
        attention = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale)
        hidden = hidden + F.linear(attention.transpose(1, 2).flatten(2), self.gather)
        return hidden + F.linear(F.linear(_normalise(hidden), self.widen).relu(), self.narrow)

    def step(
        self, hidden: Tensor, weights: list[Tensor], keys: Tensor, values: Tensor, hide: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One more position: float [batch, width] to the same, and keys and values moved on by one place.

        ``keys`` and ``values`` are [batch, positions, head_dim], the newest last; ``hide`` [positions] is added to the
        scores.
        """
        attend, gather, widen, narrow = weights
        query, key, value = self._split(F.linear(_normalise(hidden), attend))
        query = query.view(-1, self.heads, self.head_dim) * self.scale
        keys = torch.cat([keys[:, 1:], key.unsqueeze(1)], dim=1)
        values = torch.cat([values[:, 1:], value.unsqueeze(1)], dim=1)
        share = (query @ keys.transpose(1, 2) + hide).softmax(-1)
        hidden = hidden + F.linear((share @ values).flatten(1), gather)
        return hidden + F.linear(F.linear(_normalise(hidden), widen).relu(), narrow), keys, values

    def _split(self, projection: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of all heads, the key, the value."""
        query, key, value = projection.split_with_sizes(
            [self.heads * self.head_dim, self.head_dim, self.head_dim], dim=-1
        )
        return query, key, value


def _normalise(hidden: Tensor) -> Tensor:
    """Divide by the root mean square over the last dimension."""
    # A power of two is the same number in float32, as which the exporter writes it.
    return hidden / (hidden.square().mean(-1, keepdim=True) + 2.0**-20).sqrt()


def invert_cdf(logits: Tensor, uniform: Tensor) -> Tensor:
    """The class whose share of [0, 1) holds ``uniform``.

    Logits float64 [batch, classes] and uniform float64 [batch, 1] in [0, 1] to int64 [batch].
    """
    cumulative = (logits - logits.amax(-1, keepdim=True)).exp().cumsum(-1)
    return (cumulative[:, :-1] <= uniform * cumulative[:, -1:]).sum(-1)


# Phi(-x) = t/2 * exp(polynomial(t) - x^2/2), t = 3 / (3 + x), x >= 0: the form of Numerical Recipes' erfc (Press 2007,
# section 6.2.2), refitted by Chebyshev interpolation over x in [0, 14]. Constant term first.
_TAIL = (
    -1.32439459030044, 0.999711552067135, 0.392972983122208, 0.0772169718154625, 0.130436677485899,
    -0.792142775626003, 1.59446378026662, -2.86124308714041, 2.99618341117023, -0.986164353576296,
    -1.05653435287584, 1.29519286757532, -0.555553353466007, 0.0898542695655561,
)  # fmt: skip


def normal_cdf(x: Tensor) -> Tensor:
    """Phi(x), within 5e-11. onnxruntime has no erf in float64; this is sums, products and one exponential."""
    size = x.abs()
    t = 3.0 / (3.0 + size)
    # A tensor, because the exporter writes Python's numbers as float32: 1e-8 off, which changes a code in 50,000.
    coefficients = torch.tensor(_TAIL, dtype=x.dtype, device=x.device)
    polynomial = coefficients[-1].expand_as(t)
    for coefficient in coefficients[:-1].flip(0):
        polynomial = polynomial * t + coefficient
    tail = 0.5 * t * (polynomial - 0.5 * size * size).exp()
    return torch.where(x > 0, 1.0 - tail, tail)
