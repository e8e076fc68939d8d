"""Train a learned oracle on all rows of a data set, hidden ones too, and export it as npz arrays with its held-out quality.

    BBO_DATA_DIR=DIR python tools/train_oracle.py superconductor|utr|gfp [--threads 1]

A random 10 % of the rows (PCG64 seed 0) is held out for measuring; then the same recipe is run once more on all rows, and that
model is shipped. Writes tasks/data/NAME_oracle.npz and tasks/data/NAME_oracle.json (recipe, versions, held-out numbers).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.stats import spearmanr

from bbo import data

OUT = Path(__file__).parents[1] / "tasks" / "data"
SEED = 0

Weights = dict[str, np.ndarray]
#: A trained model: its weights, and predictions (n,) of designs.
Fitted = tuple[Weights, Callable[[np.ndarray], np.ndarray]]

RECIPES: dict[str, dict[str, object]] = {
    "superconductor": {
        "file": "superconductor/superconductor.npz", "model": "forest", "trees": 40, "max_features": 0.33, "min_leaf": 2,
        "visible": [0, 80],
    },
    "utr": {
        "file": "utr/utr.npz", "model": "convolution", "letters": 4, "channels": [64, 64, 64], "width": 7, "hidden": 64,
        "dropout": 0.15, "epochs": 6, "batch": 256, "rate": 2e-3, "visible": [0, 50],
    },
    "gfp": {
        "file": "gfp/gfp_amino_acid.npz", "model": "convolution", "letters": 20, "channels": [32, 16], "width": 5, "hidden": 64,
        "dropout": 0.15, "epochs": 14, "batch": 128, "rate": 1e-3, "bounded": True, "visible": [50, 60],
    },
}  # fmt: skip


def fit_forest(recipe: dict, x: np.ndarray, y: np.ndarray) -> Fitted:
    """Random forest, exported as flat node arrays."""
    from sklearn.ensemble import RandomForestRegressor

    from bbo.tasks.parts.forest import predict

    model = RandomForestRegressor(
        recipe["trees"], max_features=recipe["max_features"], min_samples_leaf=recipe["min_leaf"], random_state=SEED, n_jobs=1
    )
    weights = to_arrays(model.fit(x, y))
    return weights, lambda rows: predict(weights, rows)


def to_arrays(forest: Any) -> dict[str, np.ndarray]:
    """A fitted scikit-learn forest as flat node arrays; see `bbo.tasks.parts.forest.predict` for their meaning.

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


def fit_convolution(recipe: dict, x: np.ndarray, y: np.ndarray) -> Fitted:
    """Convolutional network (see bbo.tasks.parts.convolution): AdamW, one-cycle rate, mean squared error on standardised scores."""
    import torch
    from torch import nn

    from bbo.tasks.parts.convolution import predict

    torch.manual_seed(SEED)
    widths = [recipe["letters"], *recipe["channels"]]
    sizes = enumerate(itertools.pairwise(widths))
    net = nn.ModuleDict(
        {
            **{f"conv{i}": nn.Conv1d(a, b, recipe["width"], padding="same") for i, (a, b) in sizes},
            "dense": nn.Linear(widths[-1] * x.shape[1], recipe["hidden"]),
            "head": nn.Linear(recipe["hidden"], 1),
        }
    )

    def forward(rows: torch.Tensor) -> torch.Tensor:
        h = nn.functional.one_hot(rows, recipe["letters"]).float().transpose(1, 2)
        for i in range(len(recipe["channels"])):
            h = net[f"conv{i}"](h).relu()
        h = nn.functional.dropout(h.flatten(1), recipe["dropout"], net.training)
        return net["head"](nn.functional.dropout(net["dense"](h).relu(), recipe["dropout"], net.training))[:, 0]

    low, high, mean, std = (float(v) for v in (y.min(), y.max(), y.mean(), y.std()))
    bounded = recipe.get("bounded", False)
    if bounded:
        nn.init.constant_(net["head"].bias, np.log((mean - low) / (high - mean)))  # start at the mean score
    inputs, targets = torch.as_tensor(x.astype(np.int64)), torch.as_tensor(y, dtype=torch.float32)
    steps = recipe["epochs"] * (len(x) // recipe["batch"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe["rate"], weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe["rate"], total_steps=steps, pct_start=0.2)
    started, step = time.perf_counter(), 0
    for epoch in range(recipe["epochs"]):
        total = 0.0
        for rows in torch.randperm(len(x))[: len(x) // recipe["batch"] * recipe["batch"]].split(recipe["batch"]):
            z = forward(inputs[rows])
            predicted = low + (high - low) * z.sigmoid() if bounded else mean + std * z
            loss = ((predicted - targets[rows]) / std).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total, step = total + loss.item(), step + 1
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}/{recipe['epochs']}: loss {total * recipe['epochs'] / steps:.4f}, {seconds:.0f} s", flush=True)
    net.eval()
    # float16 halves the file; the network that is shipped and measured is the rounded one.
    weights = {key: value.detach().numpy().astype(np.float16) for key, value in net.state_dict().items()}
    scale = {"y_low": low, "y_high": high} if bounded else {"y_mean": mean, "y_std": std}
    weights |= {key: np.array(value) for key, value in scale.items()}
    return weights, lambda rows: predict(weights, rows)


def quality(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Spearman's rho, R2, root mean square and median absolute error."""
    error = predicted - y
    return {
        "rows": len(y),
        "spearman": round(float(spearmanr(y, predicted).statistic), 4),
        "r2": round(float(1 - error.var() / y.var() - error.mean() ** 2 / y.var()), 4),
        "rmse": round(float(np.sqrt((error**2).mean())), 4),
        "median_abs_error": round(float(np.median(np.abs(error))), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    recipe = RECIPES[options.name]
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    if recipe["model"] == "forest":
        import sklearn

        fit, versions["scikit-learn"] = fit_forest, sklearn.__version__
    else:
        import torch

        torch.set_num_threads(options.threads)
        fit, versions["torch"] = fit_convolution, torch.__version__
    arrays = data.load(recipe["file"])
    x, y = arrays["x"], arrays["y"].astype(np.float64)
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(len(y))
    held, rest = order[: len(y) // 10], order[len(y) // 10 :]
    _, predict = fit(recipe, x[rest], y[rest])
    report: dict[str, object] = {"recipe": recipe, "versions": versions, "held_out": quality(y[held], predict(x[held]))}
    # Repeated designs (one composition measured by several groups) make a random split easier than it looks.
    seen = {row.tobytes() for row in x[rest]}
    new = held[[row.tobytes() not in seen for row in x[held]]]
    if len(new) < len(held):
        report["held_out_new_designs"] = quality(y[new], predict(x[new]))
    print(json.dumps(report["held_out"]), flush=True)
    weights, predict = fit(recipe, x, y)
    report["all_rows"] = quality(y, predict(x))
    visible = y <= np.percentile(y, recipe["visible"][1])
    visible &= y >= np.percentile(y, recipe["visible"][0])
    report["visible"] = quality(y[visible], predict(x[visible]))
    path = data.store(f"{options.name}_oracle.npz", weights, OUT)
    report["content"] = data.content_hash(weights)
    (OUT / f"{options.name}_oracle.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["all_rows"]), path, path.stat().st_size)


if __name__ == "__main__":
    main()
