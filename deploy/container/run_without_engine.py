#!/usr/bin/env python3
"""Run what `build_without_engine.py` built, hardened as docker-compose.yml asks.

In namespaces of its own: PID 1, the image's user without capabilities, the root file
system read-only but for /tmp. Then it is asked for health with the image's own command
and for a digit, loses its engine to kill -9, and is told to stop.

Needs root and util-linux.
"""
# ruff: noqa: S607, T201 - a script for a terminal, with tools from the PATH

import argparse
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from build_without_engine import DEFAULT_ROOT, REPOSITORY, Builder

PATIENCE_S = 300.0
NOBODY_ELSE = ("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
MOUNTS = """
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs -o size=128m,nosuid,nodev,noexec,mode=1777 tmpfs "$0/tmp"
exec chroot "$0" "$@"
"""

LIST_PROCESSES = r"""
import pathlib
for folder in sorted(pathlib.Path("/proc").glob("[0-9]*")):
    status = dict(line.split(":", 1) for line in open(folder / "status"))
    state, memory = status["State"].split()[0], status.get("VmRSS", "").strip()
    command = (folder / "cmdline").read_text().split("\0")
    if "-c" not in command:
        print(folder.name, state, memory, *command[1:3], sep="\t")
"""
KILL_ENGINE = r"""
import os, pathlib, signal
(pid,) = [int(folder.name) for folder in pathlib.Path("/proc").glob("[0-9]*")
          if b"\0service.engine\0" in (folder / "cmdline").read_bytes()]
os.kill(pid, signal.SIGKILL)
"""


class Container:
    """The image's process, as PID 1 of its namespaces.

    Args:
        tree: The image's root file system.
        config: What the image says of itself.
        variables: Settings beside its own, `NAME=value`.
        log: File for what it prints.
    """

    def __init__(
        self, tree: Path, config: dict[str, Any], variables: list[str], log: Path
    ):
        self._user = config["User"].partition(":")[::2]
        self._environment = ["env", "-i", *config["Env"], *variables]
        self._health = config["Healthcheck"]["Test"]
        user, group = self._user
        command = [
            *("unshare", "--mount", "--pid", "--fork", "--ipc", "--uts"),
            *("sh", "-c", MOUNTS, str(tree)),
            *("setpriv", "--reuid", user, "--regid", group, "--clear-groups"),
            *(*NOBODY_ELSE, *self._environment),
            *(*config["Entrypoint"], *config["Cmd"]),
        ]
        with log.open("wb") as file:
            self._unshare = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT
            )
        wait(lambda: bool(self._children()))
        (self.pid,) = self._children()

    def _children(self) -> list[int]:
        pid = self._unshare.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(each) for each in found.split()]

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the image's user."""
        user, group = self._user
        return subprocess.run(
            [
                *("nsenter", "--target", str(self.pid), "--mount", "--pid", "--root"),
                *("--wd", "--setuid", user, "--setgid", group),
                *(*self._environment, *command),
            ],
            check=False,
            capture_output=True,
            text=True,
        )

    def is_healthy(self) -> bool:
        """What the image's HEALTHCHECK says."""
        kind, *command = self._health
        assert kind == "CMD", self._health  # noqa: S101
        return self.call(*command).returncode == 0

    def processes(self) -> str:
        """State, resident memory and command of every process inside."""
        return self.call("python", "-c", LIST_PROCESSES).stdout.rstrip()

    def stop(self, number: signal.Signals) -> int:
        """Send the signal; how the service ended."""
        subprocess.run(["kill", f"-{number.name}", str(self.pid)], check=True)
        return self._unshare.wait(60)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._unshare.poll() is None:
            self.stop(signal.SIGKILL)


def wait(condition: Callable[[], bool]) -> float:
    """Wait until it holds; the seconds that took.

    Raises:
        TimeoutError: It did not within `PATIENCE_S`.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"{condition} did not hold within {PATIENCE_S} s")
        time.sleep(0.1)
    return time.monotonic() - began


def ask_digit(port: int) -> int:
    """What the service sees in the repository's picture of a seven."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/predict/digits",
        data=(REPOSITORY / "seven.png").read_bytes(),
        headers={"Content-Type": "image/png"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - ours
        digit: int = json.load(answer)["predictions"][0]["digit"]
    return digit


def cpu_seconds(port: int) -> float:
    """What all the service's processes have used, however busy the machine is."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines: list[str] = answer.read().decode().splitlines()
    name = "servery_process_cpu_seconds_total{"
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def prove(container: Container, port: int, stop: signal.Signals) -> None:
    """Health, an answer, nothing written, a new engine for a dead one, a clean end."""
    healthy = wait(container.is_healthy)
    print(f"healthy after {healthy:.1f} s, {cpu_seconds(port):.1f} s of CPU time")
    print(container.call("id").stdout.strip())
    digit = ask_digit(port)
    print(f"seven.png: {digit}")
    touched = container.call("touch", "/opt/servery/written")
    print(f"writing outside /tmp: {touched.stderr.strip()}")
    print(container.processes())
    container.call("python", "-c", KILL_ENGINE).check_returncode()
    wait(lambda: not container.is_healthy())
    print(f"healthy {wait(container.is_healthy):.1f} s after kill -9 of the engine")
    left = container.processes()
    began = time.monotonic()
    code = container.stop(stop)
    print(f"{stop.name}: ended with {code} after {time.monotonic() - began:.1f} s")
    zombies = [line for line in left.splitlines() if line.split()[1] == "Z"]
    print(f"zombies: {zombies or 'none'}")
    if (digit, touched.returncode, code, zombies) != (7, 1, 0, []):
        raise SystemExit("not as promised")


def main() -> None:
    """Run the image, prove what it promises, and leave nothing running."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    options = parser.parse_args()
    builder = Builder(options.root)
    image = f"localhost/servery:{options.device}"
    mounted = builder.call("from", "--pull=never", image)
    try:
        tree = Path(builder.call("mount", mounted))
        config, port = builder.config(image), free_port()
        settings = [
            *(f"SERVERY_PORT={port}", "SERVERY_ACCESS_LOG=false"),
            *("SERVERY_HTTP_PROCESSES=1", "SERVERY_TENSORFLOW_THREADS=1"),
        ]
        container = Container(tree, config, settings, options.root / "service.log")
        try:
            prove(container, port, signal.Signals[config["StopSignal"]])
        finally:
            container.kill()
    finally:
        builder.call("umount", mounted)
        builder.call("rm", mounted)


if __name__ == "__main__":
    main()
