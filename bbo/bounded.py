"""Reads files that somebody else may have written, or that are damaged: the only code that opens what a user or a stranger gives us.

Sizes are checked before memory is taken, nothing is unpickled, no name inside an archive becomes a path, and every failure is an
`Unreadable` whose message names the file. Callers add what to do.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import json
import math
import os
import stat
import struct
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from bbo.errors import BBOError
from bbo.text import line

#: Bytes of the largest text file that is read, and of all arrays of one file.
TEXT = 256 * 2**20
ARRAYS = 4 * 2**30
#: Arrays in one file, and bytes of its list of contents.
ENTRIES = 1000
LISTING = 2**20
#: Bytes of the header of one array: what NumPy itself allows.
HEADER = 10_000
#: Rows and columns of a Parquet file, and rows decoded at a time.
ROWS, COLUMNS, BATCH = 20_000_000, 10_000, 64


class Unreadable(BBOError):
    """A file that cannot be read. `reason` is the message without the file's name."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.reason = line(reason)
        super().__init__(f"{path} cannot be read: {self.reason}")


class Missing(Unreadable):
    """A file that is not there."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "there is no such file")


@contextlib.contextmanager
def opened(path: Path, limit: int, links: bool = True) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file and its size; never a folder, a device or a pipe, on which reading could wait forever.

    Args:
        limit: largest size in bytes.
        links: whether the file itself may be a symbolic link.

    Raises:
        Missing: it is not there.
        Unreadable: it is something else, too large, or may not be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | (0 if links else getattr(os, "O_NOFOLLOW", 0))
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise Missing(path) from None
    except OSError as error:
        link = not links and error.errno == errno.ELOOP
        raise Unreadable(path, "it is a link, not a file" if link else error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in its name
        raise Unreadable(path, str(error)) from None
    found = os.fstat(descriptor)
    regular = stat.S_ISREG(found.st_mode)
    if not regular or found.st_size > limit:
        os.close(descriptor)
        if regular:
            raise Unreadable(path, f"it has {_size(found.st_size)}, and at most {_size(limit)} are read")
        raise Unreadable(path, "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file, found.st_size


def content(path: Path, limit: int = TEXT, links: bool = True) -> bytes:
    """All bytes of a file.

    Raises:
        Unreadable: as `opened`.
    """
    with opened(path, limit, links) as (file, size):
        try:
            return file.read(size)  # no more, even if it grows while it is read
        except (OSError, MemoryError) as error:
            raise Unreadable(path, getattr(error, "strerror", None) or "there is not enough memory") from None


def text(path: Path, limit: int = TEXT, links: bool = True) -> str:
    """A file in UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: as `opened`, or it is in another encoding.
    """
    return decoded(path, content(path, limit, links))


def unzipped(path: Path, limit: int = TEXT) -> str:
    """The text of a gzipped file of at most `limit` bytes, packed or not.

    Raises:
        Unreadable: as `text`, or it is no such file, damaged, or too large when unpacked.
    """
    with opened(path, limit) as (file, _):
        data = _safely(path, lambda: gzip.GzipFile(fileobj=file).read(limit + 1))
    if len(data) > limit:
        raise Unreadable(path, f"unpacked it has more than {_size(limit)}")
    return decoded(path, data)


def decoded(path: Path | str, data: bytes) -> str:
    """The text of a file's bytes, as `text` gives it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        other = "in UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"not in UTF-8 ({error.reason} at byte {error.start})"
        raise Unreadable(path, f"it is {other}; save it as UTF-8") from None


