"""An autoencoder whose code is a chain of overlapping cliques, and a value that is a mean of functions of one clique each (Cliqueformer).

znowu/cliqueformer-code @46501f7, `models/cliqueformer.py`, `models/graphops.py` and `architectures/`. Designs are tokens: each number of a
box, or each letter of a sequence as one-hot; of long designs several neighbours together, which is ours. Transformers have two heads and
norms after their layers; batch norms count each token or clique as a channel.
"""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.generative.causal_transformer import dropped
from bbo.generative.letters import LetterTable
from bbo.generative.score_networks import linear, waves

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

HEADS = 2
#: Deviations are kept between these.
DEVIATIONS = (1e-3, 1e2)


def chain(cliques: int, dim: int, overlap: int, device: torch.device) -> Tensor:
    """Places (cliques, dim) of the cliques in a code: each begins `overlap` places before the last one's end."""
    return torch.arange(dim, device=device) + (dim - overlap) * torch.arange(cliques, device=device)[:, None]


class Block(nn.Module):
    """Self-attention and a perceptron of twice the width, each added to its input, then normed."""

    def __init__(self, width: int, generator: Generator) -> None:
        super().__init__()
        self.queries_keys_values, self.attended = linear(width, 3 * width, generator), linear(width, width, generator)
        self.up, self.down = linear(width, 2 * width, generator), linear(2 * width, width, generator)
        self.after_attention, self.after_mlp = (nn.LayerNorm(width, device=generator.device) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (n, T, width) to tokens."""
        query, key, value = self.queries_keys_values(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = self.after_attention(x + self.attended(mixed))
        return self.after_mlp(x + self.down(F.gelu(self.up(x))))


class Tokens(nn.Module):
    """A linear map of each token, GELU and batch norm; then blocks, with an embedding of the token's place added before them."""

    places: Tensor

    def __init__(self, tokens: int, features: int, width: int, blocks: int, generator: Generator) -> None:
        super().__init__()
        self.embed, self.norm = linear(features, width, generator), nn.BatchNorm1d(tokens, device=generator.device)
        self.place = nn.Sequential(linear(width, 2 * width, generator), nn.GELU(), linear(2 * width, width, generator))
        self.register_buffer("places", waves(torch.arange(tokens, device=generator.device).float(), width))
        self.blocks = nn.Sequential(*(Block(width, generator) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, features) to (n, tokens, width)."""
        return self.blocks(self.norm(F.gelu(self.embed(x))) + self.place(self.places))


class CliqueVAE(nn.Module):
    """Designs to a code and back.

    Args:
        length: L, of a design. letters: letters of the positions of a sequence, or None for a box of L numbers.
        cliques, dim, overlap: shape of the code, of `(dim - overlap) (cliques - 1) + dim` numbers.
        width, blocks: of the two transformers.
        generator: source of the weights.
        patch: neighbouring numbers or letters that the encoder reads as one token.
    """

    index: Tensor

    def __init__(
        self,
        length: int,
        letters: LetterTable | None,
        cliques: int,
        dim: int,
        overlap: int,
        width: int,
        blocks: int,
        generator: Generator,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.letters, self.patch, device = letters, patch, generator.device
        self.latent = (dim - overlap) * (cliques - 1) + dim
        self.register_buffer("index", chain(cliques, dim, overlap, device))
        features = letters.absent.shape[1] if letters else 1
        tokens = math.ceil(length / patch)
        self.reads = Tokens(tokens, patch * features, width, blocks, generator)
        self.narrow, self.narrowed = linear(width, 1, generator), nn.BatchNorm1d(tokens, device=device)
        self.code = linear(tokens, 2 * self.latent, generator)
        self.writes = Tokens(cliques, dim, width, blocks, generator)
        each = letters.dim if letters else dim
        self.wide, self.widened = linear(width, each, generator), nn.BatchNorm1d(cliques, device=device)
        self.out = linear(cliques * features, features, generator) if letters else linear(cliques * dim, 2 * length, generator)

    def read(self, x: Tensor) -> Tensor:
        """Tokens (n, T, patch features) of designs: encoded numbers (n, L), or letters (n, L), int64; the last is filled with zeros."""
        each = F.one_hot(x, self.letters.absent.shape[1]).float() if self.letters else x[..., None]
        return F.pad(each, (0, 0, 0, -x.shape[1] % self.patch)).unflatten(1, (-1, self.patch)).flatten(2)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (n, latent) of the codes of designs (n, L)."""
        tokens = self.narrowed(F.gelu(self.narrow(self.reads(self.read(x)))[..., 0]))
        mean, log_deviation = self.code(tokens).chunk(2, 1)
        return mean, log_deviation.exp().clamp(*DEVIATIONS)

    def cliques(self, z: Tensor) -> Tensor:
        """Cliques (n, cliques, dim) of codes (n, latent)."""
        return z[:, self.index]

    def decode(self, z: Tensor) -> Tensor:
        """What codes (n, latent) say of designs: log probabilities (n, L, C) of letters, or mean and log deviation (n, 2 L)."""
        wide = self.widened(F.gelu(self.wide(self.writes(self.cliques(z)))))
        if self.letters is None:
            return self.out(wide.flatten(1))
        tables = wide.unflatten(2, tuple(self.letters.absent.shape)).transpose(1, 2).flatten(2)  # (n, L, cliques C)
        return self.letters.log_probabilities(self.out(tables).flatten(1))

    def designs(self, z: Tensor) -> Tensor:
        """The likeliest letters (n, L), or the mean encoded numbers (n, L), of codes (n, latent)."""
        told = self.decode(z)
        return told.argmax(2) if self.letters else told.chunk(2, 1)[0]

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) (n,), summed over the tokens."""
        told = self.decode(z)
        if self.letters:
            return told.gather(2, x[..., None])[..., 0].sum(1)
        mean, log_deviation = told.chunk(2, 1)
        deviation = log_deviation.exp().clamp(*DEVIATIONS)
        return -(0.5 * ((x - mean) / deviation).square() + deviation.log() + 0.5 * math.log(2 * math.pi)).sum(1)

    def divergence(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """KL of each clique's codes from N(0, I), (n, cliques)."""
        each = 0.5 * (mean.square() + deviation.square() - 1) - deviation.log()
        return self.cliques(each).sum(2)


class CliqueValue(nn.Module):
    """The mean over the cliques of a function of a clique and its place in the chain."""

    places: Tensor

    def __init__(self, cliques: int, dim: int, hidden: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.dropout, device = dropout, generator.device
        self.first, self.second = linear(dim, hidden, generator), linear(hidden, hidden, generator)
        self.norms = nn.ModuleList(nn.BatchNorm1d(cliques, device=device) for _ in range(2))
        self.place = nn.Sequential(linear(hidden, 2 * hidden, generator), nn.ReLU(), linear(2 * hidden, hidden, generator))
        self.register_buffer("places", waves(torch.arange(cliques, device=device).float(), hidden))
        self.last = linear(hidden, 1, generator)

    def forward(self, cliques: Tensor, noise: Generator | None = None) -> Tensor:
        """Cliques (n, cliques, dim) to values (n,); `noise` turns dropout on."""
        x = dropped(F.gelu(self.norms[0](self.first(cliques))), self.dropout, noise) + self.place(self.places)
        x = dropped(F.gelu(self.norms[1](self.second(x))), self.dropout, noise)
        return self.last(x)[..., 0].mean(1)

    def copy(self) -> CliqueValue:
        """A copy that is not trained, in evaluation mode."""
        return deepcopy(self).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self, other: CliqueValue, share: float, norms: bool = True) -> None:
        """Move these weights towards another's by a share; with `norms` take its batch norms' running moments."""
        for mine, theirs in zip(self.parameters(), other.parameters(), strict=True):
            mine.lerp_(theirs, share)
        if norms:
            for old, new in zip(self.buffers(), other.buffers(), strict=True):
                old.copy_(new)
