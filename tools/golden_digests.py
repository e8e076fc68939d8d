"""Write tests/golden/methods.json: the digests of what every method, or the methods named, return now; with every regulariser, too.

    python tools/golden_digests.py [METHOD ...] [--same-version | --check]

Refuses to change the digests of a method whose version has not changed, since published results would no longer be those of that version:
raise the version first. A kind of space that a method did not take before has no results, and needs no new version. `--same-version` allows
the rest, for a new stack of pinned packages. `--check` writes nothing, and prints as JSON what is wrong with each method
(empty: nothing). Computed in the numerics mode `compatible`, whose bits are the same on the CPUs of all makers.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bbo import numerics

numerics.choose("compatible")

import torch

from bbo import catalogue
from bbo.errors import BBOError
from bbo.surrogates.sharpness import PUBLISHED
from bbo.testing import golden

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "golden" / "methods.json"
#: Each sharpness regulariser, on the simplest method that takes one.
COMPOSED = tuple(f"gradient-ascent+{name}" for name in PUBLISHED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="ids; all by default")
    parser.add_argument("--same-version", action="store_true", help="change digests without a new version")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    numerics.complete()
    try:
        if reason := numerics.missing(mode="compatible"):
            raise BBOError(reason)
        if arguments.check:
            print(json.dumps(checked(arguments.methods)))
        else:
            update(arguments.methods, arguments.same_version)
    except BBOError as error:
        sys.exit(f"error: {error}")


def update(names: list[str], same_version: bool) -> None:
    """Bring the file up to date.

    Raises:
        BBOError: digests would change without a version, or the packages are not the pinned ones.
    """
    if others := golden.other_packages(ROOT / "constraints.txt"):
        raise BBOError(f"digests are made with the pinned packages; here: {', '.join(others)}")
    known = {card.spec.id: card.unavailable for card in catalogue.cards()} | dict.fromkeys(COMPOSED, "")
    entries = {name: old for name, old in golden.read(FILE).items() if name in known}
    for name in names or known:
        if not names and known[name]:
            print(f"{name}: left out, {known[name]}")
            continue
        method = catalogue.load_method(name)
        new, old = golden.entry(method, golden.runs(method)), entries.get(name)
        changed = old is not None and any(new.get(key) != value for key, value in old.items())
        if old is not None and changed and old["version"] == new["version"] and not same_version:
            raise BBOError(golden.moved(method, old, new))
        print(f"{name}: {'as it was' if old == new else 'written'}")
        entries[name] = new
    golden.write(FILE, entries)


def checked(names: list[str]) -> dict[str, str]:
    """What is wrong with the entry of each method that can be run here, or of those named; empty if nothing is."""
    entries, found = golden.read(FILE), {}
    for name in names or [*(card.spec.id for card in catalogue.cards() if not card.unavailable), *COMPOSED]:
        method = catalogue.load_method(name)
        try:
            found[name] = golden.moved(method, entries.get(name), golden.entry(method, golden.runs(method)))
        except Exception as error:  # of one method; the others are still compared
            found[name] = f"{name} failed: {type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    main()