def parsed_json(path: Path | str, words: str, constant: Callable[[str], Any] | None = None) -> Any:
    """JSON, in which no object may have a key twice.

    Args:
        path: for messages.
        words: the text.
        constant: what NaN, Infinity and -Infinity become; without it they are refused.

    Raises:
        Unreadable: it is not such JSON.
    """
    try:
        return json.loads(words, parse_constant=constant or _no_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise Unreadable(path, "it is nested too deeply") from None
    except MemoryError:
        raise Unreadable(path, "there is not enough memory") from None
    except ValueError as error:
        raise Unreadable(path, f"it is not valid JSON: {error}") from None


def parsed_toml(path: Path | str, words: str) -> dict[str, Any]:
    """TOML.

    Raises:
        Unreadable: it is not.
    """
    try:
        return tomllib.loads(words)
    except RecursionError:
        raise Unreadable(path, "it is nested too deeply") from None
    except (tomllib.TOMLDecodeError, ValueError) as error:  # ValueError: a date or a number that cannot be
        raise Unreadable(path, f"it is not valid TOML: {error}") from None


def npy(path: Path, limit: int = ARRAYS, links: bool = True) -> np.ndarray:
    """The array of an .npy file of at most `limit` bytes.

    Raises:
        Unreadable: as `opened`, or it is no such file, cut off, or holds Python objects.
    """
    with opened(path, limit + HEADER, links) as (file, size):
        return _safely(path, lambda: _array(file, size, limit))


def npz(path: Path, names: Sequence[str] | None = None, limit: int = ARRAYS, links: bool = True) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name; together at most `limit` bytes.

    Args:
        path: the file.
        names: those that are needed; without it all.
        limit: of the file, and of its arrays in memory.
        links: whether the file may be a link.

    Raises:
        Unreadable: as `opened`; it is no such file, damaged, too large in memory, lacks an array or holds Python objects.
    """
    with opened(path, limit + LISTING, links) as (file, size):
        return _safely(path, lambda: _archive(file, size, names, limit))


def arrays(path: Path | str, data: bytes, limit: int = ARRAYS) -> np.ndarray | dict[str, np.ndarray]:
    """What the bytes of an .npy or .npz file hold: an array, or arrays by name.

    Raises:
        Unreadable: as `npy` and `npz`.
    """
    file, size = io.BytesIO(data), len(data)
    if data.startswith(b"PK"):
        return _safely(path, lambda: _archive(file, size, None, limit))
    return _safely(path, lambda: _array(file, size, limit))


def check_archive(path: Path, data: bytes, limit: int = ARRAYS) -> None:
    """Check that a zip file, such as a spreadsheet's, unpacks to no more than `limit` bytes: for readers that unpack it themselves.

    Raises:
        Unreadable: it would, or it is no such file.
    """

    def check() -> None:
        file = io.BytesIO(data)
        _check_listing(file, len(data))
        with zipfile.ZipFile(file) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > limit:
                raise ValueError(f"it would take {_size(size)} of memory, and at most {_size(limit)} are read")

    _safely(path, check)


def members(path: Path, wanted: Callable[[str], bool], limit: int = TEXT) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of those files of a zip archive whose names are `wanted`, in the order of their names; one is read at a time.

    Args:
        path: the archive.
        wanted: says of a name whether its file is read.
        limit: bytes of the largest of these files, unpacked.

    Raises:
        Unreadable: as `opened`; it is no such file, damaged, or one of these files is too large or packed in another way than by `deflate`.
    """
    with opened(path, ARRAYS) as (file, size):
        for entry in sorted(_safely(path, lambda: _listing(file, size)), key=lambda entry: entry.filename):
            if wanted(entry.filename):
                yield entry.filename, _safely(path, partial(_unpacked, file, entry, limit))


def _listing(file: IO[bytes], size: int) -> list[zipfile.ZipInfo]:
    _check_listing(file, size)
    with zipfile.ZipFile(file) as archive:
        return archive.infolist()


def _unpacked(file: IO[bytes], entry: zipfile.ZipInfo, limit: int) -> bytes:
    _check_packing(entry)
    with zipfile.ZipFile(file) as archive, archive.open(entry) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"unpacked {entry.filename} has more than {_size(limit)}")
    return data


