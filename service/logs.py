"""Logs as JSON, one line an event, on stdout."""

import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json


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
    """One line for each request."""

    def __init__(self, process: str):
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
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.buffer.flush()

    def _line(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        line = {**self._same, **facts, "time": _timestamp(facts["time"])}
        return {key: fact for key, fact in line.items() if fact is not None}


def _timestamp(seconds: float) -> str:
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(whole)}.{micros // 1000:03}+00:00"


@lru_cache(maxsize=1)  # which hundreds of lines share
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
