"""The engine as HTTP processes see it, at the other end of a Unix socket."""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.tensors import Tensors
from service.engine.catalog import Catalog
from service.engine.commands import Command, Outcome
from service.engine.ipc.client_connection import (
    HANG_S,
    ClientConnection,
    Group,
    PendingCall,
)
from service.engine.texts.request import TextRequest
from service.engine.texts.stream import TextStream
from service.errors import DeadlineExceeded, EngineGone, QueueFull
from service.processes.sockets import is_ours, unix_address

logger = logging.getLogger(__name__)

INTRODUCTION_S = 1.0  # that a start waits for an engine; it may be starting too
RECONNECT_S = 0.05
BULKY_BYTES = 1 << 16  # rows of more are not copied to travel with others
LOOK_S = 0.25  # while signs of the engine's life are missed


class EngineClient:
    """The engine as HTTP processes see it: the same `submit`, and its last catalog.

    Args:
        address: The engine's Unix socket, `@` before an abstract name. It need not be
            there yet.
        silence_s: Without a sign of the engine for so long, the catalog says so.
        max_backlog_bytes: Of rows that wait for an engine that does not keep up.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        silence_s: float = 2.0,
        max_backlog_bytes: int = 64 * 1024 * 1024,
    ):
        self._address = unix_address(str(address))
        self._silence_s, self._max_backlog_bytes = silence_s, max_backlog_bytes
        self._numbers = count()
        self._connection: ClientConnection | None = None
        self._catalog = Catalog()
        self._introduced = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def catalog(self) -> Catalog:
        """What the engine last said that it holds; empty while it is gone."""
        return self._catalog

    @property
    def connected(self) -> bool:
        """Whether there is an engine at the other end."""
        return self._connection is not None

    async def start(self) -> None:
        """Connect, and reconnect whenever the engine has been away.

        Waits a moment for the engine to say what it holds, so that who replaces a dead
        process does not answer before that it knows of no model.
        """
        self._keeper = asyncio.create_task(self._keep_connected())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._introduced.wait(), INTRODUCTION_S)

    async def stop(self) -> None:
        """Close the connection; what is under way fails."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> asyncio.Future[Answer]:
        """Send rows to the engine; see `Engine.submit`.

        Every error arrives through the future, `EngineGone` too.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        connection, size = self._connection, _count_bytes(rows)
        if connection is None:
            future.set_exception(EngineGone("The engine is starting; try again soon."))
            return future
        if connection.congested and (
            connection.unsent_bytes + size > self._max_backlog_bytes
        ):
            message = "The engine does not keep up with what is sent; try again soon."
            future.set_exception(QueueFull(message))
            return future
        number = next(self._numbers) & 0xFFFFFFFF
        shapes: tuple[Any, ...] = (number,)  # alone
        if size <= BULKY_BYTES and _share_rows(rows):  # else others' rows would shift
            shapes = tuple([(array.dtype, array.shape[1:]) for array in rows])
        group: Group = (name, version or 0, signature, shapes)
        future.add_done_callback(partial(_finish, connection, number))
        connection.ask(
            PendingCall(number, group, rows, size, deadline, future, request_id, turn)
        )
        return future

    def write(
        self,
        name: str,
        version: int | None,
        request: TextRequest,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> TextStream:
        """Have the engine write texts; see `Engine.write`."""
        connection = self._connection
        if connection is None or connection.congested:
            stream = TextStream()
            message = "The engine is starting; try again soon."
            if connection is not None:
                message = "The engine does not keep up with what is sent; try again."
            stream.failed(0, EngineGone(message))
            return stream
        number = next(self._numbers) & 0xFFFFFFFF
        return connection.write(
            number, name, version or 0, request, deadline, request_id, turn
        )

    async def command(self, command: Command, deadline: float) -> Outcome:
        """Have the engine do what an operator says; see `Engine.command`."""
        if self._connection is None:
            raise EngineGone("The engine is starting; try again soon.")
        number = next(self._numbers) & 0xFFFFFFFF
        future = self._connection.command(number, command, deadline)
        try:
            async with asyncio.timeout(deadline + HANG_S - time.monotonic()):
                return await future
        except TimeoutError:
            raise DeadlineExceeded("The engine did not answer in time.") from None

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: ClientConnection(self._set_catalog, self._forget),
                    sock=_connect(self._address),
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._connection = connection
            try:
                await self._watch(connection)
                logger.warning("lost the engine; waiting for a new one")
            finally:
                self._forget()
                connection.close()

    async def _watch(self, connection: ClientConnection) -> None:
        """Until the connection is lost: see whether the engine gives signs of life."""
        while not connection.lost.is_set():
            silent_s = time.monotonic() - connection.heard
            responding = silent_s < self._silence_s
            if responding != self._catalog.responding:
                self._catalog = self._catalog.model_copy(
                    update={"responding": responding}
                )
            rest_s = self._silence_s - silent_s if responding else LOOK_S
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.lost.wait(), rest_s)

    def _forget(self) -> None:
        self._connection = None
        self._catalog = Catalog()

    def _set_catalog(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._introduced.set()


def _finish(
    connection: ClientConnection, number: int, future: asyncio.Future[Answer]
) -> None:
    connection.finish(number, cancelled=future.cancelled())


def _connect(address: str) -> socket.socket:
    """A Unix socket that is connected; there is nothing to wait for.

    Raises:
        OSError: Nobody listens there, or somebody else's process.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        connection.connect(address)
        if not is_ours(connection):
            raise PermissionError(f"{address} is another user's")
    except OSError:
        connection.close()
        raise
    return connection


def _count_bytes(rows: Tensors) -> int:
    return sum(
        [
            sum(map(len, array.ravel().tolist()))
            if array.dtype == object
            else array.nbytes
            for array in rows
        ]
    )


def _share_rows(tensors: Tensors) -> bool:
    """Whether all have a first dimension, and the same one."""
    firsts = [each.shape[:1] for each in tensors]
    return any(firsts) and firsts.count(firsts[0]) == len(firsts)
