"""Files that are read again whenever they have changed."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

logger = logging.getLogger(__name__)


class WatchedFile:
    """Tells whether a file is another one than when it was last looked at."""

    def __init__(self, path: Path):
        self._path = path
        self._seen: object = None

    def has_changed(self) -> bool:
        """Whether it has since the last call; at the first one it has."""
        seen, self._seen = self._seen, _identify(self._path)
        return seen != self._seen


async def watch(looks: Iterable[Callable[[], None]], every_s: float) -> None:
    """Look at files now and then, until cancelled.

    Args:
        looks: Each reads a file if it has changed, which may take as long as the disk.
        every_s: Seconds between.
    """
    while True:
        await asyncio.sleep(every_s)
        for look in looks:
            try:
                await asyncio.to_thread(look)
            except Exception:  # or what is revoked would be in force for ever
                logger.exception("a file could not be looked at")


def _identify(path: Path) -> object:
    """Another value after every change of the file, also where a link is moved."""
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns
