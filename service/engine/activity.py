"""What each version is doing: a byte in a file, which is still there after a crash."""

import asyncio
import mmap
import os

IDLE, COMPUTING, LOADING = 0, 1, 2  # what a version's byte says
MOST_VERSIONS = 4096  # bytes of the file, which is one page

Page = mmap.mmap | bytearray


class Marker:
    """Says in the file what a version is doing. A store into memory: it costs nothing.

    Attributes:
        slot: Its byte.
        doing: What it does, which the byte says only of what this process does itself.
        alone: What a suspect computes under, so that no other one does meanwhile.
    """

    def __init__(self, page: Page, slot: int, alone: asyncio.Lock | None = None):
        self._page, self.slot = page, slot
        self._batches = 0
        self._is_here = True
        self.doing = IDLE
        self.alone = alone

    def load(self) -> None:
        """It is being loaded, or warmed."""
        self._do(LOADING)

    def begin_batch(self) -> None:
        """One batch more is being computed."""
        self._batches += 1
        self._do(COMPUTING)

    def end_batch(self) -> None:
        """One batch less is."""
        self._batches -= 1
        if not self._batches:
            self._do(IDLE)

    def rest(self) -> None:
        """It does nothing."""
        self._do(IDLE)

    def move_out(self) -> None:
        """It lives in another process from now on, and can do this one no harm."""
        self.rest()
        self._is_here = False

    def _do(self, what: int) -> None:
        self.doing = what
        if self._is_here:
            self._page[self.slot] = what


def open_page(file: int) -> mmap.mmap:
    """A page of zeros at the start of a file, there even if this process dies."""
    os.posix_fallocate(file, 0, MOST_VERSIONS)  # full memory says so now
    page = mmap.mmap(file, MOST_VERSIONS)
    page[:] = bytes(MOST_VERSIONS)
    return page
