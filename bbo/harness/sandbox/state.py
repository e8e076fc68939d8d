"""State of a method process that outlives a cell.

Where it is cheap, the state is reset before each cell; other changes are detected, and the host then replaces the process. This
catches what methods change by accident; it does not protect against a method that hides its traces.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

import numpy as np

#: Modules and classes whose functions methods must leave as they are; all of `bbo` besides.
_WATCHED = (
    "builtins", "math", "random", "time", "numpy", "numpy.random", "numpy.linalg", "torch", "torch.functional", "torch.linalg",
    "torch.special", "torch.random", "torch.autograd", "torch.optim", "torch.nn", "torch.nn.functional", "torch.nn.init",
)  # fmt: skip
_CLASSES = ("Tensor", "Generator", "nn.Module", "nn.Parameter", "autograd.Function")
#: Modules of settings: classes with plain values.
_SETTINGS = ("linear_operator.settings", "gpytorch.settings", "botorch.settings")
#: Values that are None are ignored: entering and leaving a setting may leave one behind.
_PLAIN = (bool, int, float, str)


class State:
    """What a process was like before its first cell."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._environment, self._folder, self._path = dict(os.environ), os.getcwd(), list(sys.path)
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._recursion, self._temporary = sys.getrecursionlimit(), tempfile.tempdir
        self._standard = sys.stdout, sys.stderr
        self._mkldnn = torch.backends.mkldnn.enabled
        self._threads = set(threading.enumerate())
        self._before: dict[str, Any] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        sys.meta_path.insert(0, _Imports(self._note_settings))

    def _note_settings(self) -> None:
        self._settings = {name: _values(sys.modules[name]) for name in _SETTINGS if name in sys.modules}

    def restore(self, threads: int, tf32: bool, seed: int) -> None:
        """Reset the state, so that every cell starts the same."""
        torch = self._torch
        os.environ.clear()
        os.environ.update(self._environment)
        os.chdir(self._folder)
        sys.path[:] = self._path
        sys.setrecursionlimit(self._recursion)
        sys.stdout, sys.stderr = self._standard
        tempfile.tempdir = self._temporary
        _stop_timers()
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, handler)
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        torch.autograd.set_detect_anomaly(False)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = True
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = False
        torch.backends.mkldnn.enabled = self._mkldnn
        np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
        # Methods must use only their generator; with this, a library that uses a global one is at least repeatable.
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        self._before = self._fingerprint()

    def changed(self) -> list[str]:
        """Names of the state that the cell changed and that `restore` does not reset."""
        _stop_timers()
        try:
            after = self._fingerprint()
        except Exception as error:  # such as a recursion limit too low for it
            return [f"it cannot be told ({type(error).__name__})"]
        found = [name for name, value in self._before.items() if not _agree(value, after.get(name))]
        return found + [name for name, values in self._settings.items() if values != _values(sys.modules[name])]

    def _fingerprint(self) -> dict[str, Any]:
        torch = self._torch
        found: dict[str, Any] = {
            "folder": self._folder if os.path.isdir(self._folder) else "",
            # Threads that C code brought into Python are listed as dummies and mean nothing.
            "threads": {t for t in threading.enumerate() if t not in self._threads and type(t).__name__ != "_DummyThread"},
            # Answers, not numbers: where denormal numbers count as zero, they equal it.
            "denormal numbers": bool(torch.tensor([1e-310], dtype=torch.float64).mul(0.5).gt(0)),
            "threads of BLAS": _blas_threads(),
            "processors": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            # Libraries append their own finders, which find what others do not.
            "finders of modules": dict(enumerate(map(id, sys.meta_path))),
            "tracing": (sys.gettrace(), sys.getprofile()),
            "descriptors": tuple(_open(number) for number in (0, 1, 2)),
        }
        names = [n for n in list(sys.modules) if n in _WATCHED or n.partition(".")[0] == "bbo" or n.startswith("bbo_local_")]
        for name in names:
            members = vars(sys.modules[name])
            found[name] = _functions(members)
            if name.startswith("bbo"):
                for own in list(members.values()):
                    if isinstance(own, type) and own.__module__ == name:
                        found[f"{name}.{own.__qualname__}"] = _functions(vars(own))
        for name in _CLASSES:
            owner: Any = torch
            for part in name.split("."):
                owner = getattr(owner, part)
            found[f"torch.{name}"] = _functions(vars(owner))
        return found


def _stop_timers() -> None:
    for clock in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(clock, 0)


def _functions(members: Any) -> dict[str, int]:
    """Names and identities of the functions and classes among members."""
    return {
        key: id(value)
        for key, value in list(members.items())
        if callable(value) or isinstance(value, property | classmethod | staticmethod)
    }


def _values(module: types.ModuleType) -> dict[str, Any]:
    """Plain values on the classes that a module defines."""
    return {
        f"{cls.__name__}.{key}": value
        for cls in list(vars(module).values())
        if isinstance(cls, type) and cls.__module__ == module.__name__
        for key, value in list(vars(cls).items())
        if isinstance(value, _PLAIN) and not key.startswith("__")
    }


def _agree(before: Any, after: Any) -> bool:
    """Whether both are equal, except for members added to a module: libraries add some when they are first used."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(after.get(key) == value for key, value in before.items())
    return bool(before == after)


class _Imports(MetaPathFinder):
    """Calls `done` whenever one of the libraries with settings has been imported, for one changes the settings of another."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if f"{name}.settings" in _SETTINGS else None
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                self._done()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _blas_threads() -> dict[str, int]:
    from threadpoolctl import threadpool_info

    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def _open(number: int) -> tuple[int, int] | None:
    try:
        facts = os.fstat(number)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
