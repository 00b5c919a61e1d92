"""Servers as processes: started, waited for, and each ended by its own id."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from benchmarks.load import Load
from benchmarks.processes import cpu_seconds, family
from benchmarks.subjects import Server

HOST = "127.0.0.1"
STARTED = "Application startup complete."  # uvicorn's word for it, once a worker
START_S, END_S = 180.0, 20.0  # patience
POLL_S = 0.02


class ServerError(RuntimeError):
    """A server does not start, or answers wrongly."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has been started."""

    server: Server  # what was started
    process: subprocess.Popen[bytes]  # its first process; others descend from it
    port: int  # where it listens
    log: Path  # the file with all that it prints

    def url(self, path: str = "") -> str:
        """The address of `path`."""
        scheme = "http" if self.server.tls is None else "https"
        return f"{scheme}://{HOST}:{self.port}{path}"

    def is_ready(self) -> bool:
        """Whether all of it serves."""
        if self.process.poll() is not None:
            raise ServerError(
                f"{self.server.name} ended with {self.process.returncode} instead of "
                f"serving; its log ends with:\n{self.logged()[-2000:]}"
            )
        if self.logged().count(STARTED) < self.server.workers:
            return False
        with suppress(httpx.TransportError):
            url, tls = self.url(self.server.health), self.server.tls or True
            return httpx.get(url, timeout=5, trust_env=False, verify=tls).is_success
        return False

    def measure(self, send: Callable[[], Load]) -> Load:
        """A load of it, with the CPU time that its processes took meanwhile."""
        before = cpu_seconds(self.process.pid)
        load = send()
        return replace(load, server_cpu_s=cpu_seconds(self.process.pid) - before)

    def logged(self) -> str:
        """All that it has printed."""
        return self.log.read_text(errors="replace")

    def end(self, *, patience_s: float = END_S) -> None:
        """Ask it to end; what it leaves behind, or does not end in time, is killed.

        Without any patience all its processes end at once, as in a power cut.
        """
        rest = list(family(self.process.pid))[1:]
        if patience_s:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
        if self.process.poll() is None:
            self.process.kill()
        for each in rest:
            with suppress(psutil.NoSuchProcess):
                each.kill()  # never another process that has its id by now
        self.process.wait()


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Start a server, wait until it is ready, and end it at the end."""
    started = _start(server, folder / f"server-{time.monotonic_ns()}.log")
    try:
        wait_for(started.is_ready, f"{server.name} being ready")
        yield started
    finally:
        if started.process.poll() is None:
            started.end()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until something is so."""
    give_up = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > give_up:
            raise ServerError(f"expected {what} within {START_S:.0f} s; it is not so")
        time.sleep(POLL_S)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _start(server: Server, log: Path) -> Running:
    port = free_port()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [each.format(port=port) for each in server.command],
                env=os.environ | dict(server.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to pass on
            )
        except OSError as error:
            raise ServerError(f"{server.name} cannot be started: {error}") from error
    return Running(server, process, port, log)
