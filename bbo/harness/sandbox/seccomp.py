"""Closes to a method's process the system calls that Landlock does not govern (docs.kernel.org/userspace-api/seccomp_filter).

Landlock decides which files are opened. It does not govern how a process looks into or limits another, most kinds of sockets, System V
memory, io_uring, or the modes and times of files. A filter of some hundred instructions, in the kernel's classic BPF, refuses these.
Children inherit it and nothing takes it back. Numbers are those of the kernel's tables for x86-64 and for 64-bit ARM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterable, Iterator

#: AUDIT_ARCH of a machine, and the place of its number in the pairs below.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
#: System calls of x86-64's second table begin here.
_X32 = 0x40000000
#: Marks a call that a machine does not have.
_ABSENT = -1

#: Looking into other processes, taking their descriptors, or being told when and which files they use.
_PROCESSES = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "kcmp": (312, 272), "process_madvise": (440, 440), "process_mrelease": (448, 448), "perf_event_open": (298, 241),
    "inotify_add_watch": (254, 27),
}  # fmt: skip
#: Ways around the file system's rules: asynchronous calls, handles of files, mounts, namespaces, other roots.
_FILES = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "mount": (165, 40), "umount2": (166, 39), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "fanotify_init": (300, 262),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
}  # fmt: skip
#: The kernel itself.
_KERNEL = {
    "bpf": (321, 280), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116), "iopl": (172, _ABSENT), "ioperm": (173, _ABSENT),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161), "setdomainname": (171, 162),
}  # fmt: skip
#: Memory and messages that outlive a process and have no file: one cell could leave them for the next.
_LEFT_BEHIND = {"shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180)}
#: Extended attributes and flags of files that Landlock keeps from being opened.
_ATTRIBUTES = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
#: Modes, owners and times of files. These calls do nothing and report success, since copying a file also sets them.
_MODES = {
    "chmod": (90, _ABSENT), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, _ABSENT),
    "fchown": (93, 55), "lchown": (94, _ABSENT), "fchownat": (260, 54), "utime": (132, _ABSENT), "utimes": (235, _ABSENT),
    "futimesat": (261, _ABSENT), "utimensat": (280, 88),
}  # fmt: skip
#: Limits, priorities and processors of a process: arguments that must have a value, by their places; "own" is the process itself or 0.
_OWN: dict[str, tuple[tuple[int, int], tuple[tuple[int, int | str], ...]]] = {
    "prlimit64": ((302, 261), ((0, "own"),)), "sched_setaffinity": ((203, 122), ((0, "own"),)),
    "sched_setscheduler": ((144, 119), ((0, "own"),)), "sched_setparam": ((142, 118), ((0, "own"),)),
    "sched_setattr": ((314, 274), ((0, "own"),)), "setpriority": ((141, 140), ((0, 0), (1, "own"))),
    "ioprio_set": ((251, 30), ((0, 1), (1, "own"))),
}  # fmt: skip
#: Signals, for kernels whose Landlock does not confine them; the first argument is the process.
_SIGNALS = {
    "kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
}  # fmt: skip
#: Refused with these: they take a thread, or a descriptor of a process such as that at the other end of a socket.
_TKILL, _PIDFD_SEND_SIGNAL = (200, 130), (424, 424)
_SOCKET, _SOCKETPAIR, _CLONE, _CLONE3 = (41, 198), (53, 199), (56, 220), (435, 435)
_FCNTL, _IOCTL = (72, 25), (16, 29)

_AF_UNIX = 1
#: Flags of clone for a namespace: mounts, cgroups, host names, messages, users, processes, network, time.
_NAMESPACES = 0x7E020080
#: fcntl's F_SETOWN and F_SETOWN_EX, ioctl's FIOSETOWN and SIOCSPGRP: whom the kernel signals when a descriptor is ready.
_SET_OWNER = (8, 15)
#: fcntl's F_SETLEASE and F_NOTIFY: making others wait for a file, and being told when they use a folder.
_WATCHING = (1024, 1026)
#: ioctl's FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS and FS_IOC_FSSETXATTR: flags of a file that is open for reading.
_FLAGS = (0x40086602, 0x40046602, 0x401C5820)
_SET_OWNER_IOCTL = (0x8901, 0x8902)
#: ioctl's TIOCSTI and TIOCLINUX: typing on a terminal.
_TYPING = (0x5412, 0x541C)

# Instructions of classic BPF: load a word; jump if equal, at least, any bit set; return.
_LOAD, _EQUAL, _AT_LEAST, _ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
#: Places in the kernel's `seccomp_data`: the number, the architecture, the arguments (lower halves).
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SET_SECCOMP, _FILTER = 22, 2


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Instruction)))


def available() -> bool:
    """Whether this kernel has filters, and this machine is one whose numbers are known."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return False
    # EFAULT for a filter at address 0 if there are filters, EINVAL if not; changes nothing.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return ctypes.get_errno() == errno.EFAULT


