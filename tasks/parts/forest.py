"""A forest of regression trees as a learned oracle: arrays of an npz file and their vectorised evaluation, NumPy only.

Trained and turned into arrays by tools/train_oracle.py with scikit-learn, which is not needed to score.
"""

from __future__ import annotations

import numpy as np


def predict(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Mean prediction (n,), float64, of the trees at x (n, d), float32.

    Node k with child[k] > 0 goes to child[k] where x[feature[k]] <= number[k], else to child[k] + 1; with child[k] = 0 it is a leaf
    and predicts number[k]. root (T,) holds each tree's first node.
    """
    feature, child, number = arrays["feature"], arrays["child"].astype(np.int64), arrays["number"]
    x = np.asarray(x, np.float32)
    rows = np.arange(len(x))[:, None]
    node = np.broadcast_to(arrays["root"].astype(np.int64), (len(x), len(arrays["root"])))
    while True:
        below = child[node]
        inner = below > 0
        if not inner.any():
            return number[node].astype(np.float64).mean(axis=1)
        right = x[rows, feature[node]] > number[node]
        node = np.where(inner, below + right, node)
