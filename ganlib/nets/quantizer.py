"""Vector quantisation with a codebook that follows its assignments (van den Oord 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.nets import collectives


class VectorQuantizer(nn.Module):
    """Each feature vector becomes the nearest of ``codes`` vectors.

    Vectors are projected to few dimensions and compared by angle (Yu 2022, section 3.2). They are normalised over the
    batch before that: a fresh encoder's features nearly coincide, and without it all of them take one code and the
    decoder learns the mean image. The codebook is no parameter: it follows the mean of what is assigned to it (van den
    Oord 2017, appendix A.1), and a code that is hardly used restarts at a random vector of the batch (Dhariwal 2020,
    section 3). All codes are unused before the first batch, so it also initialises them.

    All state is in parameters and buffers, all randomness from torch's global generator. Only :meth:`forward` in
    training mode moves the codebook.
    """

    codebook: Tensor
    usage: Tensor
    """Moving average of each code's share of the vectors, float [codes]; sums to about 1."""
    _sums: Tensor

    def __init__(self, codes: int, dim: int, *, code_dim: int = 8, decay: float = 0.95) -> None:
        """``dim`` is the width of the features, ``code_dim`` that of the codes, ``decay`` the averages' per batch."""
        super().__init__()
        self.codes, self.decay = codes, decay
        self.project = nn.Sequential(nn.Conv2d(dim, code_dim, 1, bias=False), nn.BatchNorm2d(code_dim, affine=False))
        self.expand = nn.Conv2d(code_dim, dim, 1)
        self.register_buffer("codebook", F.normalize(torch.randn(codes, code_dim), dim=1))
        self.register_buffer("usage", torch.zeros(codes))
        self.register_buffer("_sums", torch.zeros(codes, code_dim))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Float [batch, dim, h, w] to the quantised features, the commitment loss and the codes.

        Returns:
            Float [batch, dim, h, w], whose gradient passes straight through to ``features``; the mean squared distance
            of a projected vector (of length 1) from its code, float scalar in [0, 4], to be weighted by the caller
            (0.25 in the paper); int64 [batch, h * w] row by row.
        """
        unit = self._unit(features)
        vectors = unit.detach().permute(0, 2, 3, 1).reshape(-1, unit.shape[1])
        everywhere = collectives.gather(vectors) if self.training else vectors
        if self.training:
            self._restart(everywhere)
        with torch.autocast(features.device.type, enabled=False):  # a codebook and its averages are float32
            indices = self._nearest(vectors)
            codes = F.embedding(indices.view(unit.shape[0], *unit.shape[2:]), self.codebook).permute(0, 3, 1, 2)
            loss = (unit - codes).square().sum(1).mean()
            if self.training:
                self._follow(everywhere, self._nearest(everywhere) if everywhere is not vectors else indices)
        latents: Tensor = self.expand(unit + (codes - unit).detach())
        return latents, loss, indices.view(unit.shape[0], -1)

    def encode(self, features: Tensor) -> Tensor:
        """Float [batch, dim, h, w] to codes, int64 [batch, h * w] row by row; the codebook stays as it is."""
        unit = self._unit(features)
        return self._nearest(unit.permute(0, 2, 3, 1).reshape(-1, unit.shape[1])).view(unit.shape[0], -1)

    def decode(self, indices: Tensor, height: int) -> Tensor:
        """Codes int64 [batch, height * w] to quantised features, float [batch, dim, height, w]."""
        codes = F.embedding(indices, self.codebook).transpose(1, 2)
        latents: Tensor = self.expand(codes.reshape(*codes.shape[:2], height, -1))
        return latents

    def _unit(self, features: Tensor) -> Tensor:
        return F.normalize(self.project(features).float(), dim=1)

    def _nearest(self, vectors: Tensor) -> Tensor:
        return (vectors @ self.codebook.T).argmax(1)

    @torch.no_grad()
    def _restart(self, vectors: Tensor) -> None:
        """Put codes with less than a tenth of an even share at random vectors, with an even share's weight."""
        even = 1 / self.codes
        dead = (self.usage < 0.1 * even).unsqueeze(1)
        # Codes are no samples of the batch: a draw whose first dimension is 1 is never taken for one.
        picks = vectors[torch.randint(len(vectors), (1, self.codes), device=vectors.device)[0]]
        self.codebook.copy_(torch.where(dead, picks, self.codebook))
        self._sums.copy_(torch.where(dead, picks * even, self._sums))
        self.usage.copy_(torch.where(dead.squeeze(1), even, self.usage))

    @torch.no_grad()
    def _follow(self, vectors: Tensor, indices: Tensor) -> None:
        # A product with one-hot rows, because adding up by index is not repeatable on a GPU.
        assignment = F.one_hot(indices, self.codes).to(vectors.dtype).T / len(vectors)
        self.usage.lerp_(assignment.sum(1), 1 - self.decay)
        self._sums.lerp_(assignment @ vectors, 1 - self.decay)
        self.codebook.copy_(F.normalize(self._sums, dim=1))


def perplexity(indices: Tensor, codes: int) -> Tensor:
    """Effective number of codes among int64 ``indices`` of any shape: exp of their entropy, float scalar.

    From 1, one code alone, to ``codes``, all of them evenly.
    """
    flat = indices.flatten()
    # Not by bincount, for which a GPU would have to wait.
    counts = torch.zeros(codes, device=flat.device).scatter_add_(0, flat, torch.ones(len(flat), device=flat.device))
    share = counts / len(flat)
    entropy: Tensor = torch.special.entr(share).sum()
    return entropy.exp()


def use(indices: Tensor, codes: int) -> Tensor:
    """Share of the codebook that occurs among int64 ``indices`` of any shape, float scalar in (0, 1]."""
    return (torch.bincount(indices.flatten(), minlength=codes) > 0).float().mean()
