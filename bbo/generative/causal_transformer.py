"""A transformer in which every token sees only itself and the tokens before it, as GPT has it.

Pre-norm blocks, weights from N(0, 0.02^2), biases zero (siddarthk97/bonet @14b506a, `mingpt/model.py`). Dropout draws from a generator
that is handed in, since torch's own uses the global one.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def projection(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    """A linear layer with weights from N(0, 0.02^2) and zero biases."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=generator.device)
    nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def dropped(x: Tensor, rate: float, generator: Generator | None) -> Tensor:
    """Numbers of x set to 0 with probability `rate`, the others scaled up to keep the mean; x itself without a generator."""
    if generator is None or rate == 0:
        return x
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= rate
    return x * kept / (1 - rate)


def causal(length: int, device: torch.device) -> Tensor:
    """Which tokens (length, length) a token sees: true for itself and those before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class Block(nn.Module):
    """Masked self-attention and a perceptron of four times the width, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        device = generator.device
        self.before_attention, self.before_mlp = nn.LayerNorm(width, device=device), nn.LayerNorm(width, device=device)
        self.queries_keys_values = projection(width, 3 * width, generator)
        self.attended = projection(width, width, generator)
        self.up, self.down = projection(width, 4 * width, generator), projection(4 * width, width, generator)

    def forward(self, x: Tensor, seen: Tensor, noise: Generator | None) -> Tensor:
        """Tokens (n, T, width) to tokens; `seen` (T, T) says what each token attends to. `noise` turns dropout on."""
        x = x + dropped(self.attended(self._attention(self.before_attention(x), seen, noise)), self.dropout, noise)
        return x + dropped(self.down(F.gelu(self.up(self.before_mlp(x)))), self.dropout, noise)

    def _attention(self, x: Tensor, seen: Tensor, noise: Generator | None) -> Tensor:
        split = self.queries_keys_values(x).unflatten(2, (3, self.heads, -1))  # (n, T, 3, heads, width / heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if noise is None:
            return F.scaled_dot_product_attention(query, key, value, seen).transpose(1, 2).flatten(2)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        weights = dropped(scores.masked_fill(~seen, -math.inf).softmax(3), self.dropout, noise)
        return (weights @ value).transpose(1, 2).flatten(2)


class CausalTransformer(nn.Module):
    """`layers` blocks and a last layer norm.

    Args:
        width: numbers in a token; a multiple of `heads`.
        layers, heads: number of blocks, and of attention heads in each.
        dropout: probability of dropout in training.
        generator: source of the weights; the network is made on its device.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.dropout = dropout
        self.blocks = nn.ModuleList(Block(width, heads, dropout, generator) for _ in range(layers))
        self.norm = nn.LayerNorm(width, device=generator.device)

    def forward(self, tokens: Tensor, seen: Tensor | None = None, noise: Generator | None = None) -> Tensor:
        """Tokens (n, T, width) to tokens (n, T, width).

        Args:
            tokens: with their positions already added.
            seen: (T, T), true where the token of a row attends to the token of a column; by default `causal`.
            noise: source of dropout's random numbers; without it there is no dropout.
        """
        seen = causal(tokens.shape[1], tokens.device) if seen is None else seen
        tokens = dropped(tokens, self.dropout, noise)
        for block in self.blocks:
            tokens = block(tokens, seen, noise)
        return self.norm(tokens)


def adamw(network: nn.Module, learning_rate: float, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """AdamW with betas 0.9 and 0.95, as minGPT has it: only matrices decay, not biases, norms and embeddings of positions."""
    matrices = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
    chosen = set(map(id, matrices))
    others = [p for p in network.parameters() if id(p) not in chosen]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, learning_rate, (0.9, 0.95), fused=True)
