"""Memory that a process no longer needs goes back to the operating system.

Three things keep it otherwise. What refers to itself is held until the collector comes
by. The C library keeps what it has once taken, with holes where a later body does not
fit. And the code of a library stays mapped that only its start needed.
"""

import ctypes
import gc
import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

STATM, MAPS = Path("/proc/self/statm"), Path("/proc/self/maps")
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \S+ +(/.*)")
LARGE = re.compile(r"/lib(tensorflow|openvino)[^/]*$")
ELF_HEAD = struct.Struct(
    "=5s27xQ14xHH4x2x"
)  # magic, table of segments, their size, number
ELF_SEGMENT = struct.Struct("=IIQQQQQQ")
ELF_64, ELF_LOADED, ELF_WRITTEN = b"\x7fELF\x02", 1, 2
M_MMAP_THRESHOLD = -3  # of mallopt(3)
APART_BYTES = 1024 * 1024  # a block of this size is given back as soon as it is freed
GROWTH_BYTES = 32 * 1024 * 1024
SELDOM = (50_000, 20, 20)  # of gc.set_threshold; Python's own first one is 700


def start_collecting() -> None:
    """Let the collector walk nothing of what there is now, and seldom what comes.

    It walks what is new when that has grown by so many objects. A hundred requests
    under way are ten thousand, none of them garbage: with Python's threshold they were
    walked again and again, 13 of the 175 µs that a request costs an HTTP process. They
    leave nothing large that refers to itself; should one do so in an HTTP process,
    `MemoryWatch` sees to it.
    """
    gc.freeze()
    gc.set_threshold(*SELDOM)
    gc.enable()


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
    """Let go of the code of large libraries; what is needed again is found again.

    TensorFlow's and OpenVINO's are 300 MB once loaded, of which computing needs 10.
    Only what no loader ever writes to is let go, by the libraries' own word: what was
    written is in no file.
    """
    with suppress(OSError, AttributeError):  # the library is not glibc
        madvise = ctypes.CDLL(None, use_errno=True).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for start, size in _find_code():
            madvise(start, size, mmap.MADV_DONTNEED)


def _find_code() -> Iterator[tuple[int, int]]:
    """Place and size of every segment of such a library that is not written to."""
    for line in MAPS.read_text().splitlines():
        found = MAPPING.match(line)
        if found is None or "w" in found[3] or not LARGE.search(found[5]):
            continue
        start, end, offset = (int(found[each], 16) for each in (1, 2, 4))
        size = _read_segments(found[5]).get(offset, 0)
        if size:
            yield start, min(size, end - start)


@cache
def _read_segments(path: str) -> dict[int, int]:
    """Of a library, bytes in whole pages by place in its file; see elf(5).

    None of what is relocated: that lies in segments that are written to.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, struct.error), Path(path).open("rb") as file:
        head = file.read(ELF_HEAD.size)
        magic, table, entry_size, count = ELF_HEAD.unpack(head)
        if magic != ELF_64 or entry_size != ELF_SEGMENT.size:
            return {}
        file.seek(table)
        entries = ELF_SEGMENT.iter_unpack(file.read(count * entry_size))
        return {
            offset - offset % page: (offset % page + size) // page * page
            for kind, flags, offset, _, _, size, _, _ in entries
            if kind == ELF_LOADED and not flags & ELF_WRITTEN
        }
    return {}


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
            self._settled = resident_bytes()
        else:  # many small steps are a large one
            self._settled = min(self._settled, resident)


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
