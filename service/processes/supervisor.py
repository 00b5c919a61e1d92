"""One engine process and N HTTP processes: started, replaced, drained.

supervisor ─┬─ engine   accepts from a Unix socket; starts tensorflow-0, with the device
            ├─ http 0   ┐ accept from a TCP socket each, all with one port
            └─ http N   ┘ (and from another one, if operators have a port of their own)

The supervisor holds all sockets: a connection made while a process is replaced waits.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import zip_longest

from service.access.rates import create_levels
from service.logs import configure_logging
from service.metrics import share_metrics
from service.processes.handover import Handover
from service.processes.keeper import Keeper
from service.processes.samples import create_block, forget_gauges
from service.processes.sockets import listen_privately
from service.settings import Settings

logger = logging.getLogger(__name__)

GRACE_S = 0.5  # beyond what draining may take, before a process is killed


class Supervisor:
    """Runs the service until SIGTERM, SIGINT or SIGHUP.

    Args:
        settings: See there; passed on to every process.
        listeners: What HTTP processes accept from, one for each.
        admin_listeners: On the port of operators, if there is one; likewise.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        admin_listeners: Sequence[socket.socket] = (),
    ):
        self._settings = settings
        self._listeners = [*listeners, *admin_listeners]
        self._stopping = asyncio.Event()
        names = ["engine", *(f"http-{number}" for number in range(len(listeners)))]
        self._blocks = {name: create_block(name) for name in [*names, "supervisor"]}
        self._metrics = share_metrics(self._blocks["supervisor"], ())
        dropped = self._metrics.log_lines_dropped
        configure_logging(settings, "supervisor", dropped.inc)
        self._engine_listener, engine = listen_privately()
        self._lifeline, self._lifeline_end = os.pipe()
        self._journal = os.memfd_create("servery-journal")
        self._overrides = os.memfd_create("servery-overrides")
        self._rates = create_levels()
        self._certificates = os.memfd_create("servery-certificates")
        self._engine = self._keep("engine", self._engine_listener, engine)
        self._https = [
            self._keep(name, listener, engine, admin)
            for name, listener, admin in zip_longest(
                names[1:], listeners, admin_listeners
            )
        ]

    async def run(self) -> int:
        """Start everything, replace what dies, and drain when told to stop.

        Returns:
            The exit code: 0, or 1 if the service could not go on.
        """
        self._handle_signals()
        stopping = asyncio.create_task(self._stopping.wait())
        engine = asyncio.create_task(self._engine.run())
        https = [asyncio.create_task(each.run()) for each in self._https]
        await asyncio.wait(
            [stopping, engine, *https], return_when=asyncio.FIRST_COMPLETED
        )
        failed = [task for task in (engine, *https) if task.done()]
        for task in failed:
            logger.critical("cannot go on", exc_info=task.exception())
        await self._drain(engine, https)
        return 1 if failed else 0

    def _keep(
        self,
        name: str,
        listener: socket.socket,
        engine: str,
        admin: socket.socket | None = None,
    ) -> Keeper:
        handover = Handover(
            name=name,
            settings=self._settings,
            lifeline=self._lifeline,
            heartbeat=-1,
            listener=listener.fileno(),
            engine=engine,
            blocks=self._blocks,
            journal=self._journal,
            overrides=self._overrides,
            rates=self._rates,
        )
        module, kind = ("engine", "engine") if name == "engine" else ("web", "http")
        others = []
        if kind == "http":  # the engine runs the models' programs
            handover = handover.model_copy(update={"certificates": self._certificates})
            others.append(self._certificates)
        if admin is not None:
            update = {"admin_listener": admin.fileno()}
            handover = handover.model_copy(update=update)
            others.append(admin.fileno())
        self._metrics.restarts.labels(kind)  # a series from the start
        return Keeper(
            f"service.{module}",
            handover,
            [
                self._lifeline,
                self._journal,
                self._overrides,
                self._rates,
                listener.fileno(),
                *self._blocks.values(),
                *others,
            ],
            partial(self._on_end, name, kind),
        )

    def _on_end(self, name: str, kind: str) -> None:
        self._metrics.restarts.labels(kind).inc()
        forget_gauges(self._blocks[name])

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            ignored = signal.getsignal(number) is signal.SIG_IGN
            if number != signal.SIGHUP or not ignored:  # as nohup sets it
                loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if not self._stopping.is_set():
            logger.info("stopping: draining what was accepted")
            self._stopping.set()
        elif number != signal.SIGHUP:  # asked twice: no more patience
            for keeper in (self._engine, *self._https):
                keeper.kill()

    async def _drain(
        self, engine: asyncio.Task[None], https: list[asyncio.Task[None]]
    ) -> None:
        """First the HTTP processes, then the engine, all within one limit of time."""
        for listener in self._listeners:  # who is the last to leave closes the port
            listener.close()
        settings = self._settings
        end = time.monotonic() + settings.drain_delay_s + settings.drain_timeout_s
        await self._stop(self._https, https, end + GRACE_S)
        await self._stop([self._engine], [engine], end + 2 * GRACE_S)

    async def _stop(
        self, keepers: Iterable[Keeper], tasks: list[asyncio.Task[None]], end: float
    ) -> None:
        for keeper in keepers:
            keeper.stop()
        _, late = await asyncio.wait(tasks, timeout=end - time.monotonic())
        if late:
            logger.warning("killing %d processes that have not drained", len(late))
            for keeper in keepers:
                keeper.kill()
            await asyncio.wait(late)
