"""What a process says on stderr: logged line by line, and the end of it remembered."""

import logging
import time
from collections import deque

logger = logging.getLogger(__name__)

LINE_BYTES = 2000  # of a line on stderr
LAST_WORDS = 30  # lines of stderr that are said again when a process has ended
SETTLED_S = 2.0  # that it lives on in silence, until its greeting is forgotten
MODULES = b"Extension modules:"  # a line of faulthandler's, as long as all the others


class LastWords:
    """Cuts what a process writes to stderr into lines.

    Args:
        name: Of the process.
    """

    def __init__(self, name: str):
        self._name = name
        self._rest = b""
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        self._greeting: tuple[str, ...] = ()
        self._greets, self._greeted = True, 0.0

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
            self._greeting, self._greeted = tuple(self._said), time.monotonic()
            self._said.clear()
        elif greets and not self._greets:
            self._greeting = ()  # of an earlier one
        self._greets = greets

    @property
    def lines(self) -> tuple[str, ...]:
        """The last of them, without a greeting that it has survived.

        Whoever dies at once and in silence may have said what of while it was still
        believed to greet.
        """
        if not self._said and time.monotonic() < self._greeted + SETTLED_S:
            return self._greeting
        return tuple(self._said)

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
        lines = self.lines
        return f", saying: {' | '.join(lines)}" if lines else ""

    def _log(self, line: bytes) -> None:
        if line.strip() and not line.startswith(MODULES):
            self._said.append(line[:LINE_BYTES].decode(errors="replace"))
            level = logging.DEBUG if self._greets else logging.WARNING
            logger.log(level, "%s says: %s", self._name, self._said[-1])
