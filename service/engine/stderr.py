"""What native code writes to stderr: kept in a file, so that it outlives a crash."""

import faulthandler
import logging
import os
from contextlib import suppress
from pathlib import Path

STDERR = 2  # the descriptor that native code writes to
MOST_BYTES = 1 << 20  # of the file, from which it starts again
LAST_LINES, LAST_CHARACTERS = 20, 1500  # of a process that died
MODULES = "Extension modules:"  # a line of faulthandler's, as long as all the others

logger = logging.getLogger("native")


class StderrFile:
    """The stderr of this process from now on.

    TensorFlow's C++ greets with lines about drivers and instructions that are no JSON
    and that sound like errors where there is no GPU; some graphs add their own. They
    become log lines.

    Args:
        path: A file; what a predecessor wrote there becomes `last_words`.

    Attributes:
        last_words: The last lines that the predecessor wrote, its traceback if it was
            killed by a fault; empty if there was none.
    """

    def __init__(self, path: Path):
        self.last_words = _read_end(path)
        self._read = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(self._file, STDERR)
        faulthandler.enable(STDERR, all_threads=False)

    def drain(self, level: int = logging.INFO) -> None:
        """Log what was written since the last time."""
        with suppress(OSError):
            text = os.pread(self._file, MOST_BYTES, self._read)
            self._read += len(text)
            if self._read >= MOST_BYTES:
                os.ftruncate(self._file, 0)  # whoever writes appends
                self._read = 0
            for line in text.decode(errors="replace").splitlines():
                logger.log(level, line)


def _read_end(path: Path) -> str:
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if not line.startswith(MODULES)]
    return "\n".join(lines[-LAST_LINES:])[-LAST_CHARACTERS:].strip()
