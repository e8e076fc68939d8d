"""What a cell was computed with: packages, commit, machine. Collected once per process."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

import bbo
from bbo.harness.plan import PlannedCell

PACKAGES = ("offline-bbo", "torch", "gpytorch", "botorch", "linear-operator", "numpy", "scipy", "scikit-learn", "pandas", "psutil")
#: The parts of the checkout that affect results; a results folder or notes do not make it dirty.
CODE = ("bbo", "tasks", "baselines", "pyproject.toml")


@cache
def host() -> dict[str, Any]:
    """Facts that hold for the whole process, without importing torch."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "os": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def packages(cell: PlannedCell) -> dict[str, str]:
    """Versions of the packages that a cell's result may depend on: ours, and those that its task and method ask for."""
    asked = (*cell.task.task.spec.requires, *cell.method.spec.requires)
    return _versions((*asked, cell.method.package, type(cell.task.task).__module__.partition(".")[0]))


@cache
def _versions(modules: tuple[str, ...]) -> dict[str, str]:
    foreign = [module for module in modules if module not in ("", "bbo") and not module.startswith("bbo_local_")]
    owners = packages_distributions() if foreign else {}
    names = dict.fromkeys([*PACKAGES, *(name for module in foreign for name in owners.get(module, ()))])
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """Commit of the checkout the package runs from, with `+dirty` where files differ; empty for an installed wheel or if git fails."""
    root = Path(bbo.__file__).parents[1]
    if not (root / ".git").exists():
        return ""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+dirty" if commit and git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.SubprocessError):
        return ""
