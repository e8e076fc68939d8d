"""Write tests/golden/methods.json: the digests of what every method, or the methods named, return now.

    python tools/golden_digests.py [METHOD ...] [--same-version]

Refuses to change the digests of a method whose version has not changed, since published results would no longer be those of that version:
raise the version first. `--same-version` allows it, for a new stack of pinned packages or another numerics mode.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bbo import numerics

numerics.choose()

import torch

from bbo import catalogue
from bbo.errors import BBOError
from bbo.testing import golden

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "golden" / "methods.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="ids; all by default")
    parser.add_argument("--same-version", action="store_true", help="change digests without a new version")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        update(arguments.methods, arguments.same_version)
    except BBOError as error:
        sys.exit(f"error: {error}")


def update(names: list[str], same_version: bool) -> None:
    """Bring the file up to date.

    Raises:
        BBOError: digests would change without a version, or this machine or its packages cannot make them.
    """
    if reason := numerics.missing():
        raise BBOError(reason)
    if others := golden.other_packages(ROOT / "constraints.txt"):
        raise BBOError(f"digests are made with the pinned packages; here: {', '.join(others)}")
    known = catalogue.method_ids()
    entries = {name: old for name, old in golden.read(FILE).items() if name in known}
    for name in names or known:
        method = catalogue.load_method(name)
        new, old = golden.entry(method, golden.runs(method)), entries.get(name)
        if old != new and old is not None and old["version"] == new["version"] and not same_version:
            raise BBOError(golden.moved(method, old, new))
        print(f"{name}: {'as it was' if old == new else 'written'}")
        entries[name] = new
    golden.write(FILE, entries)


if __name__ == "__main__":
    main()
