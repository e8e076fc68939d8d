"""What a method's process may open: Python, installed packages without tasks and data, its own file, the system's libraries, a folder.

Paths are an allow-list (`bbo.harness.sandbox.landlock`). Where something hidden lies below an allowed folder, the folder is replaced by
its parts.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import importlib.util
import os
import re
import site
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from bbo import catalogue
from bbo.harness.sandbox.landlock import Allowed

#: Folders of programs and libraries below /, /usr and the folders that Python is installed in.
PARTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "include", "share", "ssl", "nvvm", "targets", "pyvenv.cfg")
#: What the C library, CUDA and fonts read; nothing that holds secrets.
SYSTEM = (
    *("/etc/" + name for name in (
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "nsswitch.conf", "hosts", "host.conf", "localtime", "timezone",
        "os-release", "ssl", "fonts", "mime.types", "locale.alias", "alternatives", "services", "protocols", "OpenCL", "nvidia", "vulkan",
    )),
    *("/sys/" + name for name in ("devices", "class", "bus", "dev", "module", "fs/cgroup", "kernel/mm")),
    "/proc", "/nix/store", "/gnu/store", "/opt/rocm", "/opt/nvidia", "/run/opengl-driver",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
GPUS = ("/dev/dri", "/dev/kfd", "/dev/nvidia*")
#: Semaphores and shared arrays of Python's and torch's worker processes.
SHARED_MEMORY = "/dev/shm"
#: The end of a shared library's name.
LIBRARY = re.compile(r"\.so(\.\d+)*$")


def list_allowed(hidden: Iterable[str], file: str, write: Iterable[Path], gpu: bool = True) -> Allowed:
    """What the process of one method may open.

    Args:
        hidden: files and folders that it may not read, as real paths, wherever they are.
        file: the method's own file, if it is a local one; else empty.
        write: its private folders and files.
        gpu: whether it may use a GPU.
    """
    wanted, others = _installed(tuple(sys.path), os.getcwd())
    hidden = _topmost((*hidden, *others))
    # Python finds modules in folders that it may list, and in no others.
    read, look = [file] if file else [], ["/proc", *map(os.path.realpath, _searched())]
    for path in wanted:
        read += _carved(path, hidden, look)
    private = [os.path.realpath(path) for path in write]
    if not any(path.startswith(SHARED_MEMORY + os.sep) for path in hidden):
        private.append(SHARED_MEMORY)
    devices = [path for pattern in (*DEVICES, *(GPUS if gpu else ())) for path in glob.glob(pattern)]
    return Allowed(tuple(read), tuple(look), tuple(private), tuple(devices))


@cache
def _installed(path: tuple[str, ...], folder: str) -> tuple[list[str], list[str]]:
    """What a method may need, and tasks of other installations among it; for one `sys.path` and working folder."""
    return list(dict.fromkeys(map(os.path.realpath, filter(os.path.exists, _wanted())))), list(_other_tasks())


def _wanted() -> Iterator[str]:
    """Everything that a method may need, before what is hidden is taken out of it."""
    yield from (os.path.join("/", part) for part in PARTS if part.startswith(("bin", "sbin", "lib")))  # /share is often users' data
    for prefix in _prefixes():
        yield from (os.path.join(prefix, part) for part in PARTS)
    yield from glob.glob("/usr/local/cuda*")
    yield from SYSTEM
    yield from _packages()
    for folder in filter(
        os.path.isabs, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    ):  # libraries alone: it may be a home
        yield from (path for path in glob.glob(os.path.join(glob.escape(folder), "*.so*")) if LIBRARY.search(path))


def _prefixes() -> list[str]:
    return list(dict.fromkeys(("/usr", "/usr/local", sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)))


def _packages() -> Iterator[str]:
    """Folders of packages: those Python installs into; and of other folders on its path modules and packages, never data beside them.

    The working folder is left out: it is on the path only because Python was started there.
    """
    yield from (folder for folder in map(os.path.abspath, sys.path) if folder in _installing())
    for folder in _searched():
        yield from _modules(Path(folder))
    # Packages that are not on the path themselves: ours from a checkout, and those of other packages' methods.
    for name in ("bbo", catalogue.METHODS, *(module.partition(".")[0] for module in catalogue.method_modules())):
        spec = importlib.util.find_spec(name)
        yield from (spec.submodule_search_locations or [spec.origin or ""]) if spec else ()


def _installing() -> set[str]:
    """Folders that Python installs into."""
    return {*site.getsitepackages(), site.getusersitepackages()}


def _searched() -> Iterator[str]:
    """Other folders on Python's path, as by PYTHONPATH or a `.pth` file."""
    python = tuple(one + os.sep for one in _prefixes()[2:])
    for folder in map(os.path.abspath, sys.path):
        other = folder not in _installing() and folder != os.getcwd() and not (folder + os.sep).startswith(python)
        if other and os.path.isdir(folder):
            yield folder


def _modules(folder: Path) -> Iterator[str]:
    """Modules and packages of a folder, compiled ones included, and whatever else its installed distributions say is theirs."""
    with contextlib.suppress(OSError):  # it may not be listed
        for path in folder.iterdir():
            if path.suffix in (".py", ".dist-info", ".egg-info", ".libs") or LIBRARY.search(path.name) or _is_package(path):
                yield str(path)
            if path.suffix == ".dist-info":
                yield from _recorded(folder, path / "RECORD")


def _recorded(folder: Path, record: Path) -> set[str]:
    """What a distribution's list of files names below its folder: packages as a whole, other files one by one."""
    found, packages = set(), set[Path]()
    with contextlib.suppress(OSError, UnicodeDecodeError, csv.Error), open(record, encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            parts = Path(row[0]).parts if row else ()
            if not parts or parts[0] == os.sep or ".." in parts:  # scripts, which lie elsewhere
                continue
            above = [folder.joinpath(*parts[: place + 1]) for place in range(len(parts))]
            packages.update(path for path in above[:1] if path not in packages and _is_package(path))
            if above[0] not in packages:  # a part of a namespace
                found.add(str(above[-1]))
    return found


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _other_tasks() -> Iterator[str]:
    """Tasks of other installations and checkouts of this package that an allowed folder may hold."""
    name = os.path.join(*catalogue.TASKS.split("."))
    installed = (folder for prefix in _prefixes() for folder in glob.glob(os.path.join(prefix, "lib", "python3*", "*-packages")))
    for folder in (*installed, *map(os.path.abspath, sys.path)):
        places = [os.path.join(folder, name)]
        if os.path.isfile(os.path.join(folder, "bbo", "task.py")):  # a checkout keeps them beside the package
            places.append(os.path.join(folder, "tasks"))
        yield from map(os.path.realpath, filter(os.path.isdir, places))


def _topmost(paths: Iterable[str]) -> list[str]:
    """The paths that lie below none of the others."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not kept or not (path + os.sep).startswith(kept[-1] + os.sep):
            kept.append(path)
    return kept


def _carved(path: str, hidden: Iterable[str], look: list[str]) -> Iterator[str]:
    """The parts of a folder that hold nothing hidden; folders that had to be taken apart go into `look`."""
    if any(path == one or path.startswith(one + os.sep) for one in hidden):
        return
    inside = [one for one in hidden if one.startswith(path.rstrip(os.sep) + os.sep)]
    if not inside:
        yield path
        return
    look.append(path)
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_symlink():  # what it points to may be anywhere
                yield from _carved(entry.path, inside, look)
