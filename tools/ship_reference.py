"""Make the results that come with the package: `python tools/ship_reference.py RESULTS... [--name NAME]`.

RESULTS are results folders or tables made by `bbo collect`. Writes bbo/reporting/data/NAME.csv.gz (NAME is "reference" where it is not
given), which `bbo report --with NAME` puts beside a user's results. The commands of the runs are left out, as they name folders of the
machine. The same results give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
from dataclasses import replace
from pathlib import Path

from bbo import files
from bbo.errors import BBOError
from bbo.reporting.storage import cell_table, sources

FOLDER = Path(__file__).parents[1] / "bbo" / "reporting" / "data"
#: Bytes that the wheel may grow by.
MOST = 2_000_000


def packed(paths: list[Path]) -> bytes:
    """The gzipped table of some results, cells in the order of task, method and seed.

    Raises:
        BBOError: a path holds no results, or two of them hold different results of one cell.
    """
    found = sources.load(paths)
    records = [replace(r, provenance={k: v for k, v in r.provenance.items() if k != "command"}) for r in found.records]
    return gzip.compress(cell_table.to_csv(records, found.unsuitable).encode(), mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--name", default="reference")
    chosen = parser.parse_args()
    try:
        data, out = packed(chosen.results), FOLDER / f"{chosen.name}.csv.gz"
    except BBOError as error:
        raise SystemExit(f"error: {error}") from None
    if len(data) > MOST:
        raise SystemExit(f"{out.name} would have {len(data)} bytes, allowed are {MOST}; leave out some results")
    files.write(out, data)
    print(f"wrote {out}: {len(data)} bytes")


if __name__ == "__main__":
    main()
