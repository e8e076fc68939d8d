"""The record of one cell: the request, the result, and the software and machine. The only code that harness and leaderboard share.

A cell lives in `DIR/cells/HASH/` as `cell.json` and, when it is done, `designs.npz` (arrays `designs` (n, *shape), `scores` (n,) raw
float64, `normalised` (n,) float64); where a trace was asked for, `trace.npz` too (`steps` (k,), `normalised` (k, n)). The folder is
written under a temporary name and renamed, so it is never incomplete. If two writers finish the same cell, their files cannot mix:
the first result is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bbo import files, schema
from bbo.errors import BBOError, DamagedCell
from bbo.text import LONGEST, line

#: Raised whenever the layout of a record changes; older ones stay readable.
SCHEMA = 2
#: Names of a spec's fields in records of schema 1.
SCHEMA_1 = {"method": "baseline", "method_version": "baseline_version"}
NAMES = {old: new for new, old in SCHEMA_1.items()}


@dataclass(frozen=True)
class CellSpec:
    """Everything that decides a cell's result, and nothing else: its hash names the cell.

    Args:
        task, task_version, data_hash: the task, and the sha256 of its visible table.
        method, method_version: the method; a local file's version is the sha256 of its text.
        config: every setting of the method, resolved.
        seed: the seed asked for.
        budget: number of designs.
        protocol: version of the evaluation protocol.
    """

    task: str
    task_version: str
    data_hash: str
    method: str
    method_version: str
    config: dict[str, Any]
    seed: int
    budget: int
    protocol: int

    @cached_property
    def hash(self) -> str:
        """First 20 hex digits of the sha256 of the canonical JSON."""
        # The keys are those of schema 1, so that cells keep their names.
        values = {SCHEMA_1.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def label(self) -> str:
        """Task, method and seed, for messages."""
        return f"{self.task} / {self.method} / seed {self.seed}"


@dataclass(frozen=True)
class Record:
    """One finished cell.

    Args:
        spec: what was asked.
        status: "done" or "failed".
        percentiles: normalised score at each percentile of the protocol ("100", "80", "50"); empty when failed.
        task: facts of the task for tables: title, kind, oracle, y_min, y_max, best_visible (normalised), visible_rows,
            visible_quantiles (17, normalised), optimum, saturated, note, family, local.
        method: facts of the method: summary, title, kind, paper, year, preset, privileged (list of names used), local.
        notes: facts about this run that the method recorded.
        error: for failed cells: reason (error, invalid designs, timeout, memory, crash, violation, oracle), type, message,
            traceback.
        provenance: packages, commit, machine, threads, BLAS, device, time.
        cost: wall_seconds, cpu_seconds, peak_memory_mb of the method, peak_gpu_memory_mb on a GPU.
        designs: how the designs are spread: diversity, duplicates, nearest_offline, novel_share (`bbo.designs`); empty when failed.
        warnings: messages of warnings raised while the method ran.
        output: the end of what the method printed.
        schema: version of this layout.
    """

    spec: CellSpec
    status: str
    percentiles: dict[str, float] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    designs: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    output: str = ""
    schema: int = SCHEMA

    @property
    def done(self) -> bool:
        """Whether the cell has scores."""
        return self.status == "done"

    def to_json(self) -> str:
        """The record as stored in `cell.json`; `from_json` is the inverse."""
        return json.dumps({"hash": self.spec.hash, **asdict(self)}, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Parse a record.

        Raises:
            ValueError: it is not JSON, or a field is not as it should be (`bbo.schema`).
            DamagedCell: its hash does not agree with its spec, or its schema is newer than ours.
        """
        # NaN and infinity are no JSON, but records of earlier versions may hold them in their notes.
        data = json.loads(text, parse_constant=lambda name: None)
        if isinstance(data, dict) and isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
            raise DamagedCell(f"record has schema {data['schema']}, this version reads up to {SCHEMA}; update offline-bbo")
        if "\\u" in text or "\x7f" in text or len(text) > LONGEST:
            data = schema.cleaned(data) if isinstance(data, dict) else data
        if isinstance(data, dict) and isinstance(data.get("spec"), dict):
            data["spec"] = {NAMES.get(key, key): value for key, value in data["spec"].items()}
        schema.check(data)
        stored = data.pop("hash")
        record = cls(**{**data, "spec": CellSpec(**data["spec"])})
        if stored != record.spec.hash:
            raise DamagedCell(f"its hash is {record.spec.hash}, but it says {stored}")
        return record


@dataclass(frozen=True)
class Outcome:
    """The arrays of a done cell: designs (n, *shape), raw scores (n,), normalised scores (n,)."""

    designs: np.ndarray
    scores: np.ndarray
    normalised: np.ndarray


@dataclass(frozen=True)
class Trace:
    """Scores along the way: `steps` (k,) of the method, `normalised` (k, n) of the designs at these steps."""

    steps: np.ndarray
    normalised: np.ndarray


def cell_folder(out: Path, cell_hash: str) -> Path:
    """Folder of one cell below a results folder."""
    return out / "cells" / cell_hash


