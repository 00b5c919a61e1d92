"""What processes cost, as Linux counts it in /proc: CPU seconds and bytes of memory."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_S = os.sysconf("SC_CLK_TCK")  # of the clock that CPU time is counted in


@dataclass(frozen=True, slots=True)
class Stat:
    """What we read of /proc/<pid>/stat; see proc_pid_stat(5)."""

    parent: int  # the process id of its parent
    cpu_s: float  # CPU seconds of all its threads
    reaped_cpu_s: float  # CPU seconds of its children that have ended


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and its descendants, in bytes."""

    processes: int  # how many they are
    rss: int  # resident; a page that several share counts for each
    pss: int  # resident; a page that several share is split among them


def parse_stat(text: str) -> Stat:
    """Read /proc/<pid>/stat, whose second field may hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    user, system, reaped_user, reaped_system = map(int, fields[11:15])
    cpu_s, reaped_s = (user + system) / TICKS_S, (reaped_user + reaped_system) / TICKS_S
    return Stat(int(fields[1]), cpu_s, reaped_s)


def parse_machine(text: str) -> tuple[float, float]:
    """Read the first line of /proc/stat, see proc_stat(5).

    Returns:
        CPU seconds of all cores since the machine started: all of them, and those in
        which somebody computed or the hypervisor had taken the core away.
    """
    ticks = [int(each) / TICKS_S for each in text.split("\n", 1)[0].split()[1:9]]
    idle, waiting = ticks[3:5]
    return sum(ticks), sum(ticks) - idle - waiting


def descendants(root: int) -> list[int]:
    """The living process `root` and all that descend from it."""
    return family(_read_stats(), root)


def family(stats: dict[int, Stat], root: int) -> list[int]:
    """The process `root` and all its descendants among `stats`."""
    members = [root]
    for member in members:  # grows while we walk
        members += [pid for pid, stat in stats.items() if stat.parent == member]
    return members


def cpu_seconds(root: int) -> float:
    """CPU seconds of a process and its descendants that live."""
    stats = _read_stats()
    return sum(stats[pid].cpu_s for pid in family(stats, root) if pid in stats)


def memory(root: int) -> Memory:
    """Memory of a process and its descendants."""
    rss = pss = count = 0
    for pid in descendants(root):
        with suppress(OSError):
            text = (PROC / str(pid) / "smaps_rollup").read_text()
            rows = [line.split() for line in text.splitlines() if line.endswith(" kB")]
            sizes = {row[0]: 1024 * int(row[1]) for row in rows}
            rss, pss, count = rss + sizes["Rss:"], pss + sizes["Pss:"], count + 1
    return Memory(count, rss, pss)


class Watch:
    """What everybody else takes of the machine from now on: programs, hypervisor."""

    def __init__(self) -> None:
        self._began = self._read()

    def others(self) -> float:
        """Their share of all cores since we began to watch, 0 to 1."""
        total_s, busy_s, own_s = (
            now - then for now, then in zip(self._read(), self._began, strict=True)
        )
        return max(0.0, busy_s - own_s) / total_s if total_s else 0.0

    def _read(self) -> tuple[float, float, float]:
        pid, stats = os.getpid(), _read_stats()
        own_s = sum(stats[each].cpu_s for each in family(stats, pid) if each in stats)
        total_s, busy_s = parse_machine((PROC / "stat").read_text())
        return total_s, busy_s, own_s + stats[pid].reaped_cpu_s


def _read_stats() -> dict[int, Stat]:
    stats = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                stats[int(folder.name)] = parse_stat((folder / "stat").read_text())
    return stats
