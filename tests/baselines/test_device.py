"""A GPU without a GPU: no method makes a tensor without saying where, and none carries numbers off the device in its loops.

Every method's smoke preset runs under a torch function mode that sees each call made by code of ours (`bbo.*`); what libraries
do inside is theirs. Factories must name a device. Transfers (`.cpu()`, `.item()`, `float(tensor)`, ...) are allowed only where
`ALLOWED` says so, with the reason, and only so often: a transfer in a loop is one too many.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

import bbo.baselines
from bbo import catalogue
from bbo.errors import Unavailable
from bbo.testing.methods import SPACES, make_problem

FACTORY_NAMES = """
arange as_tensor empty empty_strided eye from_numpy full hann_window linspace logspace ones rand randint randn randperm scalar_tensor
sparse_coo_tensor tensor tril_indices triu_indices zeros
"""
TRANSFER_NAMES = "cpu numpy item tolist __array__ __bool__ __float__ __int__ __index__ __complex__ __format__"
FACTORIES = {getattr(torch, name) for name in FACTORY_NAMES.split()}
TRANSFERS = {getattr(torch.Tensor, name) for name in TRANSFER_NAMES.split()}
#: Enough rows for several batches an epoch, so that once an epoch and once a batch can be told apart.
ROWS = 2000
#: Where numbers may leave the device: (file, function) to (most times in one smoke run, reason); once an epoch is 5 times.
ALLOWED: dict[tuple[str, str], tuple[int, str]] = {
    ("problem.py", "on_host"): (12, "each with its reason where it is called"),
    ("encoding.py", "of"): (2, "the scale of y, as plain numbers, once"),
    ("floors.py", "propose"): (2, "Random: a space maps numbers in NumPy, as tasks do"),
    ("networks.py", "spawn"): (1, "seeds of the members' generators, once"),
    ("training.py", "fit"): (6, "the mean loss, once an epoch, which must be finite to go on"),
    ("training.py", "_evaluate"): (6, "the validation loss, once an epoch, which decides about the best weights and patience"),
    ("sharpness.py", "take"): (18, "the regulariser's facts for the record, three an epoch at most"),
    ("coms.py", "propose"): (1, "the path of the penalty's weight, for the record, once"),
    ("gaussian_process.py", "fit_likelihood"): (3, "the kernel's three numbers, once"),
    ("gaussian_process.py", "fit"): (4, "whether the factorisation failed, once a posterior"),
    ("gaussian_process.py", "median_distance"): (1, "the distance rule's number, once"),
    ("grid_gaussian_process.py", "of"): (1, "where the grid is cut in two: computed on the CPU from the space"),
    ("grid_gaussian_process.py", "__init__"): (
        6,
        "size of the preconditioner's basis and whether it can be factorised, once a round",
    ),
    ("grid_gaussian_process.py", "fit"): (60, "whether the conjugate gradients have converged, once an iteration"),
    ("brownian_bridge.py", "linear"): (3, "the schedule: made on the CPU, then carried to the device, once"),
    ("bridge_training.py", "train"): (4, "the plateau rule compares losses on the host, once an update of the averaged weights"),
    ("problem.py", "shared"): (1, "what seeds share lies with the host, once"),
    ("walk_family.py", "_error"): (6, "whether the interpolated walks are within the tolerance, twice for each order"),
    ("root.py", "_walks"): (8, "lengthscale and variance of each synthetic function, which name its kernel"),
    ("root.py", "_box"): (1, "the family's lengthscale, once"),
    ("root.py", "_epochs"): (1, "the mean gain, for the record, once"),
    ("root.py", "_target"): (1, "the target, for the record, once"),
    ("root.py", "propose"): (1, "the losses, for the record, once"),
}


class Watch(TorchFunctionMode):
    """Collects factories without a device and transfers, by the place in our code that called them."""

    def __init__(self) -> None:
        super().__init__()
        self.homeless: Counter[str] = Counter()
        self.transfers: Counter[tuple[str, str]] = Counter()

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if (function in TRANSFERS or to_cpu(function, arguments, options)) and (place := caller(TENSOR_HOME)):
            self.transfers[place] += 1
        elif makes_nowhere(function, arguments, options) and (place := caller(TORCH_HOME)):
            self.homeless[f"torch.{function.__name__} in {place[0]}, {place[1]}"] += 1
        return function(*arguments, **options)


HOMES = tuple(str(Path(folder).resolve()) for package in (bbo, bbo.baselines) for folder in package.__path__)
#: A factory inside torch.nn is made by who called the layer; a transfer inside an optimiser is torch's own (its counters are on
#: the CPU on purpose), but those that a tensor's Python methods stand for are the caller's.
TORCH_HOME = (str(Path(torch.__file__).parent),)
TENSOR_HOME = tuple(str(Path(torch.__file__).parent / name) for name in ("_tensor.py", "overrides.py"))


def caller(skipped: tuple[str, ...]) -> tuple[str, str] | None:
    """File and function of the innermost frame that is not skipped, if that is ours."""
    frame = sys._getframe(1)
    # Comprehensions, frames of their own before Python 3.12, count to their function.
    while frame and (frame.f_code.co_filename.startswith((*skipped, __file__)) or frame.f_code.co_name.startswith("<")):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_filename.startswith(HOMES):
        return None
    return Path(frame.f_code.co_filename).name, frame.f_code.co_name


def makes_nowhere(function, arguments, options) -> bool:
    keeps_its_device = function is torch.as_tensor and isinstance(arguments[0], torch.Tensor)
    return function in FACTORIES and options.get("device") is None and not keeps_its_device


def to_cpu(function, arguments, options) -> bool:
    target = options.get("device", arguments[1] if len(arguments) > 1 else None)
    return function is torch.Tensor.to and isinstance(target, str | torch.device) and torch.device(target).type == "cpu"


def names() -> list[str]:
    """Every method that can be loaded here, and every one with a sharpness regulariser that takes one."""
    found = []
    for name in catalogue.method_ids():
        try:
            spec = catalogue.load_method(name).spec
        except Unavailable:
            continue
        found.append(name)
        if spec.composable:
            found += [f"{name}+{regulariser}" for regulariser in ("ignite", "ignite2", "sam")]
    return found


def watched(propose, problem):
    with Watch() as watch:
        propose(problem)
    return watch


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("name", names())
def test_tensors_have_a_device_and_stay_there(name, space):
    method = catalogue.load_method(name)
    preset = "smoke" if "smoke" in method.presets() else "default"
    method = method.cls(**method.config(preset, "", {}).config)
    watch = watched(method.propose, make_problem(space, 8, rows=ROWS))
    assert not watch.homeless, f"made without a device: {dict(watch.homeless)}; pass device=problem.device"
    allowed = {place: most for place, (most, _) in ALLOWED.items()}
    excess = {place: count for place, count in watch.transfers.items() if count > allowed.get(place, 0)}
    assert not excess, f"numbers leave the device: {excess}; keep them there, or document the exception in ALLOWED"


def test_exceptions_are_documented():
    assert all(reason and most > 0 for most, reason in ALLOWED.values())


def test_the_watch_sees_what_it_should(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "caller", lambda skipped: ("here", "there"))

    def careless(problem):
        torch.zeros(3)
        torch.zeros(3, device="cpu")
        torch.as_tensor(problem.x)
        torch.tensor(1.0)
        problem.y.sum().item()
        if problem.y.max() > -100:
            float(problem.y[0])
        problem.y.cpu().numpy().tolist()
        problem.y.to("cpu")

    watch = watched(careless, make_problem(SPACES["box"], 8))
    assert dict(watch.homeless) == {"torch.zeros in here, there": 1, "torch.tensor in here, there": 1}
    assert watch.transfers == {("here", "there"): 6}
