"""What the service's processes cost: memory and CPU time, as the kernel counts them.

Read from `/proc` when Prometheus asks, so that a request pays nothing for it.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PROC = Path("/proc")
LIMITS = (  # of a control group: version 2, version 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class ProcessCollector(Collector):
    """Metrics of a supervisor, its children, and those of theirs that have a name.

    Args:
        supervisor: Its process id.
    """

    def __init__(self, supervisor: int):
        self._supervisor = supervisor

    def collect(self) -> Iterable[Metric]:
        """The families, without samples where there is no `/proc`."""
        resident = GaugeMetricFamily(
            "servery_process_resident_bytes",
            "Memory that a process holds.",
            labels=["process"],
        )
        cpu = CounterMetricFamily(
            "servery_process_cpu_seconds_total",
            "CPU time that a process has used.",
            labels=["process"],
        )
        limit = GaugeMetricFamily(
            "servery_memory_limit_bytes",
            "Memory that all may hold together: the container's, or the machine's.",
        )
        used: dict[str, tuple[int, float]] = {}
        for pid, name in self._processes():
            with suppress(OSError):  # it may end while we look
                before = used.get(name, (0, 0.0))  # of what wraps it
                found = _resident_bytes(pid), _cpu_seconds(pid)
                used[name] = before[0] + found[0], before[1] + found[1]
        for name, (size, seconds) in used.items():
            resident.add_metric([name], size)
            cpu.add_metric([name], seconds)
        with suppress(OSError):
            limit.add_metric([], memory_limit_bytes())
        return resident, cpu, limit

    def _processes(self) -> Iterator[tuple[int, str]]:
        pending = [self._supervisor]
        for pid in pending:
            with suppress(OSError):
                name = _name(pid)
                if name or pid == self._supervisor:
                    yield pid, name or "supervisor"
                    pending += _children(pid)


def memory_limit_bytes(files: Iterable[Path] = LIMITS) -> int:
    """The least of what the control group allows and what the machine has.

    Args:
        files: Where a control group says its limit in bytes, or `max` for none.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in files:
        with suppress(OSError, ValueError):
            found.append(int(file.read_text()))
    return min(found)


def _children(pid: int) -> Iterator[int]:
    for thread in (PROC / str(pid) / "task").glob("*"):
        with suppress(OSError):
            yield from map(int, (thread / "children").read_text().split())


def _name(pid: int) -> str:
    """What this process is called, as its command line says; else nothing."""
    words = (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
    return words[words.index("--name") + 1] if "--name" in words else ""


def _resident_bytes(pid: int) -> int:
    pages = (PROC / str(pid) / "statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds(pid: int) -> float:
    # After the command in brackets, utime and stime are fields 14 and 15: proc(5).
    stat = (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
