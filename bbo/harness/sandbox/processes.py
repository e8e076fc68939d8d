"""Looks at other processes and ends them. Any of them may die at any moment: no function here raises because one did."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import psutil

from bbo.harness.sandbox.group import Group

#: What psutil raises where a process has died or may not be looked at; while it reads /proc also plain errors of the system.
GONE = (psutil.Error, OSError)
#: Seconds between two counts of processes, at least.
PAUSE = 0.1
#: There, Linux lists the children of a thread; not every kernel does.
CHILDREN = "/proc/thread-self/children"
#: Seconds after which killing is given up, and how often nothing must be found: what is replaced all the time may slip through one look.
PATIENCE, LOOKS = 10.0, 5


def descendants(pid: int) -> list[psutil.Process]:
    """All that a process started and that still runs; zombies do not count. Nothing if there is no such process."""
    found = []
    with contextlib.suppress(*GONE):
        below = _below(pid) if os.path.exists(CHILDREN) else psutil.Process(pid).children(recursive=True) if pid > 0 else ()
        for one in below:
            with contextlib.suppress(*GONE):
                process = psutil.Process(one) if isinstance(one, int) else one
                if _runs(process):
                    found.append(process)
    return found


def _below(pid: int) -> Iterator[int]:
    """Numbers of all that a process started."""
    return (one for one, _ in _tree(pid) if one != pid)


def _tree(pid: int) -> Iterator[tuple[int, int]]:
    """A process and all it started, each with its number of threads, straight from the kernel's lists: no look at other processes."""
    waiting = [pid] if pid > 0 else []
    while waiting:
        one = waiting.pop()
        threads: list[str] = []
        with contextlib.suppress(OSError):
            threads = os.listdir(f"/proc/{one}/task")
        for thread in threads:
            with contextlib.suppress(OSError), open(f"/proc/{one}/task/{thread}/children") as file:
                waiting += map(int, file.read().split())
        yield one, len(threads)


def _more(pid: int, most: int) -> bool:
    """Whether a process and all it started are more processes and threads than `most`."""
    if not os.path.exists(CHILDREN):
        return sum(_threads(one) for one in (pid, *(process.pid for process in descendants(pid)))) > most
    number = 0
    return any((number := number + threads) > most for _, threads in _tree(pid))


def _threads(pid: int) -> int:
    with contextlib.suppress(*GONE):
        return int(psutil.Process(pid).num_threads()) if pid > 0 else 0
    return 0


def marked(variable: str, value: str) -> list[psutil.Process]:
    """Running processes whose environment holds `variable` with this value."""
    found = []
    with contextlib.suppress(*GONE):
        for process in psutil.process_iter():
            with contextlib.suppress(*GONE):
                if process.environ().get(variable) == value and _runs(process):
                    found.append(process)
    return found


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill these processes."""
    for process in processes:
        with contextlib.suppress(*GONE):
            process.kill()


def kill_all(look: Callable[[], list[psutil.Process]]) -> None:
    """Kill the processes that `look` finds until it finds none: a killed process may have started others in the meantime."""
    _repeat(lambda: _killed(process.pid for process in look()))


def kill_below(pid: int) -> None:
    """Kill all that a process started until nothing is left, at once: what is started meanwhile is started by fewer."""
    if os.path.exists(CHILDREN):
        _repeat(lambda: _killed(_below(pid)))
    else:
        kill_all(lambda: descendants(pid))


def _killed(pids: Iterable[int]) -> bool:
    """Kill these; whether there was one."""
    found = False
    for pid in pids:
        found = True
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return found


def _repeat(kill: Callable[[], bool]) -> None:
    deadline, empty = time.monotonic() + PATIENCE, 0
    while empty < LOOKS and time.monotonic() < deadline:
        empty = 0 if kill() else empty + 1
        time.sleep(0.001)


def kill_group(pid: int) -> None:
    """Kill the process group of a number."""
    with contextlib.suppress(OSError):
        if pid > 0:  # 0 would be our own group
            os.killpg(pid, signal.SIGKILL)


def suspend(pid: int) -> None:
    """Stop a process, so that it starts nothing while we look for its children."""
    with contextlib.suppress(*GONE):
        if pid > 0:
            psutil.Process(pid).suspend()


class Meter:
    """Cost of a method, seen from outside its process: wall and CPU time since it was called, and the peak of its memory."""

    def __init__(self, pid: int, start: float) -> None:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")  # the peak counts from here; on other systems than Linux it is that of the process so far
        self._pid, self._start, self._cpu = pid, start, _cpu_seconds(pid)

    def read(self, end: float) -> dict[str, float]:
        """What can be measured here; times in seconds, memory in MiB."""
        cost = {"wall_seconds": end - self._start}
        cpu, peak = _cpu_seconds(self._pid), _peak_memory_mb(self._pid)
        if cpu is not None and self._cpu is not None:
            running = sum(_cpu_seconds(child.pid) or 0.0 for child in descendants(self._pid))  # not yet counted for their parent
            cost["cpu_seconds"] = max(0.0, cpu - self._cpu) + running
        if peak is not None:
            cost["peak_memory_mb"] = peak
        return cost


def _cpu_seconds(pid: int) -> float | None:
    """CPU time of all threads of a process, and of its children that have ended."""
    seconds = children = None
    if pid <= 0:  # it did not start
        return None
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            seconds = time.clock_gettime((~pid << 3) | 2)  # the process's CPU clock: clock_getcpuclockid(3), to the nanosecond
    with contextlib.suppress(*GONE):
        times = psutil.Process(pid).cpu_times()
        seconds = float(times.user + times.system) if seconds is None else seconds
        children = float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))
    return None if seconds is None else seconds + (children or 0.0)


def _peak_memory_mb(pid: int) -> float | None:
    """Largest resident memory of a process since it was last reset; None on other systems than Linux."""
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    return None


class Number:
    """Processes and threads of a process and all it started, looked at a few times a second.

    Args:
        pid: the process.
        most: how many are allowed.
        group: refuses more than that, if it can.
    """

    def __init__(self, pid: int, most: int, group: Group | None = None) -> None:
        self._pid, self._most, self._group, self._next = pid, most, group, 0.0

    def over(self) -> bool:
        """Whether there are more than allowed, or more were refused."""
        start = time.monotonic()
        if start < self._next:
            return False
        used = time.thread_time()
        refused = self._group.refused() if self._group else None
        over = _more(self._pid, self._most) if refused is None else refused > 0
        self._next = start + max(PAUSE, 10 * (time.thread_time() - used))
        return over


class Memory:
    """Resident memory of a process and all it started; children are searched for less often, since that is slow."""

    def __init__(self, pid: int, gigabytes: float) -> None:
        self._limit, self._looks = gigabytes * 1e9, 0
        self._process: psutil.Process | None = None
        self._children: list[psutil.Process] = []
        with contextlib.suppress(*GONE):  # it has died, or did not start (no number): the reader of the pipe reports that
            if gigabytes and pid > 0:
                self._process = psutil.Process(pid)

    def over(self) -> float:
        """Gigabytes used if that is more than allowed, else 0."""
        if self._process is None:
            return 0.0
        if self._looks % 5 == 0:
            with contextlib.suppress(*GONE):
                self._children = descendants(self._process.pid)
        self._looks += 1
        used = 0
        for process in (self._process, *self._children):
            with contextlib.suppress(*GONE):
                used += process.memory_info().rss
        return used / 1e9 if used > self._limit else 0.0


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(*GONE):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
