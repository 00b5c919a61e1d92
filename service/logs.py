"""Logs as JSON, one line an event, on stdout."""

import asyncio
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

STDERR = 2  # the descriptor that native code writes to
FLUSH_S = 0.05  # lines of requests are gathered so long: one write for many


def configure_logging(level: str, process: str) -> None:
    """Send everything that is logged in this process to stdout, as JSON.

    Args:
        level: The least severe level that is written.
        process: Which process this is, said in every line.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


@contextmanager
def stderr_as_log_lines() -> Iterator[None]:
    """Log, at level DEBUG, what native code writes to stderr meanwhile.

    TensorFlow's C++ greets with lines about drivers and instructions that are no JSON
    and that sound like errors where there is no GPU; some graphs add their own.
    """
    kept = os.dup(STDERR)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                logging.getLogger("native").debug(line)


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
    """One line for each request, written by the event loop in small batches."""

    def __init__(self, process: str):
        self._process = process
        self._lines: list[bytes] = []

    def write(self, **facts: Any) -> None:
        """Log one request; facts that are None are left out."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        line = {
            "time": _timestamp(time.time()),
            "level": "info",
            "process": self._process,
            "message": "request",
        }
        line.update((key, value) for key, value in facts.items() if value is not None)
        self._lines.append(to_json(line) + b"\n")

    def flush(self) -> None:
        """Write what has been gathered."""
        sys.stdout.buffer.write(b"".join(self._lines))
        sys.stdout.buffer.flush()
        self._lines.clear()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
