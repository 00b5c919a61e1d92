"""One engine process and N HTTP processes: started, replaced, drained.

supervisor ─┬─ engine   owns the device, behind a Unix socket
            ├─ http 0   ┐ accept from one listening socket, which the supervisor
            └─ http N   ┘ holds: a connection made while one is replaced waits
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from service.metrics import FOLDER_VARIABLE
from service.settings import Settings

logger = logging.getLogger(__name__)

BACKLOG = 2048
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.05, 5.0
STABLE_S = 10.0  # a process that lived so long is started again without delay
GRACE_S = 2.0  # beyond what draining may take, before a process is killed


class AddressTakenError(RuntimeError):
    """Nothing can listen on this host and port."""


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that accepts on `host` and `port`.

    Raises:
        AddressTakenError: Another program has it, or it is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"cannot listen on {host}:{port}: {error.strerror}"
        ) from error
    listener.listen(BACKLOG)
    return listener


class Supervisor:
    """Runs the service until SIGTERM or SIGINT.

    Args:
        settings: See there; passed on to every process.
        listener: What HTTP processes accept from.
    """

    def __init__(self, settings: Settings, listener: socket.socket):
        self._settings = settings
        self._listener = listener
        self._stopping = asyncio.Event()
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> None:
        """Start everything, replace what dies, and drain when told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        with tempfile.TemporaryDirectory(prefix="servery-") as folder:
            self._folder = Path(folder)
            self._metrics_folder = self._folder / "metrics"
            self._metrics_folder.mkdir()
            self._lifeline, self._lifeline_end = os.pipe()
            engine = asyncio.create_task(self._keep("engine"))
            names = [
                f"http-{n}" for n in range(self._settings.number_of_http_processes())
            ]
            https = [asyncio.create_task(self._keep(name)) for name in names]
            await self._stopping.wait()
            self._listener.close()  # the last HTTP process to leave closes the port
            await self._stop(names, https)
            await self._stop(["engine"], [engine])

    def _on_signal(self) -> None:
        if self._stopping.is_set():  # asked twice: no more patience
            for process in self._processes.values():
                with suppress(ProcessLookupError):
                    process.kill()
        logger.info("stopping: draining what was accepted")
        self._stopping.set()

    async def _keep(self, name: str) -> None:
        """Keep one process running, with growing pauses while it dies young."""
        backoff_s, code = FIRST_BACKOFF_S, None
        while not self._stopping.is_set():
            began = time.monotonic()
            process = await self._start(name, code)
            self._processes[name] = process
            code = await process.wait()
            mark_process_dead(process.pid, str(self._metrics_folder))  # type: ignore[no-untyped-call]
            if self._stopping.is_set():
                return
            logger.error("%s (%d) ended with %d; replacing it", name, process.pid, code)
            if time.monotonic() - began > STABLE_S:
                backoff_s = FIRST_BACKOFF_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)

    async def _start(self, name: str, ended: int | None) -> asyncio.subprocess.Process:
        """Start a process, whose predecessor ended with this code, if it had one."""
        module = "service.engine" if name == "engine" else "service.web"
        socket_option = "--socket" if name == "engine" else "--engine-socket"
        arguments = [
            *("--settings", self._settings.model_dump_json()),
            *(socket_option, str(self._folder / "engine.sock")),
            *("--lifeline", str(self._lifeline)),
            *(["--restarted"] if ended is not None else []),
        ]
        if name == "engine" and ended is not None:
            arguments += ["--predecessor-ended", str(ended)]
        inherited = [self._lifeline]
        if name != "engine":  # it outlives the others, and must not hold the port
            inherited.append(self._listener.fileno())
            arguments += ["--name", name, "--listener", str(self._listener.fileno())]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            pass_fds=inherited,
            env=os.environ | {FOLDER_VARIABLE: str(self._metrics_folder)},
            process_group=0,  # a Ctrl-C is ours to pass on
        )

    async def _stop(self, names: list[str], tasks: list[asyncio.Task[None]]) -> None:
        for name in names:
            with suppress(ProcessLookupError, KeyError):
                self._processes[name].terminate()
        settings = self._settings
        patience = settings.drain_delay_s + settings.drain_timeout_s + GRACE_S
        _, late = await asyncio.wait(tasks, timeout=patience)
        if late:
            logger.warning("killing %s: not drained in %.0f s", names, patience)
            for name in names:
                with suppress(ProcessLookupError):
                    self._processes[name].kill()
            await asyncio.wait(late)
