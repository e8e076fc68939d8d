"""Sequences as tables of probabilities, and draws from them that have gradients (Gumbel-softmax)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bbo.space import Sequence, Space

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class LetterTable:
    """Tables (L, C) over L positions, with C the largest number of letters of a position.

    Attributes:
        absent: (L, C), true where a position has no such letter.
    """

    absent: Tensor

    @classmethod
    def of(cls, letters: tuple[int, ...], device: torch.device) -> LetterTable:
        """Tables of positions with these numbers of letters."""
        counts = torch.tensor(letters, device=device)
        return cls(torch.arange(max(letters), device=device) >= counts[:, None])

    @classmethod
    def of_space(cls, space: Space, device: torch.device) -> LetterTable | None:
        """The tables of a space of sequences; None for spaces whose designs are numbers."""
        return cls.of(space.letters, device) if isinstance(space, Sequence) else None

    @property
    def dim(self) -> int:
        """L times C, the length of a flat table."""
        return self.absent.numel()

    def smoothed(self, x: Tensor, keep: float) -> Tensor:
        """Log probabilities (n, L, C) of letters x (n, L): `keep` on the letter, the rest spread evenly over the position's letters."""
        present = (~self.absent).float()
        even = present / present.sum(1, keepdim=True)
        table = keep * F.one_hot(x, self.absent.shape[1]).float() + (1 - keep) * even
        return torch.log(table.clamp(min=1e-30)).masked_fill(self.absent, -math.inf)

    def log_probabilities(self, flat: Tensor) -> Tensor:
        """Log probabilities (n, L, C) from any numbers (n, L C); letters that a position lacks have probability 0."""
        return flat.unflatten(1, tuple(self.absent.shape)).masked_fill(self.absent, -math.inf).log_softmax(2)

    def relaxed(self, log_probabilities: Tensor, temperature: float, generator: Generator) -> Tensor:
        """Draws (n, L C), flat, of the relaxed categorical distribution: softmax((log p + Gumbel noise) / temperature)."""
        noisy = log_probabilities + gumbel(log_probabilities, generator)
        return (noisy / temperature).softmax(2).flatten(1)

    def drawn(self, log_probabilities: Tensor, generator: Generator) -> Tensor:
        """Letters (n, L), int64, drawn from the probabilities: the limit of `relaxed` at temperature 0."""
        return (log_probabilities + gumbel(log_probabilities, generator)).argmax(2)


def gumbel(like: Tensor, generator: Generator) -> Tensor:
    """Standard Gumbel numbers of the shape of `like`."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device).clamp(1e-10, 1 - 1e-7)
    return -torch.log(-torch.log(uniform))
