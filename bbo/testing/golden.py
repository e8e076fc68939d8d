"""Committed digests of every method's designs, so that results do not change without a new version.

`tests/golden/methods.json` has for each method, and for one method with each regulariser, its composed version and, for each made-up space,
the digest of its designs under the `smoke` preset (budget 8, seed 0, numerics mode `compatible`, pinned packages).
`tools/golden_digests.py` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bbo.catalogue import LoadedMethod
from bbo.testing.methods import Runs, digest, spaces

#: Of one method: "version", and the digest of each space.
Entry = Mapping[str, str]


def runs(method: LoadedMethod) -> dict[str, Runs]:
    """The runs of a method on every made-up space that it fits; each is run when first asked for."""
    return {name: Runs(method, space) for name, space in spaces(method).items()}


def entry(method: LoadedMethod, made: Mapping[str, Runs]) -> dict[str, str]:
    """The file's entry for a method."""
    return {"version": method.version, **{name: digest(run().designs) for name, run in made.items()}}


def moved(method: LoadedMethod, old: Entry | None, new: Entry) -> str:
    """What to do if the file's entry `old` differs from the present one; empty if it does not."""
    then = f"run: python tools/golden_digests.py {method.id}"
    if old is None:
        return f"{method.id} has no digests yet; {then}"
    if old["version"] != new["version"]:
        return f"{method.id} is at version {new['version']}, its digests are of version {old['version']}; {then}"
    if changed := [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]:
        return (
            f"{method.id} returns other designs than before on: {', '.join(changed)}; but its version is still {new['version']}. "
            "If this is not intended, something that it uses has changed: undo that change. If it is intended, raise the version in its "
            f"MethodSpec, or VERSION in the shared module that changed (that of bbo/encoding.py for bbo/space and bbo/problem.py), "
            f"then {then}; put a before/after table of scores into the commit message."
        )
    return ""


def read(path: Path) -> dict[str, dict[str, str]]:
    """The entries of a file by method; none where there is no file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write a file, one line per method, so that changes of different methods do not conflict."""
    lines = [f"{json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def other_packages(constraints: Path) -> list[str]:
    """Packages installed here in another version than a constraints file pins, in words."""
    found = []
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, equals, pinned = line.partition("#")[0].strip().partition("==")
        if not equals:
            continue
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        # A local label, as in 2.6.0+cpu, names the build, not the version.
        if here.partition("+")[0] != pinned.partition("+")[0]:
            found.append(f"{name} {here} (pinned: {pinned})")
    return found
