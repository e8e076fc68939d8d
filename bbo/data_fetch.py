"""Downloads of original data files from their mirrors: checked, retried, resumed where the server allows. Never part of a run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import requests

from bbo import data
from bbo.data_sources import DESIGN_BENCH, design_bench_arrays, shards
from bbo.errors import DamagedFile, Unavailable, unknown

#: Called with (file, bytes so far, bytes expected).
ProgressListener = Callable[[str, int, int], None]

CHUNK = 1 << 16
#: How often a file is tried at one mirror, and seconds to wait for a connection and for the next bytes.
ATTEMPTS, TIMEOUT = 4, (10.0, 60.0)


class ResumingDownload:
    """A downloader for pooch: keeps what has arrived in FILE.part and asks the server for the rest of it next time."""

    def __init__(self, part: Path, size: int, listener: ProgressListener, timeout: tuple[float, float]) -> None:
        self.part, self.size, self.listener, self.timeout = part, size, listener, timeout

    def __call__(self, url: str, output: Any, _pooch: Any) -> None:
        have = self.part.stat().st_size if self.part.is_file() else 0
        if have >= self.size:  # from an interrupted run, or a wrong file: only the hash can tell, and it is cheap to start again
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as answer:
            if answer.status_code in (401, 403, 404, 410):
                raise Unavailable(f"{url} does not exist there (HTTP status {answer.status_code})")
            answer.raise_for_status()
            resumed = have > 0 and answer.status_code == requests.codes.partial_content
            with self.part.open("ab" if resumed else "wb") as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    self.listener(self.part.stem, file.tell(), self.size)
        if self.part.stat().st_size < self.size:
            raise requests.exceptions.ConnectionError(f"{url} ended after {self.part.stat().st_size} of {self.size} bytes")
        shutil.move(self.part, output)


def fetch(
    name: str,
    mirrors: tuple[str, ...] = (),
    listener: ProgressListener = lambda *_: None,
    timeout: tuple[float, float] = TIMEOUT,
    attempts: int = ATTEMPTS,
) -> list[Path]:
    """Download the shards of a Design-Bench data set, check and convert them, store the data file; returns the paths written.

    What was downloaded stays until the data file stands, so a broken fetch goes on where it stopped.

    Args:
        name: a data set (`tfbind10`, `utr`) or the data file made of it.
        mirrors: base addresses to use instead of the manifest's, tried in order.

    Raises:
        UnknownName: no such data set.
        Unavailable: no mirror has it.
        DamagedFile: what every mirror sent is not the file.
    """
    by_file = {source.file: key for key, source in DESIGN_BENCH.items()}
    name = by_file.get(name, name)
    if name not in DESIGN_BENCH:
        if name in data.manifest():
            raise Unavailable(
                f"{name} cannot be fetched from a mirror; instead: {data.entry(name).get or 'it is part of the package'}"
            )
        raise unknown("data set", name, DESIGN_BENCH, "see: bbo data list")
    source = DESIGN_BENCH[name]
    bases = mirrors or data.entry(source.file).mirrors
    if not bases:
        raise Unavailable(f"the manifest names no mirror for {name}; give one with --mirror")
    folder = data.cache_dir().parent / "downloads"
    for shard in shards()[source.folder]:
        _fetch_shard(shard.path, shard.size, shard.sha256, folder, bases, listener, timeout, attempts)
    path = data.store(source.file, design_bench_arrays(source, folder))
    data.check(source.file, path)
    shutil.rmtree(folder / source.folder)
    return [path]


def _fetch_shard(
    path: str,
    size: int,
    sha256: str,
    folder: Path,
    bases: tuple[str, ...],
    listener: ProgressListener,
    timeout: tuple[float, float],
    attempts: int,
) -> None:
    pooch.get_logger().setLevel("WARNING")  # progress is the listener's business
    failures: list[Exception] = []
    part = folder / f"{path}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    for base in bases:
        keeper = pooch.create(folder, base_url=f"{base.rstrip('/')}/", registry={path: f"sha256:{sha256}"})
        for attempt in range(attempts):
            try:
                keeper.fetch(path, downloader=ResumingDownload(part, size, listener, timeout))
                return
            except Unavailable as error:  # it will not be there a second later either
                failures.append(error)
                break
            except (requests.exceptions.RequestException, ValueError, OSError) as error:
                # pooch raises ValueError for a wrong hash, and has removed the file.
                failures.append(error)
                if attempt + 1 < attempts:
                    time.sleep(min(2.0**attempt * 0.25, 5.0))
    last = failures[-1]
    if isinstance(last, ValueError) and not isinstance(last, requests.exceptions.RequestException):
        raise DamagedFile(f"{path} from {bases[-1]} is not Design-Bench's file: its sha256 differs") from last
    # requests wraps what went wrong two or three times; the innermost says it.
    reason = getattr(last.args[0], "reason", last) if last.args else last
    where = ", ".join(bases)
    raise Unavailable(f"{path} could not be fetched from {where} (run the same command again to go on): {reason}") from last
