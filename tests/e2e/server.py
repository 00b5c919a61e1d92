"""The real service, started as a user starts it, on a free port."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from service.metrics import FLUSH_S


class Server:
    """`servery serve` with these settings, in a process of its own.

    It keeps two versions of a model, unless it is told otherwise: tests ask for both.

    Args:
        trusted: What its client needs for TLS: an SSLContext.
    """

    def __init__(self, log: Path, *, trusted: Any = True, **settings: Any):
        self.log = log
        settings.setdefault("versions_kept", 2)
        self.grpc_port: int | None = settings.get("grpc_port")
        self.admin_port: int | None = settings.get("admin_port")
        self.trusted = trusted
        variables = {f"SERVERY_{key.upper()}": str(v) for key, v in settings.items()}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve", "--port", "0"],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | variables,
            )
        until(lambda: b"Servery on" in log.read_bytes() or self.ended)
        found = re.search(r"https?://[\d.]+:\d+", log.read_text())
        assert found, log.read_text()
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, timeout=30, verify=trusted)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_ready(self) -> None:
        """Ask now and then: an engine that starts needs the cores itself."""
        until(self.is_ready, 240, every_s=0.1)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            assert not self.ended, self.log.read_text()
            return False

    def children(self, kind: str) -> list[int]:
        """The processes of this kind: `engine` or `web`."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    status = (folder / "stat").read_text().rpartition(") ")[2].split()
                    command = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                ours = int(status[1]) == self.process.pid and status[0] != "Z"
                if ours and f"service.{kind}".encode() in command:
                    found.append(int(folder.name))
        return found

    def child(self, kind: str) -> int:
        (pid,) = self.children(kind)
        return pid

    def log_lines(self, **facts: Any) -> list[dict[str, Any]]:
        """The lines of the log in which all of `facts` stand."""
        lines = []
        for text in self.log.read_text().splitlines():
            if text.startswith("{"):
                line = json.loads(text)
                if facts.items() <= line.items():
                    lines.append(line)
        return lines

    def stop(self) -> int:
        """End it as an operator does, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def child_of(pid: int) -> int:
    """The one process that this one has started, and that has not ended."""
    (found,) = (
        int(each)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for each in (thread / "children").read_text().split()
        if alive(int(each))
    )
    return found


def suspend(pid: int) -> None:
    """Have a process stand still: a signal is sent before all threads have stopped."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")

    def state(file: Path) -> str:
        return file.read_text().rpartition(")")[2].split()[0]

    until(lambda: all(state(each) in "TZX" for each in threads.glob("*/stat")))


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] != "Z"


def until(
    condition: Callable[[], bool], seconds: float = 90, every_s: float = 0.02
) -> None:
    """Wait for what another process is about to do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(every_s)


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def settle() -> None:
    """Wait until all that has happened is counted."""
    time.sleep(3 * FLUSH_S)
