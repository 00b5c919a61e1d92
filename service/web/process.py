"""An HTTP process, from its start to its end."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, cast

import click
import uvicorn

from service.access.certificates import CertificatesError
from service.drift.recorder import start_recording
from service.engine.ipc.client import EngineClient
from service.logs import AccessLog
from service.processes.cores import take_short_turns
from service.processes.descriptors import raise_descriptor_limit
from service.processes.handover import BEAT_S, Handover
from service.processes.memory import (
    MemoryWatch,
    keep_large_blocks_apart,
    start_collecting,
)
from service.tracing.start import start_exporting
from service.web.app import create_app
from service.web.http.connection import Connection
from service.web.http.connections import Connections
from service.web.http.limits import HttpLimits
from service.web.http.server import Server
from service.web.http.tls import Handshake
from service.web.state import AppState


@click.command()
@click.option("--name", required=True)
@click.option("--handover", required=True)
def main(name: str, handover: str) -> None:
    """Parse, decode and answer until SIGTERM."""
    keep_large_blocks_apart()
    take_short_turns()
    given = Handover.model_validate_json(handover)
    metrics, log = given.begin()
    settings = given.settings
    access_log = AccessLog(name, log) if settings.access_log else None
    exporting = start_exporting(name, settings, metrics.spans_lost.inc)
    engine = EngineClient(
        given.engine,
        silence_s=settings.engine_silence_ms / 1000,
        max_backlog_bytes=settings.max_engine_backlog_bytes,
    )
    try:
        state = AppState(
            settings,
            engine,
            metrics,
            access_log,
            rates=given.rates,
            certificates=given.certificates,
            recorder=start_recording(name, settings, metrics),
            tracer=exporting.request_tracer() if exporting is not None else None,
        )
    except CertificatesError as error:
        raise SystemExit(f"cannot speak TLS: {error}") from error
    state.decoders.start()  # while we go on
    app = create_app(state)
    limits = HttpLimits.of(settings, raise_descriptor_limit())
    connections = Connections(app, state, limits)
    protocol = Connection if state.certificates is None else Handshake
    config = uvicorn.Config(
        app,
        http=cast(Any, partial(protocol, connections=connections)),
        ws="none",
        access_log=False,
        log_config=None,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )
    server = _DrainingServer(config, connections, given.beat)
    start_collecting()
    listeners = [given.listener]
    if given.admin_listener is not None:
        listeners.append(given.admin_listener)
    server.run(sockets=[socket.socket(fileno=each) for each in listeners])
    if exporting is not None:
        exporting.close(server.left_s)


class _DrainingServer(Server):
    """On SIGTERM: readiness red, serve on for the drain delay, then finish and end."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        beat: Callable[[], None],
    ):
        super().__init__(config, connections)
        self._beat, self._state = beat, connections.state
        self._leave_at = float("inf")
        self._told = asyncio.Event()  # to end
        self._memory = MemoryWatch()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._state.draining:
            self._state.draining = True
            self._leave_at = time.monotonic() + self._state.settings.drain_delay_s
            self._told.set()

    async def main_loop(self) -> None:
        """As uvicorn's, but woken once a second, and when told to end.

        Its ten times a second were more than half of what an idle process cost. In
        tick 0 it renews the date; here that is every one.
        """
        while not await self.on_tick(0):
            self._told.clear()
            left_s = max(0.0, self._leave_at - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), min(BEAT_S, left_s))

    @property
    def left_s(self) -> float:
        """Seconds that are left of those to finish in."""
        end = self._leave_at + self._state.settings.drain_timeout_s
        return max(0.0, end - time.monotonic())

    async def on_tick(self, counter: int) -> bool:
        self._beat()
        self._memory.check()
        if time.monotonic() >= self._leave_at:
            self.should_exit = True
            self._state.leaving.set()
        return await super().on_tick(counter)
