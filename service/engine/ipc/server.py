"""The engine's end of the Unix socket: requests in, answers out."""

import asyncio
import logging
import socket
from collections.abc import Sequence

from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import cut_callers
from service.engine.catalog import Catalog
from service.engine.commands import Command
from service.engine.engine import Engine
from service.engine.ipc.connection import Connection
from service.engine.ipc.frames import (
    Answered,
    Kind,
    frame,
    pack_answer,
    pack_error,
    pack_result,
    unpack_cancel,
    unpack_command,
    unpack_request,
)
from service.engine.ipc.text_frames import (
    pack_finished,
    pack_written,
    unpack_write,
)
from service.engine.texts.request import TextSummary, Written
from service.engine.texts.text import Writing
from service.errors import ServeryError
from service.processes.sockets import is_ours

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.5  # readiness turns red after a second without, if so set
UNREAD_S = 5.0  # that an HTTP process may leave answers unread when the buffer is full


async def start_server(engine: Engine, listener: socket.socket) -> asyncio.Server:
    """Serve `engine` on a Unix socket."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(
        lambda: _ServerConnection(engine), sock=listener
    )


class _ServerConnection(Connection):
    """One HTTP process."""

    def __init__(self, engine: Engine):
        super().__init__()
        self._engine = engine
        self._pending: dict[int, QueuedRequest] = {}
        self._writings: dict[int, Writing] = {}
        self._written: list[tuple[int, Written]] = []
        self._commands: set[asyncio.Task[None]] = set()
        self._heartbeat: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._engine.on_change.append(self._send_catalog)
        if not is_ours(transport.get_extra_info("socket")):
            self.abort()
            return
        self._send_catalog(self._engine.catalog)
        self._beat()

    def connection_lost(self, error: Exception | None) -> None:
        for timer in (self._heartbeat, self._patience):
            if timer is not None:
                timer.cancel()
        self._engine.on_change.remove(self._send_catalog)
        for request in self._pending.values():
            request.cancel()
        self._pending.clear()
        for writing in self._writings.values():
            writing.cancel()
        self._writings.clear()

    def pause_writing(self) -> None:
        """Called by the event loop: an HTTP process that stands still is given up."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(UNREAD_S, self.abort)

    def resume_writing(self) -> None:
        """Called by the event loop."""
        super().resume_writing()
        if self._patience is not None:
            self._patience.cancel()

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CANCEL:
            number = unpack_cancel(body)
            cancelled = self._pending.pop(number, None) or self._writings.pop(
                number, None
            )
            if cancelled is not None:
                cancelled.cancel()
            return
        if kind is Kind.WRITE:
            self._begin_text(body)
            return
        if kind is Kind.COMMAND:
            task = asyncio.create_task(self._command(*unpack_command(body)))
            self._commands.add(task)
            task.add_done_callback(self._commands.discard)
            return
        version, name, signature, callers, tensors = unpack_request(body)
        parts = cut_callers(tensors, [each.rows for each in callers])
        requests = [
            QueuedRequest(
                *(part, caller.deadline, self, caller.number, caller.request_id),
                turn=caller.turn,
            )
            for caller, part in zip(callers, parts, strict=True)
        ]
        self._pending.update((each.number, each) for each in requests)
        self._engine.queue(name, version or None, signature, requests)

    def answer(
        self, requests: Sequence[QueuedRequest], version: int, batch_rows: int
    ) -> None:
        """Send what a batch gave, in one frame."""
        for request in requests:
            self._pending.pop(request.number, None)
        callers = [
            Answered(each.number, each.count, each.queue_s, each.compute_s)
            for each in requests
        ]
        parts = [each.outputs for each in requests]
        self.send(pack_answer(version, batch_rows, callers, parts))

    def fail(self, request: QueuedRequest, error: ServeryError) -> None:
        """Say what became of a request that has no answer."""
        self._pending.pop(request.number, None)
        self.send(pack_error(request.number, error))

    def _begin_text(self, body: memoryview) -> None:
        number, name, version, request, deadline, request_id, turn = unpack_write(body)
        writing = Writing(request, deadline, self, number, request_id, turn)
        self._writings[number] = writing
        self._engine.begin_text(name, version or None, writing)

    def wrote(self, number: int, written: Sequence[Written]) -> None:
        """Send what is written, soon: what one batch gave, in one frame."""
        if not self._written:
            asyncio.get_running_loop().call_soon(self._send_written)
        self._written += [(number, each) for each in written]

    def finished(self, number: int, summary: TextSummary) -> None:
        """Say that the texts of a request have ended."""
        self._writings.pop(number, None)
        self._send_written()
        self.send(pack_finished(number, summary))

    def failed(self, number: int, error: ServeryError) -> None:
        """Say what became of texts that will not be written."""
        self._writings.pop(number, None)
        self._send_written()
        self.send(pack_error(number, error))

    def _send_written(self) -> None:
        written, self._written = self._written, []
        if written:
            self.send(pack_written(written))

    async def _command(self, number: int, deadline: float, command: Command) -> None:
        """Do what an operator says, and send what came of it."""
        try:
            outcome = await self._engine.command(command, deadline)
        except ServeryError as error:
            self.send(pack_error(number, error))
        except Exception:
            logger.exception("%s failed", command.action)
            self.send(pack_error(number, ServeryError(f"{command.action} failed.")))
        else:
            self.send(pack_result(number, outcome))

    def _beat(self) -> None:
        """Show that the event loop turns."""
        if not self.congested:
            self.send(frame(Kind.HEARTBEAT))
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(HEARTBEAT_S, self._beat)

    def _send_catalog(self, catalog: Catalog) -> None:
        self.send(frame(Kind.CATALOG, catalog.model_dump_json().encode()))
