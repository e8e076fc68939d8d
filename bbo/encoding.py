"""The visible table as vectors in R^d with z-scored columns, and the way back to designs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.codecs import Codec
from bbo.device import on_host
from bbo.space import Space

#: Raised whenever a change here, in `bbo.codecs`, `bbo.problem` or `bbo.space` could move a score (see `bbo.versions`): every method
#: uses these.
VERSION = 1


@dataclass(frozen=True)
class Encoded:
    """The visible table as numbers: x (N, d) and y (N,), float32, mean 0 and deviation 1 (ddof 0) in every column, up to float32's rounding.

    The mean of a column of x is subtracted in float32: where it was m times the deviation, up to 6e-8 m is left of it.
    A column that is constant over the visible rows keeps its scale (deviation taken as 1). The unstandardised view holds the
    codec's own vectors (x_mean 0, x_std 1), such as the logits of sequences; its y is z-scored all the same.
    """

    space: Space
    x: Tensor
    y: Tensor
    x_mean: Tensor
    x_std: Tensor
    y_mean: float
    y_std: float
    codec: Codec

    @classmethod
    def of(cls, space: Space, x: Tensor, y: Tensor, standardise: bool = True) -> Encoded:
        """Encode a visible table, x (N, *shape) and y (N,); without `standardise` the columns of x stay as the codec made them."""
        codec = space.codec(x.device)
        raw = codec.encode(x)
        # Moments in float64: a float32 sum over 10^5 rows loses the digits that comparisons with published code need.
        y64 = y.double()
        y_mean, y_std = on_host(torch.stack([y64.mean(), y64.std(correction=0)]), "the scale of y, once")
        y_std = y_std if y_std > 0 else 1.0
        z = ((y64 - y_mean) / y_std).float()
        if not standardise:
            return cls(space, raw, z, raw.new_zeros(raw.shape[1]), raw.new_ones(raw.shape[1]), y_mean, y_std, codec)
        mean64 = raw.mean(dim=0, dtype=torch.float64)
        std64 = (raw.double() - mean64).square().mean(dim=0).sqrt()
        # A constant column's mean may be off by a rounding, and its deviation then is not 0.
        std64 = torch.where((std64 > 0) & (raw.amax(0) > raw.amin(0)), std64, torch.ones_like(std64))
        mean, std = mean64.float(), std64.float()
        return cls(space, (raw - mean) / std, z, mean, std, y_mean, y_std, codec)

    @property
    def dim(self) -> int:
        """d, the number of encoded coordinates."""
        return self.x.shape[1]

    def encode(self, designs: Tensor) -> Tensor:
        """Designs (n, *shape) to vectors (n, d) of this view."""
        return (self.codec.encode(designs) - self.x_mean) / self.x_std

    def decode(self, x: Tensor) -> Tensor:
        """Vectors (n, d) of this view to designs (n, *shape): argmax letters and options, and values clipped to their bounds."""
        return self.codec.decode(x.float() * self.x_std + self.x_mean)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Vectors (d,) of the two corners of a box, all low and all high: every point between them is a design's vector.

        Raises:
            ValueError: the space is not a box. Vectors of other spaces have no such bounds: a one-hot option can be lower than in the
                design with all options last.
        """
        if self.space.kind != "continuous":
            raise ValueError(f"only vectors of a continuous space have bounds; this one is {self.space.kind}")
        low, high = self.encode(torch.as_tensor(self.space.corners(2), device=self.x.device))
        return low, high

    def standardise(self, y: Tensor | float) -> Tensor | float:
        """Raw scores to z-scored ones."""
        return (y - self.y_mean) / self.y_std
