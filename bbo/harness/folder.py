"""The state of a results folder: which cells it holds, which remain to be run, and whether it is writable."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bbo import numerics, record
from bbo.errors import BBOError
from bbo.harness.plan import PlannedCell, planned_specs
from bbo.harness.sandbox import private
from bbo.record import CellSpec, Record

#: What a killed run may leave in a results folder.
LEFT = ("cells/.tmp-*", "cells/.probe-*", "shared/.tmp-*", "plans/.tmp-*")
#: Seconds after which it is surely no longer in use.
DAY = 86400
#: What torch finds on a CPU with AVX2.
AVX2 = ("AVX2", "AVX512")


@dataclass(frozen=True)
class Status:
    """Cells of a results folder's plans, by state."""

    done: list[CellSpec]
    failed: list[Record]
    missing: list[CellSpec]


def status_of_plans(out: Path) -> Status:
    """The state of every cell of the plans saved in a results folder.

    Raises:
        BBOError: no plan there.
        DamagedCell: a cell is incomplete.
    """
    return status_of(planned_specs(out), out)


def status_of(specs: Iterable[CellSpec], out: Path) -> Status:
    """The state of these cells in a results folder.

    Raises:
        DamagedCell: a cell is incomplete.
    """
    there = _present(out)
    done, failed, missing = [], [], []
    for spec in specs:
        if spec.hash not in there:
            missing.append(spec)
        elif record.is_done(folder := record.cell_folder(out, spec.hash)):
            done.append(spec)
        else:
            failed.append(record.read_cell(folder))
    return Status(done, failed, missing)


def remaining(cells: Iterable[PlannedCell], out: Path, retry_failed: bool) -> list[PlannedCell]:
    """Cells that are still to be run; failed ones count as run unless `retry_failed`.

    Raises:
        DamagedCell: a cell is incomplete.
    """
    there = _present(out)
    return [
        cell
        for cell in cells
        if cell.spec.hash not in there or (not record.is_done(record.cell_folder(out, cell.spec.hash)) and retry_failed)
    ]


def refuse_other_numerics(cells: Iterable[PlannedCell], out: Path, mode: str) -> None:
    """Refuse to add cells of one numerics mode to a folder that holds some of the same plan in another.

    Raises:
        BBOError: it does.
        DamagedCell: a cell is incomplete.
    """
    there = _present(out)
    done = [record.read_cell(record.cell_folder(out, cell.spec.hash)) for cell in cells if cell.spec.hash in there]
    others = [
        found for found in done if found.done and found.provenance.get("numerics", "native") != mode and not _like(found, mode)
    ]
    if others:
        other = others[0].provenance.get("numerics", "native")
        raise BBOError(
            f"{out} holds {len(others)} of these cells with {other} numerics, such as {others[0].spec.label()}; {mode} ones differ in "
            f"their last digits. Go on with --numerics {other}, or choose another folder with --out"
        )


def _like(found: Record, mode: str) -> bool:
    """Whether a cell's record says that it is native since its CPU has no AVX2, where this one has none either."""
    unfixed = found.provenance.get("numerics") == "native" and found.provenance.get("cpu_capability") not in AVX2
    if not unfixed or mode not in numerics.FIXED:
        return False
    import torch  # only for such a record: it takes seconds

    return torch.backends.cpu.get_cpu_capability() not in AVX2


def _present(out: Path) -> set[str]:
    """Names of the cells of a folder; one listing instead of a question per cell."""
    folder = out / "cells"
    return set(os.listdir(folder)) if folder.is_dir() else set()


def shard(cells: list[PlannedCell], i: int, n: int) -> list[PlannedCell]:
    """Part `i` of `n` (1 to n): parts are disjoint, cover all cells, differ in size by at most one, and mix tasks and methods."""
    return sorted(cells, key=lambda cell: cell.spec.hash)[i - 1 :: n]


def prepare(out: Path) -> None:
    """Make a results folder, see that it can be written, and clear what killed runs left: there more than a day ago, and in TMPDIR.

    Raises:
        BBOError: it cannot.
    """
    private.clear()
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
        probe = out / "cells" / f".probe-{uuid.uuid4().hex[:8]}"
        probe.write_bytes(bytes(4096))  # an empty file can be made on a full disk
        probe.unlink()
        for left in (path for name in LEFT for path in out.glob(name)):
            with contextlib.suppress(OSError):
                if time.time() - left.lstat().st_mtime > DAY:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
    except OSError as error:
        raise BBOError(f"cannot write into {out}: {error.strerror}; choose another folder with --out, or make room") from None
