"""A GPU without a GPU: no method makes a tensor without saying where, and none carries numbers off the device in its loops.

Every method's smoke preset runs under a torch function mode that sees each call made by code of ours (`bbo.*`); what libraries
do inside is theirs. Factories must name a device. Transfers (`.cpu()`, `.item()`, `float(tensor)`, ...) must go through
`bbo.device.on_host`, which asks for the reason, and no place may make more than MOST of them unless it says `often=True`.
"""

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import pytest
import torch
from torch.overrides import TorchFunctionMode

import bbo.baselines
import bbo.device
from bbo import catalogue
from bbo.errors import Unavailable
from bbo.surrogates.sharpness import PUBLISHED
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
#: Transfers that one place may make in a smoke run without saying so: once an epoch is fine, once a batch is not.
MOST = 20


class Watch(TorchFunctionMode):
    """Collects factories without a device and transfers, by the place in our code that called them."""

    def __init__(self) -> None:
        super().__init__()
        self.homeless: Counter[str] = Counter()
        self.transfers: Counter[str] = Counter()
        self.on_host: Counter[str] = Counter()

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function in TRANSFERS or to_cpu(function, arguments, options):
            self.note_transfer(function)
        elif makes_nowhere(function, arguments, options) and (frame := caller(TORCH_HOME)):
            self.homeless[f"torch.{function.__name__} in {place(frame)}"] += 1
        return function(*arguments, **options)

    def note_transfer(self, function) -> None:
        frame = caller(TENSOR_HOME)
        if frame and frame.f_code.co_filename == bbo.device.__file__:
            often = frame.f_locals["often"]
            frame = caller((*TENSOR_HOME, bbo.device.__file__))
            if frame and not often and function is torch.Tensor.numpy:  # it calls .cpu() too
                self.on_host[place(frame)] += 1
        elif frame:
            self.transfers[place(frame)] += 1

    def complaints(self) -> list[str]:
        """What is wrong, with what to do."""
        found = [f"{where} is made without a device: pass device=problem.device" for where in self.homeless]
        found += [
            f"numbers leave the device in {where}: use bbo.device.on_host(tensor, why), outside loops" for where in self.transfers
        ]
        return found + [
            f"numbers leave the device {count} times in {where}: keep them there, or say on_host(..., often=True) and why it must be"
            for where, count in self.on_host.items()
            if count > MOST
        ]


HOMES = tuple(str(Path(folder).resolve()) for package in (bbo, bbo.baselines) for folder in package.__path__)
#: A factory inside torch.nn is made by who called the layer; a transfer inside an optimiser is torch's own (its counters are on
#: the CPU on purpose), but those that a tensor's Python methods stand for are the caller's.
TORCH_HOME = (str(Path(torch.__file__).parent),)
TENSOR_HOME = tuple(str(Path(torch.__file__).parent / name) for name in ("_tensor.py", "overrides.py"))


def caller(skipped: tuple[str, ...]) -> FrameType | None:
    """The innermost frame that is not skipped, if that is ours."""
    frame: FrameType | None = sys._getframe(1)
    # Comprehensions, frames of their own before Python 3.12, count to their function.
    while frame and (frame.f_code.co_filename.startswith((*skipped, __file__)) or frame.f_code.co_name.startswith("<")):
        frame = frame.f_back
    return frame if frame and frame.f_code.co_filename.startswith(HOMES) else None


def place(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}, {frame.f_code.co_name}"


def makes_nowhere(function, arguments, options) -> bool:
    keeps_its_device = function is torch.as_tensor and isinstance(arguments[0], torch.Tensor)
    return function in FACTORIES and options.get("device") is None and not keeps_its_device


def to_cpu(function, arguments, options) -> bool:
    target = options.get("device", arguments[1] if len(arguments) > 1 else None)
    return function is torch.Tensor.to and isinstance(target, str | torch.device) and torch.device(target).type == "cpu"


def pairs() -> list[tuple[str, str]]:
    """Every method that can be loaded here with every space that it fits.

    Composed forms on one space: every method once, and every regulariser once, on the cheapest method.
    """
    found = []
    for name in catalogue.method_ids():
        try:
            method = catalogue.load_method(name)
        except Unavailable:
            continue
        spaces = [space for space in SPACES if not method.unsuitable(SPACES[space], ROWS)]
        found += [(name, space) for space in spaces]
        if method.spec.composable:
            regularisers = PUBLISHED if name == "gradient-ascent" else ("ignite",)
            found += [(f"{name}+{regulariser}", spaces[0]) for regulariser in regularisers]
    return found


def watched(propose, problem):
    with Watch() as watch:
        propose(problem)
    return watch


@pytest.mark.parametrize(("name", "space"), pairs())
def test_tensors_have_a_device_and_stay_there(name, space):
    method = catalogue.load_method(name)
    preset = "smoke" if "smoke" in method.presets() else "default"
    method = method.cls(**method.config(preset, "", {}).config)
    watch = watched(method.propose, make_problem(SPACES[space], 8, rows=ROWS))
    assert not watch.complaints(), "\n".join(watch.complaints())


CARELESS = """
import torch
from bbo.device import on_host


class Careless:
    def propose(self, problem):
        torch.zeros(3)
        torch.zeros(3, device="cpu")
        torch.as_tensor(problem.x)
        torch.tensor(1.0)
        return self.carry(problem)

    def carry(self, problem):
        problem.y.sum().item()
        if problem.y.max() > -100:
            float(problem.y[0])
        problem.y.cpu().numpy().tolist()
        problem.y.to("cpu")
        for row in range(30):
            self.allowed(problem.y[row])
            self.said(problem.y[row])
            if row < 20:
                self.few(problem.y[row])

    def allowed(self, value):
        return on_host(value, "no reason is good enough in a loop")

    def said(self, value):
        return on_host(value, "the rule compares on the host", often=True)

    def few(self, value):
        return on_host(value, "once an epoch")
"""


def test_the_watch_sees_what_it_should(tmp_path, monkeypatch):
    path = tmp_path / "careless.py"
    path.write_text(CARELESS)
    monkeypatch.setattr(sys.modules[__name__], "HOMES", (*HOMES, str(tmp_path)))
    watch = watched(catalogue.load_method(f"{path}:Careless").cls().propose, make_problem(SPACES["box"], 8))
    assert dict(watch.homeless) == {"torch.zeros in careless.py, propose": 1, "torch.tensor in careless.py, propose": 1}
    assert watch.transfers == {"careless.py, carry": 6}
    assert watch.on_host == {"careless.py, allowed": 30, "careless.py, few": 20}
    said = watch.complaints()
    assert len(said) == 4
    assert "30 times in careless.py, allowed" in said[-1]
