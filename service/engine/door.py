"""The door of the engine: it serves requests that come over a Unix socket."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from pydantic_core import to_json

from service.engine import wire
from service.engine.catalog import Catalog
from service.engine.engine import Engine
from service.engine.link import ANSWER, ANSWERED, ASKED, ID, REQUEST, Link
from service.engine.rows import cut_rows, merge_rows
from service.engine.waiting import Request
from service.engine.wire import Kind
from service.errors import ServeryError


async def open_door(engine: Engine, listener: socket.socket) -> asyncio.Server:
    """Serve `engine` on a Unix socket that `bind_door` made."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(lambda: _Served(engine), sock=listener)


def bind_door(path: Path) -> socket.socket:
    """A Unix socket at `path`, in the place of one that a dead engine left."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


class _Served(Link):
    """The engine's side of one connection."""

    def __init__(self, engine: Engine):
        super().__init__()
        self._engine = engine
        self._pending: dict[int, Request] = {}

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
            (number,) = ID.unpack_from(body)
            if number in self._pending:
                self._pending.pop(number).cancel()
            return
        version, count = REQUEST.unpack_from(body)
        name, offset = wire.unpack_text(body, REQUEST.size)
        signature, offset = wire.unpack_text(body, offset)
        end = offset + count * ASKED.size
        rows = wire.unpack_rows(body, end)
        asked = list(ASKED.iter_unpack(body[offset:end]))
        pieces = cut_rows(rows, [size for _, size, _ in asked])
        requests = [
            Request(piece, deadline, self, number)
            for (number, _, deadline), piece in zip(asked, pieces, strict=True)
        ]
        self._pending.update((each.number, each) for each in requests)
        self._engine.queue(name, version or None, signature, requests)

    def answer(
        self, requests: Sequence[Request], version: int, batch_rows: int
    ) -> None:
        """Send what a batch gave, in one frame."""
        for request in requests:
            self._pending.pop(request.number, None)
        facts = [
            ANSWERED.pack(each.number, each.count, each.queue_s, each.compute_s)
            for each in requests
        ]
        self.send(
            Kind.ANSWER,
            ANSWER.pack(version, len(requests), batch_rows),
            *facts,
            *wire.pack_rows(merge_rows([each.outputs for each in requests])),
        )

    def fail(self, request: Request, error: ServeryError) -> None:
        """Say what became of a request that has no answer."""
        self._pending.pop(request.number, None)
        self._send_error(request.number, error)

    def _send_error(self, number: int, error: ServeryError) -> None:
        self.send(
            Kind.ERROR,
            ID.pack(number),
            to_json(
                {
                    "code": error.code,
                    "message": error.message,
                    "retry_after_s": getattr(error, "retry_after_s", None),
                }
            ),
        )

    def _send_catalog(self, catalog: Catalog) -> None:
        self.send(Kind.CATALOG, catalog.model_dump_json().encode())
