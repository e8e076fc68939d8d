"""CPU and CUDA: designs of the same quality. Runs only where CUDA is; bits differ between device types, scores must not."""

import os

import numpy as np
import pytest
import torch

from bbo import catalogue
from bbo.errors import Unavailable
from bbo.problem import Problem
from bbo.testing.methods import SPACES, make_problem

if not torch.cuda.is_available() and not os.environ.get("BBO_TEST_CUDA"):  # `make gpu` sets it, so that it fails without a GPU
    pytest.skip("needs CUDA", allow_module_level=True)


def loadable() -> list[str]:
    found = []
    for name in catalogue.method_ids():
        try:
            catalogue.load_method(name)
        except Unavailable:
            continue
        found.append(name)
    return found


def pairs() -> list[tuple[str, str]]:
    """Every method that can be loaded with every space that it fits."""
    return [
        (name, space) for name in loadable() for space in SPACES if not catalogue.load_method(name).unsuitable(SPACES[space], 1000)
    ]


def true_scores(designs: np.ndarray, space) -> np.ndarray:
    """The function behind `make_problem`, of designs mapped back to [0, 1]."""
    low = np.asarray(getattr(space, "low", np.zeros(space.shape)))
    high = np.asarray(getattr(space, "high", getattr(space, "letters", 1)))
    numbers = (designs - low) / (high - low)
    return -np.square(numbers - 0.6).sum(1) + 0.1 * np.sin(9 * numbers).sum(1)


@pytest.mark.parametrize(("name", "space"), pairs())
def test_scores_on_cuda_are_those_of_the_cpu(name, space):
    method, space = catalogue.load_method(name), SPACES[space]
    preset = "fast" if "fast" in method.presets() else "default"
    medians = {}
    for device in ("cpu", "cuda"):
        per_seed = []
        for seed in range(4):
            made = make_problem(space, 64, seed=0)
            generator = torch.Generator(device).manual_seed(seed)
            problem = Problem(
                made.x.to(device), made.y.to(device), space, 64, generator, {"y_max": float(made.privileged("y_max"))}
            )
            designs = torch.as_tensor(method.cls(**method.config(preset, "", {}).config).propose(problem))
            assert designs.device.type == device or name == "random"
            per_seed.append(np.median(true_scores(space.check(designs.cpu().numpy()), space)))
        medians[device] = per_seed
    spread = np.std(medians["cpu"]) + np.std(medians["cuda"])
    assert abs(np.mean(medians["cpu"]) - np.mean(medians["cuda"])) <= 3 * spread + 0.05


@pytest.mark.parametrize(("name", "space"), pairs())
def test_same_cell_on_the_same_gpu_gives_the_same_bits(name, space):
    method = catalogue.load_method(name)
    preset = "smoke" if "smoke" in method.presets() else "default"
    runs = []
    for _ in range(2):
        made = make_problem(SPACES[space], 16)
        generator = torch.Generator("cuda").manual_seed(0)
        problem = Problem(made.x.cuda(), made.y.cuda(), made.space, 16, generator, {"y_max": float(made.privileged("y_max"))})
        runs.append(torch.as_tensor(method.cls(**method.config(preset, "", {}).config).propose(problem)))
    assert torch.equal(*runs)