def confine(protected: Iterable[int], signals: bool) -> None:
    """Filter this process's system calls, for good; it must have no other threads and no new privileges (`landlock.confine`).

    Args:
        protected: processes that it may not signal.
        signals: whether Landlock confines signals already, so that `protected` is not needed.

    Raises:
        OSError: the kernel refused.
    """
    steps = program(() if signals else tuple(protected), os.getpid())
    array = (_Instruction * len(steps))(*(_Instruction(code, yes, no, value & 0xFFFFFFFF) for code, yes, no, value in steps))
    whole = _Program(len(steps), array)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(whole), ctypes.c_ulong(0), ctypes.c_ulong(0)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


#: An instruction: code, how many to skip where a condition holds, how many where it does not, and its value.
_Step = tuple[int, int, int, int]


def program(protected: tuple[int, ...], own: int, machine: str = "") -> list[_Step]:
    """The filter of a process of number `own`."""
    architecture, column = _MACHINES[machine or platform.machine()]
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), _refuse(errno.EPERM), (_LOAD, 0, 0, _NUMBER)]
    if column == 0:
        steps += [(_AT_LEAST, 0, 1, _X32), _refuse(errno.ENOSYS)]
    refused = [(calls, errno.EPERM) for calls in (_PROCESSES, _FILES, _KERNEL, _LEFT_BEHIND)]
    for calls, reason in [*refused, (_ATTRIBUTES, errno.ENOTSUP), (_MODES, 0), ({"clone3": _CLONE3}, errno.ENOSYS)]:
        for numbers in calls.values():
            steps += _of_call(numbers[column], [_refuse(reason)])
    for numbers in (_SOCKET, _SOCKETPAIR):
        steps += _of_call(numbers[column], [_argument(0), (_EQUAL, 1, 0, _AF_UNIX), _refuse(errno.EACCES)])
    steps += _of_call(_CLONE[column], [_argument(0), (_ANY, 0, 1, _NAMESPACES), _refuse(errno.EPERM)])
    for numbers, values in ((_FCNTL, (*_SET_OWNER, *_WATCHING)), (_IOCTL, (*_SET_OWNER_IOCTL, *_TYPING, *_FLAGS))):
        steps += _of_call(numbers[column], [_argument(1), *_refuse_any(values)])
    for numbers, conditions in _OWN.values():
        block: list[_Step] = []
        for place, value in conditions:
            allowed = (0, own) if value == "own" else (int(value),)
            block += [
                _argument(place),
                *((_EQUAL, len(allowed) - i, 0, one) for i, one in enumerate(allowed)),
                _refuse(errno.EPERM),
            ]
        steps += _of_call(numbers[column], block)
    if protected:
        groups = (*protected, *(-pid for pid in protected), -1)
        for numbers in _SIGNALS.values():
            steps += _of_call(numbers[column], [_argument(0), *_refuse_any(groups)])
        for numbers in (_TKILL, _PIDFD_SEND_SIGNAL):
            steps += _of_call(numbers[column], [_refuse(errno.EPERM)])
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _refuse(reason: int) -> _Step:
    """Return an error, or success without having done anything where the reason is 0."""
    return (_RETURN, 0, 0, _ERRNO | reason)


def _argument(place: int) -> _Step:
    """Load the lower half of an argument: numbers of processes, flags and commands have 32 bits."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place)


def _refuse_any(values: Iterable[int]) -> Iterator[_Step]:
    for value in values:
        yield from ((_EQUAL, 0, 1, value), _refuse(errno.EPERM))


def _of_call(number: int, block: list[_Step]) -> list[_Step]:
    """Instructions for one system call, which expect its number to be loaded; they allow what they do not refuse."""
    if number == _ABSENT:
        return []
    if block[0][0] == _LOAD:  # it loads something else than the number
        block = [*block, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(block), number), *block]
