"""Our training step against the authors' IGNITE.

`tests/golden/ignite_forward_model.npz` was made by running the authors' own code (cuong-dm/IGNITE @c702614) with TensorFlow 2.15 on
the CPU: twelve Adam steps on a Gaussian-head network without a regulariser, with IGNITE and with IGNITE-2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bbo.surrogates import losses, sharpness
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.training import Batch, adam, objective, step

GOLDEN = Path(__file__).parents[1] / "golden" / "ignite_forward_model.npz"
NAMES = [f"layers.{i}.{part}" for i in range(3) for part in ("weight", "bias")] + ["max_log_std", "min_log_std"]


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}


def regulariser(golden, kind, members):
    if kind == "plain":
        return sharpness.Unregularised()
    if kind == "ignite":
        weight, eta, epsilon, rho, r = golden["ignite_hyper"].tolist()
        return sharpness.Ignite(torch.full((members,), weight), eta, epsilon, rho, r)
    weight, rho, r = golden["ignite2_hyper"].tolist()
    return sharpness.Ignite(torch.full((members,), weight), 0.0, 0.0, rho, r)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "ignite", "ignite2"])
def test_twelve_steps_agree_with_the_authors(golden, kind, members):
    network = MLP(6, (16, 16), torch.Generator().manual_seed(0), gaussian=True)
    ensemble = Ensemble.of([network] * members)
    params = {
        name: golden[f"init.{i}"].reshape(ensemble.params[name].shape[1:]).expand(members, *ensemble.params[name].shape[1:]).clone()
        for i, name in enumerate(NAMES)
    }
    params = {name: params[name].requires_grad_() for name in ensemble.params}
    optimiser, regular = adam(params, golden["lr"].item()), regulariser(golden, kind, members)
    path = [getattr(regular, "weight", None)]
    for s in range(12):
        x, y, weight = (golden[key][s].expand(members, -1, -1) for key in ("x", "y", "sample_weight"))
        batch = Batch(x, y[..., 0], weight[..., 0])
        with torch.no_grad():
            values = losses.gaussian_nll(ensemble(batch.x, params), batch.y)
        assert_close(values, golden[f"{kind}.nll"][s, :, 0].expand(members, -1), rtol=1e-4, atol=2e-5)
        step(objective(ensemble, params, batch, losses.nll), params, regular, optimiser)
        path.append(getattr(regular, "weight", None))
    for i, name in enumerate(NAMES):
        for member in params[name]:
            assert_close(member, golden[f"{kind}.final.{i}"].reshape(member.shape), rtol=0, atol=2e-5)
    if kind == "ignite":
        assert_close(torch.stack(path)[:, 0], golden["ignite.lambda"], rtol=0, atol=2e-5)
