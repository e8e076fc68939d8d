"""A forest of regression trees as a learned oracle: arrays of an npz file and their vectorised evaluation, NumPy only.

Trained by tools/train_oracle.py with scikit-learn, which is not needed to score.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def to_arrays(forest: Any) -> dict[str, np.ndarray]:
    """A fitted scikit-learn forest as flat node arrays; see `predict` for their meaning.

    Children of a node stand side by side (nodes are renumbered breadth first), so one index per node is enough.
    """
    roots, features, thresholds, children, values = [], [], [], [], []
    start = 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        order, frontier = [0], np.array([0])
        while len(frontier):
            inner = frontier[tree.children_left[frontier] >= 0]
            frontier = np.stack([tree.children_left[inner], tree.children_right[inner]], axis=1).ravel()
            order.extend(frontier.tolist())
        place = np.empty(tree.node_count, np.int64)
        place[order] = np.arange(tree.node_count)
        leaf = tree.children_left[order] < 0
        left = np.where(leaf, 0, start + place[np.where(leaf, 0, tree.children_left[order])])
        roots.append(start)
        features.append(np.where(leaf, 0, tree.feature[order]))
        # A leaf needs no threshold and an inner node no value: one array holds both.
        thresholds.append(np.where(leaf, 0.0, tree.threshold[order]))
        values.append(np.where(leaf, tree.value[order, 0, 0], 0.0))
        children.append(left)
        start += tree.node_count
    split = np.concatenate(thresholds)
    number = np.where(np.concatenate(children) > 0, split, np.concatenate(values))
    return {
        "root": np.array(roots, np.uint32),
        "feature": np.concatenate(features).astype(np.uint8),
        "child": np.concatenate(children).astype(np.uint32),
        "number": number.astype(np.float32),
    }


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
