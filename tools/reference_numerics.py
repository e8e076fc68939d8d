"""Write bbo/numerics.json: what basic operations compute on this machine in the portable mode, with the pinned packages.

    python tools/reference_numerics.py

The reference results are made on such a machine; `bbo doctor` compares others with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bbo import numerics

numerics.choose()

import torch

from bbo.harness import provenance
from bbo.testing import golden

ROOT = Path(__file__).parents[1]


def main() -> None:
    torch.set_num_threads(1)
    if reason := numerics.missing():
        sys.exit(f"error: {reason}")
    if others := golden.other_packages(ROOT / "constraints.txt"):
        sys.exit(f"error: the reference is made with the pinned packages; here: {', '.join(others)}")
    found = {
        "cpu": provenance.host()["cpu"],
        "packages": numerics.versions(),
        "fingerprint": numerics.fingerprint(),
        "operations": numerics.operations(every=True),
    }
    (ROOT / "bbo" / numerics.REFERENCE).write_text(json.dumps(found, indent=1) + "\n")
    print(f"fingerprint {found['fingerprint']}, {len(found['operations'])} operations")


if __name__ == "__main__":
    main()
