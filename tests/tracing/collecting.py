"""A collector in a process of its own, and what it was sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.server import until

Span = dict[str, Any]


class Collecting:
    """The process, on a free port or on `port`; call `close` at the end."""

    def __init__(self, file: Path, port: int = 0):
        self.file = file
        file.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tracing.collector", str(file), str(port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Collecting":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def spans(self, **facts: Any) -> list[Span]:
        """Those that have come so far and of which all of `facts` are true."""
        lines = self.file.read_text().splitlines(keepends=True)
        spans = [json.loads(line) for line in lines if line.endswith("\n")]
        return [span for span in spans if facts.items() <= span.items()]

    def wait(self, number: int = 1, **facts: Any) -> list[Span]:
        """As soon as there are so many of them."""
        until(lambda: len(self.spans(**facts)) >= number, 30)
        return self.spans(**facts)

    def trace(self, trace_id: str, *names: str) -> dict[str, Span]:
        """The spans of a trace by their names, as soon as there are these."""
        until(
            lambda: set(names) <= {each["name"] for each in self.spans(trace=trace_id)},
            30,
        )
        return {each["name"]: each for each in self.spans(trace=trace_id)}
