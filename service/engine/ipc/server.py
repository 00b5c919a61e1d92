"""The engine's end of the Unix socket: requests in, answers out."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import cut_rows
from service.engine.catalog import Catalog
from service.engine.engine import Engine
from service.engine.ipc.connection import Connection
from service.engine.ipc.frames import (
    Answered,
    Kind,
    frame,
    pack_answer,
    pack_error,
    unpack_cancel,
    unpack_request,
)
from service.errors import ServeryError


async def start_server(engine: Engine, listener: socket.socket) -> asyncio.Server:
    """Serve `engine` on a Unix socket that `bind_socket` made."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(
        lambda: _ServerConnection(engine), sock=listener
    )


def bind_socket(path: Path) -> socket.socket:
    """A Unix socket at `path`, in the place of one that a dead engine left."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


class _ServerConnection(Connection):
    """One HTTP process."""

    def __init__(self, engine: Engine):
        super().__init__()
        self._engine = engine
        self._pending: dict[int, QueuedRequest] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._engine.on_change.append(self._send_catalog)
        self._send_catalog(self._engine.catalog)

    def connection_lost(self, error: Exception | None) -> None:
        self._engine.on_change.remove(self._send_catalog)
        for request in self._pending.values():
            request.cancel()
        self._pending.clear()

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CANCEL:
            cancelled = self._pending.pop(unpack_cancel(body), None)
            if cancelled is not None:
                cancelled.cancel()
            return
        version, name, signature, callers, tensors = unpack_request(body)
        parts = cut_rows(tensors, [each.rows for each in callers])
        requests = [
            QueuedRequest(part, caller.deadline, self, caller.number)
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

    def _send_catalog(self, catalog: Catalog) -> None:
        self.send(frame(Kind.CATALOG, catalog.model_dump_json().encode()))
