"""The record of one cell: the request, the result, and the software and machine. The only code that harness and leaderboard share.

A cell lives in `DIR/cells/HASH/` as `cell.json` and, when it is done, `designs.npz` (arrays `designs` (n, *shape), `scores` (n,) raw
float64, `normalised` (n,) float64); where a trace was asked for, `trace.npz` too (`steps` (k,), `normalised` (k, n)). The folder is
written under a temporary name and renamed, so it is never incomplete. If two writers finish the same cell, their files cannot mix:
the first result is kept, and a done one replaces a failed one.

`cell.json` holds a digest of its own content, and the sha256 of the other files, so what a disk or an editor alters is noticed. It is no
signature: who can write the folder can compute it again. `bbo rescore` and `bbo rerun` compare with the truth.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bbo import bounded, files, schema
from bbo.bounded import Missing, Unreadable
from bbo.designs import digest as digest_of
from bbo.errors import BBOError, DamagedCell
from bbo.text import LONGEST, line

#: Raised whenever the layout of a record changes; older ones stay readable. Those before 3 had no digest and no hashes of arrays, those
#: before 4 no hash of the designs.
SCHEMA = 4
#: Bytes of the largest `cell.json`, numbers of one design, and steps of a trace that are read.
LARGEST, WIDEST, STEPS = 2**24, 2**16, 10_000
#: Folders that a message names.
NAMED = 8
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
        error: for failed cells: reason (error, invalid designs, timeout, memory, disk, processes, crash, violation, oracle), type,
            message, traceback.
        provenance: packages, commit, machine, threads, BLAS, device, time.
        cost: wall_seconds, cpu_seconds, peak_memory_mb of the method, peak_gpu_memory_mb on a GPU.
        designs: how the designs are spread: diversity, duplicates, nearest_offline, novel_share (`bbo.designs`); empty when failed.
        warnings: messages of warnings raised while the method ran.
        output: the end of what the method printed.
        arrays: sha256 of each other file of the cell, by its name, as it was stored; no part of what two records are compared by.
        design_hash: `bbo.designs.digest` of the designs, as they were stored; no part of that either.
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
    arrays: dict[str, str] = field(default_factory=dict, compare=False)
    design_hash: str = field(default="", compare=False)
    schema: int = SCHEMA

    @property
    def done(self) -> bool:
        """Whether the cell has scores."""
        return self.status == "done"

    def to_json(self) -> str:
        """The record as stored in `cell.json`; `from_json` is the inverse."""
        data = {"hash": self.spec.hash, **asdict(self)}
        return json.dumps({**data, "digest": digest(data)}, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Parse a record.

        Raises:
            Unreadable: it is not JSON.
            ValueError: a field is not as it should be (`bbo.schema`).
            DamagedCell: its hash does not agree with its spec, its digest not with its content, or its schema is newer than ours.
        """
        # NaN and infinity are no JSON, but records of earlier versions may hold them in their notes.
        data = bounded.parsed_json("cell.json", text, lambda name: None)
        version = data.get("schema") if isinstance(data, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise DamagedCell(f"record has schema {version}, this version reads up to {SCHEMA}; update offline-bbo")
        whole = data
        if "\\u" in text or "\x7f" in text or len(text) > LONGEST:
            data = schema.cleaned(data) if isinstance(data, dict) else data
        if isinstance(data, dict) and isinstance(data.get("spec"), dict):
            data = {**data, "spec": {NAMES.get(key, key): value for key, value in data["spec"].items()}}
        schema.check(data)
        stored, told = data["hash"], data.get("digest")
        record = cls(**{**{key: data[key] for key in data if key not in ("hash", "digest")}, "spec": CellSpec(**data["spec"])})
        if stored != record.spec.hash:
            raise DamagedCell(f"its hash is {record.spec.hash}, but it says {stored}")
        if told != digest(whole) and (told is not None or data.get("schema", 1) >= 3):
            raise DamagedCell("its content does not agree with its digest, so it was altered after it was written")
        return record


def digest(data: Mapping[str, Any]) -> str:
    """sha256 of a record's plain data as canonical JSON, without the entry `digest` itself.

    Raises:
        ValueError: a number in it is not finite.
    """
    text = json.dumps({**data, "digest": None}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


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

    An existing cell is kept, unless it is a failed one: that is replaced by a done one, and by any if `replace_failed`.
    """
    target = cell_folder(out, record.spec.hash)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary(target)
    temporary.mkdir()
    try:
        hashes = {}
        for name, arrays in (("designs.npz", outcome), ("trace.npz", trace)):
            if arrays:
                hashes[name] = _save(temporary / name, vars(arrays))
        stored = replace(record, arrays=hashes, design_hash=digest_of(outcome.designs) if outcome else "")
        (temporary / "cell.json").write_text(stored.to_json(), encoding="utf-8")
        while not _moved(temporary, target):
            if not (record.done or replace_failed) or (target / "designs.npz").exists():
                break
            stale = temporary.with_name(f"{temporary.name}-old")
            with contextlib.suppress(FileNotFoundError):  # another writer was quicker
                os.rename(target, stale)
            shutil.rmtree(stale, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Store arrays; the sha256 of the file as it should be."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    path.write_bytes(file.getvalue())
    return hashlib.sha256(file.getvalue()).hexdigest()


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
        record = Record.from_json(bounded.text(folder / "cell.json", LARGEST, links=False))
    except DamagedCell as error:
        raise DamagedCell(f"damaged cell {folder.name}: {error}; {remedy}") from None
    except Missing:
        raise DamagedCell(f"damaged cell {folder.name}: cell.json is missing; {remedy}") from None
    except Unreadable as error:
        raise DamagedCell(f"damaged cell {folder.name}: cell.json cannot be read ({error.reason}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedCell(f"damaged cell {folder.name}: cell.json cannot be read ({line(str(error))}); {remedy}") from None
    if folder.name != record.spec.hash:
        raise DamagedCell(f"damaged cell {folder.name}: it holds cell {record.spec.hash}; {remedy}")
    if record.done and not (folder / "designs.npz").is_file():
        raise DamagedCell(f"damaged cell {folder.name} ({record.spec.label()}): designs.npz is missing; {remedy}")
    return record


def is_done(folder: Path) -> bool:
    """Whether a cell is done (or else failed), without building its record, since resuming checks every cell.

    Raises:
        DamagedCell: as `read_cell` does; only content that does not agree with its hash or digest is not detected here.
    """
    try:
        data = json.loads(bounded.content(folder / "cell.json", LARGEST, links=False))
        if data["hash"] == folder.name and data["status"] in ("done", "failed") and data["schema"] <= SCHEMA:
            done = data["status"] == "done"
            if not done or (folder / "designs.npz").is_file():
                return done
    except (ValueError, KeyError, TypeError, Unreadable, RecursionError):
        pass
    return read_cell(folder).done  # which says what is wrong


def read_outcome(folder: Path, record: Record | None = None) -> Outcome:
    """Read a done cell's arrays, and see that they are those that its record was stored with.

    Args:
        folder: of the cell.
        record: the cell's record, if it has been read already.

    Raises:
        DamagedCell: designs.npz is missing, unreadable, altered, or its arrays are not those of a cell; or as `read_cell`.
    """
    record = record or read_cell(folder)
    n = record.spec.budget
    remedy = f"remove {folder} and run the same command again"
    designs, scores, normalised = _load(folder, record, "designs.npz", ("designs", "scores", "normalised"), WIDEST + 2, remedy)
    fits = designs.ndim > 1 and len(designs) == n > 0 and designs.dtype.kind in "iuf" and np.isfinite(designs).all()
    for scored in (scores, normalised):
        fits = fits and scored.shape == (n,) and scored.dtype == np.float64 and bool(np.isfinite(scored).all())
    if not fits:
        found = ", ".join(f"{a.dtype} {a.shape}" for a in (designs, scores, normalised))
        raise DamagedCell(f"damaged cell {folder.name}: designs.npz does not hold {n} designs and their scores ({found}); {remedy}")
    return Outcome(designs, scores, normalised)


def read_trace(folder: Path, record: Record | None = None) -> Trace | None:
    """Read a cell's trace; None if it has none. Arguments as for `read_outcome`.

    Raises:
        DamagedCell: trace.npz is unreadable, altered, or its arrays are not those of a trace; or as `read_cell`.
    """
    path = folder / "trace.npz"
    if not os.path.lexists(path):
        return None
    record = record or read_cell(folder)
    steps, normalised = _load(folder, record, "trace.npz", ("steps", "normalised"), STEPS, f"remove {path}")
    fits = steps.ndim == 1 and steps.dtype.kind in "iu" and normalised.ndim == 2 and len(normalised) == len(steps) > 0
    if not (fits and normalised.dtype == np.float64 and np.isfinite(normalised).all()):
        raise DamagedCell(f"damaged cell {folder.name}: trace.npz does not hold steps and their scores; remove {path}")
    return Trace(steps, normalised)


def _load(folder: Path, record: Record, file: str, names: tuple[str, ...], numbers: int, remedy: str) -> list[np.ndarray]:
    """Arrays of a cell's file, which holds up to `numbers` numbers of eight bytes for each design of the budget."""
    limit = min(bounded.ARRAYS, 2**20 + 8 * numbers * record.spec.budget)
    try:
        content = bounded.content(folder / file, limit, links=False)
        stored = record.arrays.get(file)
        if stored != hashlib.sha256(content).hexdigest() and (stored is not None or record.schema >= 3):
            raise Unreadable(folder / file, "it is not the file that was stored with this cell, or it was altered since")
        found = bounded.arrays(folder / file, content, limit)
        if not isinstance(found, dict) or not set(names) <= set(found):
            raise Unreadable(folder / file, f"it does not hold the arrays {', '.join(names)}")
    except Unreadable as error:
        raise DamagedCell(f"damaged cell {folder.name}: {file} cannot be read ({error.reason}); {remedy}") from None
    return [found[name] for name in names]


def folders(out: Path) -> Iterator[Path]:
    """Cell folders below a results folder, in the order of their hashes."""
    cells = out / "cells"
    if not cells.is_dir():
        inside = sorted(str(p) for p in out.iterdir() if (p / "cells").is_dir()) if out.is_dir() else []
        if inside:
            more = f" and {len(inside) - NAMED} more" if len(inside) > NAMED else ""
            raise BBOError(
                f"{out} holds results folders, and no results of its own; give one of: {', '.join(inside[:NAMED])}{more}"
            )
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
