"""Logs on stdout, an event a line. Nobody ever waits for who reads them."""

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

from service.log_lines import ToLine, choose_format, json_line
from service.settings import Settings

STDOUT = 1
LAST_WORDS_S = 0.5  # that a process waits at its end for what it has yet to log


class LogWriter:
    """Writes lines from a thread of its own; drops those that do not fit any more.

    Args:
        fd: Where they go: a file, pipe or terminal, which may be full, stuck or gone.
        most_bytes: That may wait to be written; what comes beyond is dropped.
        on_drop: Told how many lines were, in any thread.
        to_line: How events are written there.
    """

    def __init__(
        self,
        fd: int,
        most_bytes: int,
        on_drop: Callable[[int], object],
        to_line: ToLine = json_line,
    ):
        self.to_line = to_line
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
    settings: Settings,
    process: str,
    on_drop: Callable[[int], object],
) -> LogWriter:
    """Send everything that is logged in this process to stdout.

    What a call of a logger is given as `extra={"facts": {...}}` is said in its line.

    Args:
        settings: The least severe level, the format, and what may wait.
        process: Which process this is, said in every line.
        on_drop: See `LogWriter`.
    """
    to_line = choose_format(settings.log_format, STDOUT)
    writer = LogWriter(STDOUT, settings.max_log_backlog_bytes, on_drop, to_line)
    handler = _WriterHandler(writer, process)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    return writer


class _WriterHandler(logging.Handler):
    """Hands lines to a writer; at the end of the process it waits for it a moment."""

    def __init__(self, writer: LogWriter, process: str):
        super().__init__()
        self._writer, self._process = writer, process

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self._writer.to_line(self._event(record))
        except Exception:  # noqa: BLE001 - as every handler of the library does
            self.handleError(record)
        else:
            self._writer.write(line)

    def flush(self) -> None:
        self._writer.flush(LAST_WORDS_S)

    def _event(self, record: logging.LogRecord) -> dict[str, Any]:
        event: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            event["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return event


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
        lines = [self._writer.to_line(self._event(facts)) for facts in requests]
        self._writer.write(b"".join(lines))

    def _event(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        event = {**self._same, **facts, "time": _timestamp(facts["time"])}
        return {key: fact for key, fact in event.items() if fact is not None}


def _timestamp(seconds: float) -> str:
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(whole)}.{micros // 1000:03}+00:00"


@lru_cache(maxsize=1)  # which hundreds of lines share
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
