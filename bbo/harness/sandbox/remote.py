"""A user's own method called by hand, by `bbo diagnose`, `bbo propose` or `bbo backtest`: its file runs in a confined process here too."""

from __future__ import annotations

import threading
import uuid
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bbo import local
from bbo.catalogue import LoadedMethod
from bbo.device import array_on_host
from bbo.errors import BBOError
from bbo.harness.options import RunOptions
from bbo.harness.sandbox import confinement, examine, wire
from bbo.harness.sandbox.child import Job
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.parent import Bounds, Lost, MethodProcess
from bbo.problem import Problem

#: Predictions for rows of designs: mean (n,) and standard deviation (n,) or None, z-scored; and what the training recorded.
Predictions = tuple[list[tuple[torch.Tensor, torch.Tensor | None]], dict[str, Any]]


def propose(method: LoadedMethod, config: dict[str, Any], problem: Problem) -> torch.Tensor:
    """What the method proposes, (n, *shape) on the problem's device; notes and uses of privileged knowledge reach the problem.

    Raises:
        BBOError: the method failed; its traceback is a note of the error.
    """
    longest = 2**20 + 4 * 8 * problem.budget * int(np.prod(problem.x.shape[1:]))
    answer = _run(method, config, problem, None, longest)
    problem.notes.update(answer.notes)
    return torch.tensor(answer.array, device=problem.device)


def predict(method: LoadedMethod, config: dict[str, Any], problem: Problem, probes: Sequence[np.ndarray]) -> Predictions | None:
    """Train the method's surrogate on the problem and predict the rows of each of `probes` (n, *shape); None if it has no surrogate.

    Raises:
        BBOError: it failed.
    """
    rows = [len(x) for x in probes]
    total = sum(rows)
    answer = _run(method, config, problem, tuple(probes), 2**20 + 2 * 8 * total)
    assert answer.array is not None
    if not answer.array.size and total:
        return None
    if answer.array.shape != (2, total) or answer.array.dtype != np.float32:
        raise BBOError(f"the process of {method.id} sent predictions of the wrong shape")
    parts = torch.tensor(answer.array).split(rows, dim=1)
    return [(mean, None if std.isnan().all() else std) for mean, std in parts], answer.notes


def _run(
    method: LoadedMethod, config: dict[str, Any], problem: Problem, probes: tuple[np.ndarray, ...] | None, longest: int
) -> wire.Answer:
    reference = local.whole(method.reference.partition("+")[0])
    device = problem.device.type
    why = "the method runs in a process of its own"
    job = Job(
        ticket=uuid.uuid4().hex,
        longest=longest,
        data_hash="by hand",
        x=array_on_host(problem.x, why),
        y=array_on_host(problem.y, why),
        space=problem.space,
        budget=problem.budget,
        seed=_seed(problem.generator),
        privileged=tuple(problem._privileged),
        reference=reference,
        config=config,
        device=device,
        threads=1,
        trace=False,
        tf32=False,
        probes=probes,
    )

    def on_message(message: Any) -> Any:
        match message:
            case wire.Ask(name):
                return problem.privileged(name)
            case wire.Fetch():
                return "make"
            case wire.Progress(step, total):
                problem.progress(step, total)
        return None

    examine.close()  # the process that started it can then start this one
    stop = threading.Event()
    options = RunOptions(device)
    process = MethodProcess(options, list_hidden(None), local.file_of(reference), confinement.name(), stop)
    try:
        answer = process.ask(job, Bounds(disk=options.disk), stop, on_message)
    except Lost as lost:
        raise BBOError(f"{method.id} gave no answer: {lost}") from None
    finally:
        process.close()
    for text in answer.warnings:
        kind, _, words = text.partition(": ")
        if kind == "UserWarning":
            warnings.warn(words, stacklevel=3)
    if answer.error:
        failed = BBOError(f"{method.id} failed: {answer.error['type']}: {answer.error['message']}")
        failed.add_note(answer.error["traceback"])
        raise failed
    return answer


def _seed(generator: torch.Generator) -> int:
    """The seed of a generator that has drawn nothing; of another, the next whole number that it draws."""
    seed = generator.initial_seed()
    if torch.equal(generator.get_state(), torch.Generator(generator.device).manual_seed(seed).get_state()):
        return seed
    return int(torch.randint(2**62, (1,), generator=generator, device=generator.device).item())
