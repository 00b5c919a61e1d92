"""How many cores this process may use, and how its threads share one."""

import math
import os
import sys
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "quota period", microseconds
QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")  # cgroup v1; -1: none
PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
SWITCH_INTERVAL_S = 0.0005  # Python's own, 5 ms, is a request's whole time


def available_cores(
    cpu_max: Path = CPU_MAX, quota: Path = QUOTA, period: Path = PERIOD
) -> int:
    """The cores that the scheduler grants, or the container's quota if that is less.

    What containers get is a quota, not cores.

    Returns:
        At least 1; a quota of one and a half counts as 2.
    """
    granted = len(os.sched_getaffinity(0))
    try:
        share = cpu_max.read_text().split()
    except OSError:
        try:
            share = [quota.read_text(), period.read_text()]
        except OSError:
            return granted
    limit = share[0].strip()
    if not limit.isdecimal():  # "max" or -1
        return granted
    return max(1, min(granted, math.ceil(int(limit) / int(share[1]))))


def take_short_turns() -> None:
    """Have a thread give up the interpreter soon after another one wants it.

    An event loop wants it for everything that comes, and a thread that parses has it.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
