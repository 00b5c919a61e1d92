"""The door of the engine: it serves requests that come over a Unix socket."""

import asyncio
import logging
import socket
from functools import partial
from pathlib import Path

from pydantic_core import to_json

from service.engine import wire
from service.engine.batcher import Answer
from service.engine.catalog import Catalog
from service.engine.engine import Engine
from service.engine.link import ANSWER, ID, REQUEST, Link
from service.engine.wire import Kind
from service.errors import ServeryError

logger = logging.getLogger(__name__)


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
        self._pending: dict[int, asyncio.Future[Answer]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._engine.on_change.append(self._send_catalog)
        self._send_catalog(self._engine.catalog)

    def connection_lost(self, error: Exception | None) -> None:
        self._engine.on_change.remove(self._send_catalog)
        for future in list(self._pending.values()):
            future.cancel()

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CANCEL:
            (number,) = ID.unpack_from(body)
            if number in self._pending:
                self._pending[number].cancel()
            return
        number, version, deadline = REQUEST.unpack_from(body)
        name, offset = wire.unpack_text(body, REQUEST.size)
        signature, offset = wire.unpack_text(body, offset)
        rows = wire.unpack_rows(body, offset)
        try:
            future = self._engine.submit(
                name, version or None, signature, rows, deadline
            )
        except ServeryError as error:
            self._send_error(number, error)
            return
        self._pending[number] = future
        future.add_done_callback(partial(self._answer, number))

    def _answer(self, number: int, future: asyncio.Future[Answer]) -> None:
        del self._pending[number]
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            answer = future.result()
            head = ANSWER.pack(
                number,
                answer.version,
                answer.batch_rows,
                answer.queue_s,
                answer.compute_s,
            )
            self.send(Kind.ANSWER, head, *wire.pack_rows(answer.outputs))
        elif isinstance(error, ServeryError):
            self._send_error(number, error)
        else:
            logger.error("a request failed", exc_info=error)
            self._send_error(number, ServeryError("Internal error."))

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
