"""On what a cell was computed: packages, commit, machine. Collected once a process."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import bbo

PACKAGES = ("offline-bbo", "torch", "gpytorch", "botorch", "numpy", "scipy", "pandas")


@cache
def host() -> dict[str, Any]:
    """Facts that hold for the whole process, without importing torch."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "packages": versions,
        "commit": _commit(),
        "python": platform.python_version(),
        "os": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """Commit of the checkout the package runs from, with `+dirty` where files differ; empty for an installed wheel."""
    root = Path(bbo.__file__).parents[1]
    if not (root / ".git").exists():
        return ""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+dirty" if commit and git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
