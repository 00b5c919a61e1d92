"""Memory that a process no longer needs goes back to the operating system.

Two things keep it otherwise. An error's traceback and its frames hold each other, and
the body of the request with them, until the collector comes by. And the C library keeps
what it has once taken, with holes where a later body does not fit.
"""

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

STATM = Path("/proc/self/statm")
M_MMAP_THRESHOLD = -3  # of mallopt(3)
APART_BYTES = 1024 * 1024  # a block of this size is given back as soon as it is freed
GROWTH_BYTES = 32 * 1024 * 1024


def keep_large_blocks_apart() -> None:
    """Have the C library ask for large blocks one by one, and give them back so.

    By itself it does that only until the first of them is freed.
    """
    with suppress(OSError, AttributeError):  # the library is not glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, APART_BYTES)


def give_back() -> None:
    """Free what is garbage, and return what is free."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def settle(*, retired: bool = False) -> None:
    """Give back what loading left behind or a version held, and walk the rest no more.

    TensorFlow's objects live as long as their models: a full collection that walks them
    stops everything for 130 ms. And of the memory that loading takes, the C library
    keeps the larger part for later.

    Args:
        retired: Whether a version is to be collected that was settled before.
    """
    if retired:
        gc.unfreeze()
    give_back()
    gc.freeze()


class MemoryWatch:
    """Gives memory back after this process has grown."""

    def __init__(self) -> None:
        self._settled = resident_bytes()

    def check(self) -> None:
        """See whether it has grown; to be called now and then."""
        resident = resident_bytes()
        if resident > self._settled + GROWTH_BYTES:
            give_back()
            resident = resident_bytes()
        self._settled = resident


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
