"""Memory that a process no longer needs goes back to the operating system.

Three things keep it otherwise. What refers to itself is held until the collector comes
by. The C library keeps what it has once taken, with holes where a later body does not
fit. And the code of a library stays mapped that only its start needed.
"""

import ctypes
import gc
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

STATM, SMAPS = Path("/proc/self/statm"), Path("/proc/self/smaps")
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")
LIBRARY = ".so"  # in a path
MADV_DONTNEED = 4
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


def unmap_code() -> None:
    """Let go of the pages of libraries; those that are needed again are found again.

    TensorFlow's and OpenVINO's are 300 MB once loaded, of which computing needs 10.
    What was written to stays, as it is in no file.
    """
    with suppress(OSError, AttributeError):  # the library is not glibc
        madvise = ctypes.CDLL(None, use_errno=True).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for start, size in _find_code():
            madvise(start, size, MADV_DONTNEED)


def _find_code() -> Iterator[tuple[int, int]]:
    """Place and size of every mapping of a library that is just as in its file."""
    start = size = 0
    for line in SMAPS.read_text().splitlines():
        if found := MAPPING.match(line):
            start, end = int(found[1], 16), int(found[2], 16)
            is_code = LIBRARY in found[4] and "w" not in found[3]
            size = end - start if is_code else 0
        elif size and line.split() == ["Anonymous:", "0", "kB"]:
            yield start, size


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
    unmap_code()
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
