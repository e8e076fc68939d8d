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

import bbo
from bbo import catalogue
from bbo.errors import Unavailable
from bbo.testing.baselines import SPACES, make_problem

FACTORIES = {
    getattr(torch, name)
    for name in [
        "arange",
        "as_tensor",
        "empty",
        "empty_strided",
        "eye",
        "from_numpy",
        "full",
        "hann_window",
        "linspace",
        "logspace",
        "ones",
        "rand",
        "randint",
        "randn",
        "randperm",
        "scalar_tensor",
        "sparse_coo_tensor",
        "tensor",
        "tril_indices",
        "triu_indices",
        "zeros",
    ]
}
TRANSFERS = {
    getattr(torch.Tensor, name)
    for name in [
        "cpu",
        "numpy",
        "item",
        "tolist",
        "__array__",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
        "__complex__",
        "__format__",
    ]
}
#: Where numbers may leave the device: (file, function) to (most times in one smoke run, reason).
ALLOWED: dict[tuple[str, str], tuple[int, str]] = {}


class Watch(TorchFunctionMode):
    """Collects factories without a device and transfers, by the place in our code that called them."""

    def __init__(self) -> None:
        super().__init__()
        self.homeless: Counter[str] = Counter()
        self.transfers: Counter[tuple[str, str]] = Counter()

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function in FACTORIES or function in TRANSFERS:
            place = caller()
            if place and function in TRANSFERS:
                self.transfers[place] += 1
            # as_tensor of a tensor keeps its device.
            elif place and "device" not in options and not (function is torch.as_tensor and isinstance(arguments[0], torch.Tensor)):
                self.homeless[f"torch.{function.__name__} in {place[0]}, {place[1]}"] += 1
        return function(*arguments, **options)


HOMES = tuple(str(Path(folder).resolve()) for folder in (*bbo.__path__, *__import__("bbo.baselines").baselines.__path__))


def caller() -> tuple[str, str] | None:
    """File and function of the innermost frame outside torch, if that is ours."""
    frame = sys._getframe(2)
    torch_home = str(Path(torch.__file__).parent)
    while frame and (frame.f_code.co_filename.startswith(torch_home) or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_filename.startswith(HOMES):
        return None
    return Path(frame.f_code.co_filename).name, frame.f_code.co_qualname


def names() -> list[str]:
    """Every baseline that can be loaded here, and every one with a sharpness regulariser that takes one."""
    found = []
    for name in catalogue.baseline_ids():
        try:
            cls = catalogue.load_baseline(name).cls
        except Unavailable:
            continue
        found.append(name)
        if getattr(cls, "composable", False):
            found += [f"{name}+{regulariser}" for regulariser in ("ignite", "ignite2", "sam")]
    return found


def watched(propose, problem):
    with Watch() as watch:
        propose(problem)
    return watch


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("name", names())
def test_tensors_have_a_device_and_stay_there(name, space):
    baseline = catalogue.load_baseline(name)
    preset = "smoke" if "smoke" in baseline.presets() else "default"
    method = baseline.cls(**baseline.config(preset, "", {}).config)
    watch = watched(method.propose, make_problem(space, 8))
    assert not watch.homeless, f"made without a device: {dict(watch.homeless)}; pass device=problem.device"
    allowed = {place: most for place, (most, _) in ALLOWED.items()}
    excess = {place: count for place, count in watch.transfers.items() if count > allowed.get(place, 0)}
    assert not excess, f"numbers leave the device: {excess}; keep them there, or document the exception in ALLOWED"


def test_exceptions_are_documented():
    assert all(reason and most > 0 for most, reason in ALLOWED.values())


def test_the_watch_sees_what_it_should(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "caller", lambda: ("here", "there"))

    def careless(problem):
        torch.zeros(3)
        torch.zeros(3, device="cpu")
        torch.as_tensor(problem.x)
        torch.tensor(1.0)
        problem.y.sum().item()
        if problem.y.max() > 0:
            float(problem.y[0])
        problem.y.cpu().numpy().tolist()

    watch = watched(careless, make_problem(SPACES["box"], 8))
    assert dict(watch.homeless) == {"torch.zeros in here, there": 1, "torch.tensor in here, there": 1}
    assert watch.transfers == {("here", "there"): 5}
