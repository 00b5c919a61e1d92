"""What processes cost: CPU seconds and bytes of memory, of one and its descendants."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and its descendants, in bytes."""

    processes: int  # how many they are
    rss: int  # resident; a page that several share counts for each
    pss: int  # resident; a page that several share is split among them


def family(root: int) -> Iterator[psutil.Process]:
    """The living process `root` and all that descend from it."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        yield from (process, *process.children(recursive=True))


def cpu_seconds(root: int) -> float:
    """CPU seconds of a process and its descendants that live."""
    total = 0.0
    for process in family(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory(root: int) -> Memory:
    """Memory of a process and its descendants."""
    rss = pss = count = 0
    for process in family(root):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found = process.memory_full_info()
            rss, pss, count = rss + found.rss, pss + found.pss, count + 1
    return Memory(count, rss, pss)


class Watch:
    """What everybody else takes of the machine from now on: programs, hypervisor."""

    def __init__(self) -> None:
        self._began = _read()

    def others(self) -> float:
        """Their share of all cores since we began to watch, 0 to 1."""
        differences = zip(_read(), self._began, strict=True)
        total_s, busy_s, own_s = (now - then for now, then in differences)
        return max(0.0, busy_s - own_s) / total_s if total_s else 0.0


def _read() -> tuple[float, float, float]:
    """CPU seconds of all cores, of those that were taken, and of our family."""
    every, own = psutil.cpu_times(), psutil.Process()
    total_s = sum(every[:8])  # the rest, guests, is in `user` and `nice` already
    reaped = own.cpu_times()
    own_s = cpu_seconds(own.pid) + reaped.children_user + reaped.children_system
    return total_s, total_s - every.idle - every.iowait, own_s
