"""How much each key has used of its rates, in memory that all processes share.

What is kept of a rate is one number, the time until which all that was taken is paid
for: the generic cell rate algorithm, ITU-T I.371. Nobody locks it. Where two processes
take in the same microsecond, one of them may be forgotten.
"""

import mmap
import os
import time
from collections.abc import Callable, Iterable, Mapping

SLOTS = 1 << 14  # four times as many as there may be keys
NUMBERS = 2  # of each: one for requests, one for rows
SIZE = SLOTS * NUMBERS * 8
SECOND_NS = 1_000_000_000
BURST_NS = SECOND_NS  # who was silent may take at once what a second would give
MOST_DEBT_NS = 3600 * SECOND_NS


def create_levels() -> int:
    """The descriptor of a block for the levels of all keys.

    Raises:
        OSError: There is no memory for it, or too many files are open.
    """
    fd = os.memfd_create("servery-rates")
    os.posix_fallocate(fd, 0, SIZE)
    return fd


def open_levels(fd: int | None) -> memoryview:
    """The numbers of a block, or of one that nobody shares."""
    shared = -1 if fd is None else fd
    return memoryview(mmap.mmap(shared, SIZE)).cast("q")


def place(digests: Iterable[bytes]) -> Mapping[bytes, int]:
    """Where the levels of each key are: in every process the same, for the same keys.

    A key keeps its place when others come and go, unless two are meant for the same.
    """
    places: dict[bytes, int] = {}
    taken = set[int]()
    for digest in sorted(digests):
        slot = int.from_bytes(digest[:4]) % SLOTS
        while slot in taken:
            slot = (slot + 1) % SLOTS
        taken.add(slot)
        places[digest] = slot * NUMBERS
    return places


class Rate:
    """So much per second, and at once what a second would give.

    Who takes more than that at once has to be paid up before, and waits afterwards.

    Args:
        levels: See `open_levels`.
        index: Of its number among them.
        per_s: Requests or rows per second.
        clock: In nanoseconds, the same for all processes.

    Attributes:
        per_s: See above.
    """

    __slots__ = ("_clock", "_cost_ns", "_index", "_levels", "per_s")

    def __init__(
        self,
        levels: memoryview,
        index: int,
        per_s: float,
        clock: Callable[[], int] = time.monotonic_ns,
    ):
        self._levels, self._index = levels, index
        self.per_s, self._cost_ns = per_s, SECOND_NS / per_s
        self._clock = clock

    def wait_s(self, amount: int) -> float:
        """Seconds until so many can be taken; 0 if they can be now."""
        cost = int(amount * self._cost_ns)
        return _wait_ns(self._levels[self._index] - self._clock(), cost) / SECOND_NS

    def take(self, amount: int, *, always: bool = False) -> float:
        """Take so many, if they can be now; or `always`, to be paid for afterwards.

        Returns:
            0 if they are taken, else the seconds until they can be.
        """
        cost, now = int(amount * self._cost_ns), self._clock()
        unpaid = self._levels[self._index] - now
        wait = 0 if always else _wait_ns(unpaid, cost)
        if not wait:
            self._levels[self._index] = now + min(max(unpaid, 0) + cost, MOST_DEBT_NS)
        return wait / SECOND_NS

    def give_back(self, amount: int) -> None:
        """So many of those that were taken were not used."""
        self._levels[self._index] -= int(amount * self._cost_ns)


def _wait_ns(unpaid: int, cost: int) -> int:
    return max(max(unpaid, 0) + cost - max(BURST_NS, cost), 0)
