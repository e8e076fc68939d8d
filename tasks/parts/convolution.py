"""A convolutional network as a learned oracle: its weights are arrays of an npz file, its evaluation is here.

One-hot letters (n, C, L) -> convolutions of odd width with ReLU, same length -> all positions flattened -> one dense ReLU layer
-> a number z. The score is y_mean + y_std z, or, of a bounded network, y_low + (y_high - y_low) sigmoid(z) with the lowest and
highest measured score: for data that cover a small part of the space, where an optimizer would find scores far beyond any that
was measured. Evaluated in float64 on the CPU, so that threads and machines do not change significant digits. Trained by
tools/train_oracle.py.
"""

from __future__ import annotations

import numpy as np


def predict(weights: dict[str, np.ndarray], x: np.ndarray, batch: int = 1024) -> np.ndarray:
    """Predicted raw scores (n,), float64, of sequences x (n, L) of letter indices.

    `weights` holds conv{i}.weight (out, in, width) and conv{i}.bias (out,) for i = 0, 1, ..; dense.weight (H, out * L) and
    dense.bias (H,); head.weight (1, H) and head.bias (1,); y_low and y_high (), or y_mean and y_std (). Stored
    as float32 or float16.
    """
    import torch  # imported only for scoring: listing tasks must not wait for torch
    from torch.nn.functional import conv1d, linear, one_hot

    w = {key: torch.as_tensor(np.array(value, np.float64)) for key, value in weights.items()}
    convolutions = sum(key.startswith("conv") for key in w) // 2
    scores = []
    with torch.no_grad():
        for rows in torch.as_tensor(np.asarray(x, np.int64)).split(batch):
            h = one_hot(rows, w["conv0.weight"].shape[1]).double().transpose(1, 2)
            for i in range(convolutions):
                h = conv1d(h, w[f"conv{i}.weight"], w[f"conv{i}.bias"], padding="same").relu()
            h = linear(h.flatten(1), w["dense.weight"], w["dense.bias"]).relu()
            scores.append(linear(h, w["head.weight"], w["head.bias"])[:, 0])
    z = torch.cat(scores)
    if "y_low" in w:
        return (w["y_low"] + (w["y_high"] - w["y_low"]) * z.sigmoid()).numpy()
    return (w["y_mean"] + w["y_std"] * z).numpy()