def parquet(path: Path, limit: int = ARRAYS) -> Any:
    """The `pyarrow.Table` of a Parquet file, decoded a few rows at a time, so that `limit` bounds its memory.

    Raises:
        ImportError: pyarrow is not installed.
        Unreadable: as `opened`; it is no such file, damaged, or too large in memory.
    """
    import pyarrow
    import pyarrow.parquet

    def read(file: IO[bytes]) -> Any:
        found = pyarrow.parquet.ParquetFile(file)
        facts = found.metadata
        if facts.num_rows > ROWS or facts.num_columns > COLUMNS:
            raise ValueError(f"it has {facts.num_rows} rows and {facts.num_columns} columns; at most {ROWS} and {COLUMNS} are read")
        batches, used = [], 0
        wide = max(BATCH, min(65536, 2**22 // max(facts.num_columns, 1))) if _plain(found.schema_arrow) else BATCH
        for batch in found.iter_batches(batch_size=wide):
            batches.append(batch)
            used += batch.nbytes
            if used > limit:
                raise ValueError(f"it takes more than {_size(limit)} of memory")
        return pyarrow.Table.from_batches(batches, schema=batches[0].schema if batches else found.schema_arrow)

    with opened(path, limit) as (file, _):
        return _safely(path, lambda: read(file))


def _plain(schema: Any) -> bool:
    """Whether all columns hold numbers, whose memory the number of rows bounds."""
    import pyarrow.types as types

    return all(types.is_primitive(field.type) for field in schema)


def _safely(path: Path | str, read: Callable[[], Any]) -> Any:
    """What `read` returns; whatever it raises means that the file cannot be read. Zip, zlib, NumPy and Arrow raise many kinds."""
    try:
        return read()
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable(path, "there is not enough memory") from None
    except Exception as error:
        said = " ".join(map(str, error.args)) if isinstance(error, KeyError) else str(error)
        raise Unreadable(path, said or type(error).__name__) from None


def _archive(file: IO[bytes], size: int, names: Sequence[str] | None, limit: int) -> dict[str, np.ndarray]:
    _check_listing(file, size)
    with zipfile.ZipFile(file) as archive:
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or name.startswith(("/", "\\")) or ".." in name or ":" in name:
                raise ValueError(f"'{entry.filename}' in it is not the name of an array")
            if name in entries:
                raise ValueError(f"it holds the array '{name}' twice")
            _check_packing(entry)
            entries[name] = entry
        wanted = list(entries) if names is None else names
        if missing := [name for name in wanted if name not in entries]:
            raise ValueError(f"it lacks the array {', '.join(map(repr, missing))}")
        unpacked = sum(entries[name].file_size for name in wanted)
        if unpacked > limit + HEADER * len(wanted):
            raise ValueError(f"its arrays would take {_size(unpacked)} of memory, and at most {_size(limit)} are read")
        found = {}
        for name in wanted:
            with archive.open(entries[name]) as stream:
                found[name] = _array(stream, entries[name].file_size, limit)
        return found


def _check_packing(entry: zipfile.ZipInfo) -> None:
    """Refuse packings of which a few bytes may fill the memory at once."""
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is encrypted, or packed in a way that is not read")


def _check_listing(file: IO[bytes], size: int) -> None:
    """Refuse an archive whose list of contents alone would fill the memory: `zipfile` reads all of it on opening."""
    before = max(0, size - 65557)  # the list ends with a record of 22 bytes, and a comment of up to 65535
    file.seek(before)
    end = file.read(65557)
    place = end.rfind(b"PK\x05\x06")
    if place < 0 or len(end) < place + 22:
        raise ValueError("it is no archive, or it is cut off")
    count, length = _large_listing(file, before + place) or struct.unpack("<HI", end[place + 10 : place + 16])
    if count > ENTRIES or length > LISTING:
        raise ValueError(f"it lists {count} parts; at most {ENTRIES} are read")
    file.seek(0)


def _large_listing(file: IO[bytes], end: int) -> tuple[int, int] | None:
    """Parts and bytes of an archive's list by its Zip64 record, which overrules the one at `end`; None without."""
    file.seek(max(0, end - 76))  # 56 bytes, and 20 that say where these are
    told = file.read(min(end, 76))
    locator = told[-20:]
    if not locator.startswith(b"PK\x06\x07"):
        return None
    # Python's versions differ in whether they believe the locator, so it must be right.
    if not told.startswith(b"PK\x06\x06") or struct.unpack("<Q", locator[8:16])[0] != end - 76:
        raise ValueError("its list of contents is damaged")
    count, length = struct.unpack("<QQ", told[32:48])
    return count, length


def _array(stream: IO[bytes], size: int, limit: int) -> np.ndarray:
    """The array that a stream of `size` bytes holds; its header is checked before memory is taken for it."""
    start = stream.read(8)
    width = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}.get(start)
    if width is None:
        if start[:6] == b"\x93NUMPY"[: len(start)] and len(start) < 8:
            raise ValueError("it is cut off")
        raise ValueError("it is not an array of NumPy's format 1 or 2")
    told = stream.read(width)
    length = int.from_bytes(told, "little")
    if length > HEADER:
        raise ValueError(f"its header has {length} bytes; at most {HEADER} are read")
    header = stream.read(length)
    if len(told) < width or len(header) < length:
        raise ValueError("it is cut off")
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        shape, by_column, kind = read(io.BytesIO(told + header))
    except Exception as error:  # the header is a Python literal, and its parser raises many kinds
        raise ValueError(f"its header is damaged ({type(error).__name__})") from None
    if kind.hasobject:
        raise ValueError("it holds Python objects, which are not read; save numbers or text")
    if kind.kind not in "biufcSU" or kind.itemsize == 0 or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"it holds {kind} of shape {shape}, which is no array of numbers or text")
    needed, there = math.prod(shape) * kind.itemsize, size - len(start) - width - length
    if needed > limit:
        raise ValueError(f"its array would take {_size(needed)} of memory, and at most {_size(limit)} are read")
    if needed != there:
        raise ValueError(f"its array of shape {shape} needs {needed} bytes, and there are {there}: it is cut off or damaged")
    data = np.empty(needed, np.uint8)
    place = 0
    while place < needed:
        part = stream.readinto(data.data[place:])  # type: ignore[attr-defined]
        if not part:
            raise ValueError("it is cut off")
        place += part
    if stream.read(1):  # at the end of an archive's entry its checksum is compared
        raise ValueError("it is longer than it says")
    return data.view(kind).reshape(shape, order="F" if by_column else "C")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
