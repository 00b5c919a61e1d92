"""What becomes of a process when the one dies that has started it."""

import ctypes
import signal
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # of prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process with its parent, even while it computes."""
    with suppress(OSError, AttributeError):  # the library is not that of Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
