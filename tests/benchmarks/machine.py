"""
What the kernel tells of processes and of the machine.
"""

import datetime as dt
import os
import platform
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_worked(pids: Iterable[int]) -> float:
    """
    Return how long the processor has worked for processes and for the children they have waited for.
    """
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def seconds_run(pid: int) -> float:
    """
    Return how long the threads that a process has now were on a processor, to the nanosecond.
    """
    return sum(int(each.split()[0]) for each in _of_tasks(pid, "schedstat")) / 1e9


def wake_ups(pid: int) -> int:
    """
    Return how often the threads that a process has now went to sleep of their own accord.
    """
    marker = "\nvoluntary_ctxt_switches:"
    return sum(int(each.partition(marker)[2].split()[0]) for each in _of_tasks(pid, "status"))


def megabytes(pid: int, field: str) -> float:
    """
    Return the memory that a process has (`VmRSS`) or had at most (`VmHWM`), in MB.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e6


def described() -> str:
    """
    Return date, machine and load, in a line.
    """
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    now = dt.datetime.now(dt.UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} × {model}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, load {load()}"
    )


def load() -> str:
    """
    Return the load averages of the last 1, 5 and 15 minutes.
    """
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _of_tasks(pid: int, name: str) -> list[str]:
    return [each.read_text() for each in Path(f"/proc/{pid}/task").glob(f"*/{name}")]
