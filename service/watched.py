"""A file that is read again whenever it has changed."""

from pathlib import Path


class WatchedFile:
    """Tells whether a file is another one than when it was last looked at."""

    def __init__(self, path: Path):
        self._path = path
        self._seen: object = None

    def has_changed(self) -> bool:
        """Whether it has since the last call; at the first one it has."""
        seen, self._seen = self._seen, _identify(self._path)
        return seen != self._seen


def _identify(path: Path) -> object:
    """Another value after every change of the file, also where a link is moved."""
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns
