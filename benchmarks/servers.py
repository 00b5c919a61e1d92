"""Servers as processes: started, waited for, and each ended by its own id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.processes import descendants
from benchmarks.subjects import Server

HOST = "127.0.0.1"
STARTED = "Application startup complete."  # uvicorn's word for it, once a worker
START_S, END_S = 180.0, 20.0  # patience
POLL_S = 0.1


class ServerError(RuntimeError):
    """A server does not start, or answers wrongly."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has been started.

    Attributes:
        server: What was started.
        process: Its first process; others descend from it.
        port: Where it listens.
        log: The file with all that it prints.
    """

    server: Server
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def url(self, path: str) -> str:
        """The address of `path`."""
        return f"http://{HOST}:{self.port}{path}"

    def is_ready(self) -> bool:
        """Whether all of it serves.

        Raises:
            ServerError: It has ended.
        """
        if self.process.poll() is not None:
            raise ServerError(
                f"{self.server.name} ended with {self.process.returncode} instead of "
                f"serving; its log ends with:\n{self.last_words()}"
            )
        if self.log.read_text(errors="replace").count(STARTED) < self.server.workers:
            return False
        with suppress(httpx.TransportError):
            url = self.url(self.server.health)
            return httpx.get(url, timeout=5, trust_env=False).is_success
        return False

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def running(servers: list[Server], folder: Path) -> Iterator[dict[str, Running]]:
    """Start servers, wait until all are ready, and end them at the end.

    Args:
        servers: All are started at once.
        folder: Where their logs go.

    Yields:
        The servers by name.

    Raises:
        ServerError: One cannot be started, ended early, or is not ready in `START_S`
            seconds.
    """
    with ExitStack() as stack:
        started: dict[str, Running] = {}
        for number, server in enumerate(servers):
            each = _start(server, folder / f"{number}.log")
            stack.callback(_end, each.process)
            started[server.name] = each
        _wait(list(started.values()))
        yield started


def _start(server: Server, log: Path) -> Running:
    port = _free_port()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [each.format(port=port) for each in server.command],
                env=os.environ | server.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to pass on
            )
        except OSError as error:
            raise ServerError(f"{server.name} cannot be started: {error}") from error
    return Running(server, process, port, log)


def _wait(waiting: list[Running]) -> None:
    give_up = time.monotonic() + START_S
    while waiting := [each for each in waiting if not each.is_ready()]:
        if time.monotonic() > give_up:
            raise ServerError(
                f"{waiting[0].server.name} is not ready after {START_S:.0f} s; its log "
                f"ends with:\n{waiting[0].last_words()}"
            )
        time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server; what it leaves behind, or does not end in time, is killed."""
    family = descendants(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    for pid in [each for each in family if each != process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
