"""Logs as JSON, one line an event, on stdout. Nobody ever waits for who reads them."""

import logging
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

STDOUT = 1
LAST_WORDS_S = 0.5  # that a process waits at its end for what it has yet to log


class LogWriter:
    """Writes lines from a thread of its own; drops those that do not fit any more.

    Args:
        fd: Where they go: a file, pipe or terminal, which may be full, stuck or gone.
        most_bytes: That may wait to be written; what comes beyond is dropped.
        on_drop: Told how many lines were, in any thread.
    """

    def __init__(
        self,
        fd: int,
        most_bytes: int,
        on_drop: Callable[[int], object],
    ):
        self._fd, self._most_bytes, self._on_drop = fd, most_bytes, on_drop
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_torn = False  # what was written last ended within a line
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def write(self, lines: bytes) -> None:
        """Write whole lines, soon and at once, or drop them."""
        with self._changed:
            fits = self._waiting_bytes + len(lines) <= self._most_bytes
            if fits:
                self._waiting.append(lines)
                self._waiting_bytes += len(lines)
                self._changed.notify_all()
        if not fits:
            self._on_drop(lines.count(b"\n"))

    def flush(self, timeout_s: float) -> None:
        """Wait until all is written, but no longer than so."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                lines = self._waiting[0]
            self._write(lines)
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(lines)
                self._changed.notify_all()

    def _write(self, lines: bytes) -> None:
        rest = memoryview(b"\n" + lines if self._is_torn else lines)
        while rest:
            try:
                written = os.write(self._fd, rest)
            except BlockingIOError:  # a pipe that somebody made non-blocking
                time.sleep(0.05)
                continue
            except OSError:  # full, or nobody is there any more
                self._on_drop(bytes(rest).count(b"\n"))
                return
            self._is_torn = rest[written - 1] != ord("\n")
            rest = rest[written:]


def configure_logging(
    level: str,
    process: str,
    most_bytes: int,
    on_drop: Callable[[int], object],
) -> LogWriter:
    """Send everything that is logged in this process to stdout, as JSON.

    Args:
        level: The least severe level that is written.
        process: Which process this is, said in every line.
        most_bytes: See `LogWriter`.
        on_drop: See `LogWriter`.
    """
    writer = LogWriter(STDOUT, most_bytes, on_drop)
    handler = _WriterHandler(writer)
    handler.setFormatter(_JsonFormatter(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    return writer


class _WriterHandler(logging.Handler):
    """Hands lines to a writer; at the end of the process it waits for it a moment."""

    def __init__(self, writer: LogWriter):
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the library does
            self.handleError(record)
        else:
            self._writer.write(line.encode(errors="backslashreplace") + b"\n")

    def flush(self) -> None:
        self._writer.flush(LAST_WORDS_S)


class _JsonFormatter(logging.Formatter):
    def __init__(self, process: str):
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return to_json(line).decode()


class AccessLog:
    """One line for each request.

    Args:
        process: Which process this is, said in every line.
        writer: Where the lines go.
    """

    def __init__(self, process: str, writer: LogWriter):
        self._writer = writer
        self._same = {
            "time": None,
            "level": "info",
            "process": process,
            "message": "request",
        }

    def write(self, requests: Iterable[Mapping[str, Any]]) -> None:
        """Log requests, in one write.

        Args:
            requests: The facts of each; `time` is in seconds since 1970, and facts that
                are None are left out.
        """
        lines = [to_json(self._line(facts)) + b"\n" for facts in requests]
        self._writer.write(b"".join(lines))

    def _line(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        line = {**self._same, **facts, "time": _timestamp(facts["time"])}
        return {key: fact for key, fact in line.items() if fact is not None}


def _timestamp(seconds: float) -> str:
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(whole)}.{micros // 1000:03}+00:00"


@lru_cache(maxsize=1)  # which hundreds of lines share
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
