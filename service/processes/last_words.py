"""What a process says on stderr: logged line by line, and the end of it remembered."""

import logging
from collections import deque

logger = logging.getLogger(__name__)

LINE_BYTES = 2000  # of a line on stderr
LAST_WORDS = 30  # lines of stderr that are said again when a process has ended
MODULES = b"Extension modules:"  # a line of faulthandler's, as long as all the others


class LastWords:
    """Cuts what a process writes to stderr into lines.

    Args:
        name: Of the process.

    Attributes:
        lines: The last of them.
    """

    def __init__(self, name: str):
        self._name = name
        self._rest = b""
        self.lines: deque[str] = deque(maxlen=LAST_WORDS)
        self._greets = True

    @property
    def greets(self) -> bool:
        """Whether it starts, or loads something.

        TensorFlow greets with lines about drivers and instructions that sound like
        errors where there is no GPU. They are for nobody, and no last words of a
        process that has lived on.
        """
        return self._greets

    @greets.setter
    def greets(self, greets: bool) -> None:
        if self._greets and not greets:
            self.lines.clear()
        self._greets = greets

    def feed(self, data: bytes) -> None:
        """More was written."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_BYTES]  # by which it is known what it is
        for line in lines:
            self._log(line)

    def end(self) -> None:
        """Nothing more will be: what has no end of line is the last one."""
        self._log(self._rest)
        self._rest = b""

    def quoted(self) -> str:
        """The last lines, to be put behind how it ended; empty if there are none."""
        return f", saying: {' | '.join(self.lines)}" if self.lines else ""

    def _log(self, line: bytes) -> None:
        if line.strip() and not line.startswith(MODULES):
            self.lines.append(line[:LINE_BYTES].decode(errors="replace"))
            level = logging.DEBUG if self._greets else logging.WARNING
            logger.log(level, "%s says: %s", self._name, self.lines[-1])
