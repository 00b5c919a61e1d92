"""What processes cost, as Linux counts it in /proc: CPU seconds and bytes of memory."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_S = os.sysconf("SC_CLK_TCK")  # of the clock that CPU time is counted in


@dataclass(frozen=True, slots=True)
class Stat:
    """What we read of /proc/<pid>/stat; see proc_pid_stat(5).

    Attributes:
        parent: The process id of its parent.
        cpu_s: CPU seconds of all its threads.
        reaped_cpu_s: CPU seconds of its children that have ended.
    """

    parent: int
    cpu_s: float
    reaped_cpu_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and its descendants.

    Attributes:
        processes: How many they are.
        rss_bytes: Resident; a page that several share counts for each.
        pss_bytes: Resident; a page that several share is split among them.
    """

    processes: int
    rss_bytes: int
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU seconds of all cores since the machine started.

    Attributes:
        total_s: Of any kind, idle too.
        busy_s: Somebody computed.
        stolen_s: The hypervisor gave the core to another machine.
    """

    total_s: float
    busy_s: float
    stolen_s: float


def parse_stat(text: str) -> Stat:
    """Read /proc/<pid>/stat, whose second field may hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    user, system, reaped_user, reaped_system = map(int, fields[11:15])
    return Stat(
        parent=int(fields[1]),
        cpu_s=(user + system) / TICKS_S,
        reaped_cpu_s=(reaped_user + reaped_system) / TICKS_S,
    )


def parse_machine(text: str) -> Machine:
    """Read the first line of /proc/stat; its fields are in proc_stat(5)."""
    ticks = [int(each) / TICKS_S for each in text.split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _wait, hard, soft, stolen = ticks
    return Machine(sum(ticks), user + nice + system + hard + soft, stolen)


def family(stats: dict[int, Stat], root: int) -> list[int]:
    """The process `root` and all its descendants."""
    members = [root]
    for member in members:  # grows while we walk
        members += [pid for pid, stat in stats.items() if stat.parent == member]
    return members


def descendants(root: int) -> list[int]:
    """The living process `root` and all that descend from it."""
    return family(_read_stats(), root)


def cpu_seconds(root: int) -> float:
    """CPU seconds of a process and its descendants that live."""
    stats = _read_stats()
    return sum(stats[pid].cpu_s for pid in family(stats, root) if pid in stats)


def own_cpu_seconds() -> float:
    """CPU seconds of this process, its descendants, and its children that ended."""
    root = os.getpid()
    return cpu_seconds(root) + _read_stats()[root].reaped_cpu_s


def machine() -> Machine:
    """What all cores did since the machine started."""
    return parse_machine((PROC / "stat").read_text())


class Watch:
    """What everybody else takes of the machine from now on: programs, hypervisor."""

    def __init__(self) -> None:
        self._machine, self._own_s = machine(), own_cpu_seconds()

    def others(self) -> float:
        """Their share of all cores since we began to watch, 0 to 1."""
        own_s = own_cpu_seconds() - self._own_s
        now, then = machine(), self._machine
        taken_s = now.busy_s - then.busy_s + now.stolen_s - then.stolen_s - own_s
        return max(0.0, taken_s / (now.total_s - then.total_s))


def memory(root: int) -> Memory:
    """Memory of a process and its descendants."""
    rss = pss = count = 0
    for pid in descendants(root):
        with suppress(OSError):
            sizes = _read_sizes((PROC / str(pid) / "smaps_rollup").read_text())
            rss, pss, count = rss + sizes["Rss"], pss + sizes["Pss"], count + 1
    return Memory(count, rss, pss)


def _read_stats() -> dict[int, Stat]:
    stats = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                stats[int(folder.name)] = parse_stat((folder / "stat").read_text())
    return stats


def _read_sizes(text: str) -> dict[str, int]:
    """`Rss:  12 kB` and its like, in bytes."""
    rows = [line.split() for line in text.splitlines() if line.endswith(" kB")]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}
