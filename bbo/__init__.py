"""Offline black-box optimization: tasks, surrogates, optimizers, a harness and a leaderboard. We maximise everywhere."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("offline-bbo")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0+unknown"