def write(out: Path, record: Record, outcome: Outcome | None, trace: Trace | None = None, *, replace_failed: bool = False) -> None:
    """Store one cell, whole or not at all.

    An existing cell is kept; a failed one is replaced if `replace_failed`.
    """
    target = cell_folder(out, record.spec.hash)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary(target)
    temporary.mkdir()
    try:
        if outcome:
            _save(temporary / "designs.npz", designs=outcome.designs, scores=outcome.scores, normalised=outcome.normalised)
        if trace:
            _save(temporary / "trace.npz", steps=trace.steps, normalised=trace.normalised)
        (temporary / "cell.json").write_text(record.to_json())
        while not _moved(temporary, target):
            if not replace_failed or (target / "designs.npz").exists():
                break
            stale = temporary.with_name(f"{temporary.name}-old")
            with contextlib.suppress(FileNotFoundError):  # another writer was quicker
                os.rename(target, stale)
            shutil.rmtree(stale, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save(path: Path, **arrays: np.ndarray) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _moved(folder: Path, target: Path) -> bool:
    """Rename a folder; False if there is one of that name already."""
    try:
        os.rename(folder, target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def read_cell(folder: Path) -> Record:
    """Read one cell's record.

    Raises:
        DamagedCell: a file is missing or unreadable; the message names the folder and what to do.
    """
    remedy = f"remove {folder} and run the same command again"
    try:
        record = Record.from_json((folder / "cell.json").read_text(encoding="utf-8"))
    except DamagedCell as error:
        raise DamagedCell(f"damaged cell {folder.name}: {error}; {remedy}") from None
    except FileNotFoundError:
        raise DamagedCell(f"damaged cell {folder.name}: cell.json is missing; {remedy}") from None
    except (ValueError, OSError, RecursionError, MemoryError) as error:
        raise DamagedCell(f"damaged cell {folder.name}: cell.json cannot be read ({line(str(error))}); {remedy}") from None
    if folder.name != record.spec.hash:
        raise DamagedCell(f"damaged cell {folder.name}: it holds cell {record.spec.hash}; {remedy}")
    if record.done and not (folder / "designs.npz").is_file():
        raise DamagedCell(f"damaged cell {folder.name} ({record.spec.label()}): designs.npz is missing; {remedy}")
    return record


def is_done(folder: Path) -> bool:
    """Whether a cell is done (or else failed), without building its record, since resuming checks every cell.

    Raises:
        DamagedCell: as `read_cell` does; only a spec that does not agree with its hash is not detected here.
    """
    try:
        data = json.loads((folder / "cell.json").read_bytes())
        if data["hash"] == folder.name and data["status"] in ("done", "failed") and data["schema"] <= SCHEMA:
            done = data["status"] == "done"
            if not done or (folder / "designs.npz").is_file():
                return done
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        pass
    return read_cell(folder).done  # which says what is wrong


def read_outcome(folder: Path, spec: CellSpec | None = None) -> Outcome:
    """Read a done cell's arrays; where its spec is given, see that they are of its budget.

    Raises:
        DamagedCell: designs.npz is missing, unreadable, or its arrays are not those of a cell.
    """
    remedy = f"remove {folder} and run the same command again"
    designs, scores, normalised = _load(folder, "designs.npz", ("designs", "scores", "normalised"), remedy)
    n = spec.budget if spec else len(designs) if designs.ndim else 0
    fits = designs.ndim > 1 and len(designs) == n > 0 and designs.dtype.kind in "iuf" and np.isfinite(designs).all()
    for scored in (scores, normalised):
        fits = fits and scored.shape == (n,) and scored.dtype == np.float64 and bool(np.isfinite(scored).all())
    if not fits:
        found = ", ".join(f"{a.dtype} {a.shape}" for a in (designs, scores, normalised))
        raise DamagedCell(f"damaged cell {folder.name}: designs.npz does not hold {n} designs and their scores ({found}); {remedy}")
    return Outcome(designs, scores, normalised)


def read_trace(folder: Path) -> Trace | None:
    """Read a cell's trace; None if it has none.

    Raises:
        DamagedCell: trace.npz is unreadable, or its arrays are not those of a trace.
    """
    path = folder / "trace.npz"
    if not path.exists():
        return None
    steps, normalised = _load(folder, "trace.npz", ("steps", "normalised"), f"remove {path}")
    fits = steps.ndim == 1 and steps.dtype.kind in "iu" and normalised.ndim == 2 and len(normalised) == len(steps) > 0
    if not (fits and normalised.dtype == np.float64 and np.isfinite(normalised).all()):
        raise DamagedCell(f"damaged cell {folder.name}: trace.npz does not hold steps and their scores; remove {path}")
    return Trace(steps, normalised)


def _load(folder: Path, file: str, names: tuple[str, ...], remedy: str) -> list[np.ndarray]:
    try:
        with np.load(folder / file, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except Exception as error:  # zip, format and file errors alike mean the same thing to the user
        raise DamagedCell(f"damaged cell {folder.name}: {file} cannot be read ({line(str(error))}); {remedy}") from None


def folders(out: Path) -> Iterator[Path]:
    """Cell folders below a results folder, in the order of their hashes."""
    cells = out / "cells"
    if not cells.is_dir():
        raise BBOError(f"{out} holds no results (no folder {cells}); make some with: bbo run ... --out {out}")
    yield from sorted(p for p in cells.iterdir() if not p.name.startswith("."))


def read_all(*outs: Path) -> list[Record]:
    """All records of one or more results folders, each cell once; a done cell wins over a failed one."""
    found: dict[str, Record] = {}
    for out in outs:
        for folder in folders(out):
            record = read_cell(folder)
            if record.spec.hash not in found or record.done:
                found[record.spec.hash] = record
    return sorted(found.values(), key=lambda r: (r.spec.task, r.spec.method, r.spec.seed, r.spec.hash))
