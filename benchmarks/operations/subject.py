"""The service that is put to the test: started, watched, killed by process id."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from benchmarks.processes import PROC, descendants, memory

PATIENCE_S = 180.0
POLL_S = 0.02


class SubjectError(RuntimeError):
    """The service does not do what it must before anything can be measured."""


class Subject:
    """`servery serve` on a free port, in a session of its own.

    Args:
        folder: For its log.
        artifacts: What it serves.
    """

    def __init__(self, folder: Path, artifacts: Path):
        self.log = folder / f"service-{time.monotonic_ns()}.log"
        self.started = time.monotonic()
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--artifacts", str(artifacts)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"SERVERY_ACCESS_LOG": "true"},
                start_new_session=True,
            )
        wait_for(lambda: b"Servery on http" in self.log.read_bytes(), "the address")
        found = re.search(rb"http://[\d.]+:\d+", self.log.read_bytes())
        if found is None:
            raise SubjectError(f"no address in {self.log.read_text()!r}")
        self.url = found[0].decode()

    def is_ready(self) -> bool:
        """Whether every model answers."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
            return answer.status_code == httpx.codes.OK
        return False

    def wait_ready(self) -> float:
        """Wait until it is ready; since when, on the monotonic clock.

        Raises:
            SubjectError: It never is.
        """
        wait_for(self.is_ready, "readiness")
        return time.monotonic()

    def children(self, module: str) -> list[int]:
        """Its processes of a kind: `service.engine` or `service.web`."""
        found = []
        for pid in descendants(self.process.pid):
            with suppress(OSError):
                command = (PROC / str(pid) / "cmdline").read_bytes()
                if f"\0{module}\0".encode() in command:
                    found.append(pid)
        return found

    def rss_bytes(self) -> int:
        """Resident memory of all its processes."""
        return memory(self.process.pid).rss_bytes

    def kill(self) -> None:
        """End every process of it at once, as a power cut does."""
        for pid in descendants(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def logged(self) -> str:
        """All that it has printed."""
        return self.log.read_text(errors="replace")


@contextmanager
def running(folder: Path, artifacts: Path) -> Iterator[Subject]:
    """A service that is ready, and is gone afterwards."""
    subject = Subject(folder, artifacts)
    try:
        subject.wait_ready()
        yield subject
    finally:
        if subject.process.poll() is None:
            subject.kill()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until something is so.

    Raises:
        SubjectError: It is not so after `PATIENCE_S`.
    """
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            raise SubjectError(f"{what}: not there after {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)
