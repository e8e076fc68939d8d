"""Downloads of original data files from their mirrors: checked, retried, resumed where the server allows. Never part of a run."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pooch
import requests

from bbo.data import files
from bbo.data.sources import Shards, Source, shards
from bbo.errors import BBOError, DamagedFile, Unavailable, unknown

#: Called with (file, bytes so far, bytes expected).
ProgressListener = Callable[[str, int, int], None]

CHUNK = 1 << 16
#: How often a file is tried at one mirror, and seconds to wait for a connection and for the next bytes.
ATTEMPTS, TIMEOUT = 4, (10.0, 60.0)
#: Errors of writing, which no other mirror and no second attempt will change.
LOCAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG})


class ResumingDownload:
    """A downloader for pooch: keeps what has arrived in FILE.part and asks the server for the rest of it next time."""

    def __init__(self, part: Path, size: int, listener: ProgressListener, timeout: tuple[float, float]) -> None:
        self.part, self.size, self.listener, self.timeout = part, size, listener, timeout

    def __call__(self, url: str, output: Any, _pooch: Any) -> None:
        """Download `url` to `output`, in the form that pooch expects of a downloader."""
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
    sources: Iterable[Source],
    mirrors: tuple[str, ...] = (),
    listener: ProgressListener = lambda *_: None,
    timeout: tuple[float, float] = TIMEOUT,
    attempts: int = ATTEMPTS,
) -> list[Path]:
    """Download the shards of a Design-Bench data set, check and convert them, store the data file; returns the paths written.

    Partial downloads are kept until the data file is complete, so an interrupted fetch resumes.

    Args:
        name: a data set, by the name of its source, or the data file made of it.
        sources: the known sources; those with shards can be fetched.
        mirrors: base addresses to use instead of the source's own, tried in order.
        listener: called with (file, bytes so far, bytes expected).
        timeout: seconds to wait for a connection, and for the next bytes.
        attempts: how often a file is tried at one mirror.

    Raises:
        UnknownName: no data set that can be fetched is called so.
        Unavailable: no mirror has it.
        DamagedFile: every mirror sent something else than the file.
        BBOError: it cannot be written, for lack of space or permission.
    """
    fetched = [source for source in sources if isinstance(source, Shards)]
    source = next((source for source in fetched if name in (source.name, source.files[0])), None)
    if source is None:
        raise unknown("data set", name, [source.name for source in fetched], "see: bbo data list")
    bases = mirrors or source.mirrors
    if not bases:
        raise Unavailable(f"no mirror is known for {name}; give one with --mirror")
    folder = files.cache_dir().parent / "downloads"
    for shard in shards()[source.folder]:
        _fetch_shard(shard.path, shard.size, shard.sha256, folder, bases, listener, timeout, attempts)
    path = files.store(source.files[0], source.arrays(folder))
    files.check(source.files[0], path)
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
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(part, error) from None
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
                if isinstance(error, OSError) and error.errno in LOCAL:
                    raise _unwritable(part, error) from None
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


def _unwritable(path: Path, error: OSError) -> BBOError:
    return BBOError(f"cannot write {path}: {error.strerror}; make room, then run the same command again")
