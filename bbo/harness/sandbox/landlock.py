"""Confines the calling process by Landlock, Linux's sandbox for processes without privileges (docs.kernel.org/userspace-api/landlock).

The kernel then refuses every file outside an allow-list, TCP, and signals to, tracing of and abstract sockets of processes outside.
Children inherit this and nothing takes it back. Landlock's system calls have no function in the C library, hence ctypes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from bbo.harness.sandbox import seccomp

#: System calls, of equal numbers on all architectures: landlock_create_ruleset, landlock_add_rule, landlock_restrict_self.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 9, 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
#: Rights over files by the ABI that brought them.
_ALL = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
#: Rights that a file may have; the others are a folder's.
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_READING = _READ | _LIST | _EXECUTE
#: All but making device nodes.
_WRITING = (
    _READING
    | _WRITE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_DEVICE = _READ | _WRITE | _LIST | _IOCTL
_TCP = {4: 0b11}
#: Abstract Unix sockets and signals.
_SCOPES = {6: 0b11}

_NO_NEW_PRIVILEGES = 38
#: Capabilities that change nothing beyond a user's own files: chown, two for permissions of files, fowner.
_HARMLESS = 0b1111
_CAPABILITIES_3 = 0x20080522


@dataclass(frozen=True)
class Allowed:
    """What a confined process may open, as real paths: a folder stands for all below it; what is missing is left out.

    Args:
        read: files and folders to read and execute.
        look: folders to list, with those below them, without reading their files.
        write: folders to use freely.
        devices: device nodes, or folders of them.
    """

    read: tuple[str, ...]
    look: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Path(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Version of Landlock that this kernel offers; 0 if none, as on other systems than Linux."""
    if sys.platform != "linux" or platform.machine() == "alpha":
        return 0
    return max(0, _libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))


def confine(allowed: Allowed, protected: tuple[int, ...] = ()) -> None:
    """Confine this process to `allowed`, and take the rights of root from it, for good; then filter its system calls where possible.

    Args:
        allowed: what it may open.
        protected: processes that it may not signal; of no effect where Landlock confines signals (ABI 6).

    Raises:
        OSError: the kernel refused; the process must then run nothing that it does not trust.
        RuntimeError: the process has other threads, which would stay free.
    """
    version = abi()
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a process must be confined before it starts threads")
    handled = _known(_ALL, version)
    ruleset = _Ruleset(handled, _known(_TCP, version), _known(_SCOPES, version))
    rules = _call(_CREATE, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), ctypes.c_uint32(0))
    try:
        for paths, rights in (
            (allowed.read, _READING),
            (allowed.look, _LIST),
            (allowed.write, _WRITING),
            (allowed.devices, _DEVICE),
        ):
            _allow(rules, paths, rights & handled)
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _drop_capabilities()
        _call(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
    if seccomp.available():
        seccomp.confine(protected, signals=bool(_known(_SCOPES, version)))


def _known(by_abi: dict[int, int], version: int) -> int:
    return sum(rights for since, rights in by_abi.items() if since <= version)


def _allow(rules: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            of_file = not stat.S_ISDIR(os.fstat(place).st_mode)
            rule = _Path(rights & _OF_FILES if of_file else rights, place)
            if rule.allowed:
                _call(_ADD, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
        finally:
            os.close(place)


def _drop_capabilities() -> None:
    """Give up what root may do beyond an ordinary user, such as reading the machine's memory; of no effect for others."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    _check(_libc().capget(header, sets))
    kept = [word & (_HARMLESS if place < 3 else 0) for place, word in enumerate(sets)]
    _check(_libc().capset(header, (ctypes.c_uint32 * 6)(*kept)))


def _call(number: int, *arguments: object) -> int:
    return _check(_libc().syscall(ctypes.c_long(number), *arguments))


def _prctl(option: int, value: int) -> None:
    _check(_libc().prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
