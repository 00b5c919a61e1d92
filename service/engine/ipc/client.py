"""The engine as HTTP processes see it, at the other end of a Unix socket."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from service.engine.batching.batcher import Answer
from service.engine.batching.tensors import Tensors, count_rows, cut_rows
from service.engine.catalog import Catalog
from service.engine.ipc.connection import Connection
from service.engine.ipc.frames import (
    AnswerFrame,
    Kind,
    Requested,
    pack_cancel,
    pack_request,
    unpack_answer,
    unpack_error,
)
from service.errors import DeadlineExceeded, EngineGone, InvalidInput, QueueFull
from service.processes.sockets import is_ours, unix_address

logger = logging.getLogger(__name__)

RECONNECT_S = 0.05
BULKY_BYTES = 1 << 16  # rows of more are not copied to travel with others
SWEEP_S = 0.05  # how often deadlines are looked at while somebody waits
WATCH_S = 0.25  # how often signs of the engine's life are looked for
HANG_S = 0.025  # beyond its deadline, an answer that the engine should have given


_Group = tuple[str, int, str, tuple[Any, ...]]  # name, version, signature, shapes


class _PendingCall(NamedTuple):
    """A request on its way to the engine, and who waits for its answer."""

    number: int
    group: _Group
    tensors: Tensors
    size: int
    deadline: float
    future: asyncio.Future[Answer]

    def fail(self, error: Exception) -> None:
        """Tell who waits, if somebody still does."""
        if not self.future.done():
            self.future.set_exception(error)


class _ClientConnection(Connection):
    """One connection to an engine, until it is lost.

    Attributes:
        pending: Requests without an answer, by number.
        unsent_bytes: Of the rows that wait for the engine to read what was sent before.
    """

    def __init__(
        self, on_catalog: Callable[[Catalog], None], on_loss: Callable[[], None]
    ):
        super().__init__()
        self.lost = asyncio.Event()
        self.heard = time.monotonic()
        self._on_loss = on_loss
        self._on_catalog = on_catalog
        self.pending: dict[int, _PendingCall] = {}
        self.unsent_bytes = 0
        self._unsent: dict[_Group, dict[int, _PendingCall]] = {}
        self._sweep_planned = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()
        self._on_loss()  # before any caller can send more into the void
        for call in self.pending.values():
            call.fail(
                EngineGone("The engine stopped while computing; it is restarting.")
            )
        self.pending.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.heard = time.monotonic()
        super().data_received(data)

    def ask(self, call: _PendingCall) -> None:
        """Send a request, soon: in one frame with others of the same shapes."""
        self._unsent.setdefault(call.group, {})[call.number] = call
        self.unsent_bytes += call.size
        self.pending[call.number] = call
        self._plan_sweep()
        self.gather()
        if len(self.pending) == 1:
            self.flush()

    def finish(self, number: int, *, cancelled: bool) -> None:
        """Nobody waits for this one any more, for whatever reason."""
        call = self.pending.pop(number, None)
        if call is None:
            return
        if self._unsent.get(call.group, {}).pop(number, None) is not None:
            self.unsent_bytes -= call.size
        elif cancelled:
            self.send(pack_cancel(number))

    def flush(self) -> None:
        while self._unsent and not self.congested:
            group = next(iter(self._unsent))
            self._pack(group, list(self._unsent.pop(group).values()))
            super().flush()
        super().flush()

    def _pack(self, group: _Group, calls: list[_PendingCall]) -> None:
        if not calls:
            return
        self.unsent_bytes -= sum([call.size for call in calls])
        name, version, signature, _ = group
        callers = [
            Requested(call.number, count_rows(call.tensors), call.deadline)
            for call in calls
        ]
        parts = [call.tensors for call in calls]
        try:
            self._outgoing += pack_request(name, version, signature, callers, parts)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            for call in calls:
                call.fail(error)

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CATALOG:
            self._on_catalog(Catalog.model_validate_json(bytes(body)))
        elif kind is Kind.ANSWER:
            self._receive_answers(unpack_answer(body))
        elif kind is Kind.ERROR:
            number, error = unpack_error(body)
            call = self.pending.get(number)
            if call is not None:
                call.fail(error)

    def _receive_answers(self, answer: AnswerFrame) -> None:
        parts = cut_rows(answer.tensors, [each.rows for each in answer.callers])
        for caller, outputs in zip(answer.callers, parts, strict=True):
            call = self.pending.get(caller.number)
            if call is not None and not call.future.done():
                call.future.set_result(
                    Answer(
                        outputs=outputs,
                        queue_s=caller.queue_s,
                        compute_s=caller.compute_s,
                        batch_rows=answer.batch_rows,
                        version=answer.version,
                    )
                )

    def _plan_sweep(self) -> None:
        if not self._sweep_planned:
            self._sweep_planned = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Give up what the engine leaves unanswered, while there is anything."""
        self._sweep_planned = False
        late = time.monotonic() - HANG_S
        for call in list(self.pending.values()):
            if call.deadline < late:
                call.fail(DeadlineExceeded("The engine did not answer in time."))
        if self.pending:
            self._plan_sweep()


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
        self._connection: _ClientConnection | None = None
        self._catalog = Catalog()
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
        """Connect, and reconnect whenever the engine has been away."""
        self._keeper = asyncio.create_task(self._keep_connected())

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
        if len({len(array) for array in rows}) != 1:  # else others' rows would shift
            counts = [len(array) for array in rows]
            message = f"expected as many rows in every input, received {counts}"
            future.set_exception(InvalidInput(message))
            return future
        if connection.congested and (
            connection.unsent_bytes + size > self._max_backlog_bytes
        ):
            message = "The engine does not keep up with what is sent; try again soon."
            future.set_exception(QueueFull(message))
            return future
        number = next(self._numbers) & 0xFFFFFFFF
        shapes: tuple[Any, ...] = (number,)  # alone
        if size <= BULKY_BYTES:
            shapes = tuple([(array.dtype, array.shape[1:]) for array in rows])
        group = (name, version or 0, signature, shapes)
        future.add_done_callback(partial(_finish, connection, number))
        connection.ask(_PendingCall(number, group, rows, size, deadline, future))
        return future

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: _ClientConnection(self._set_catalog, self._forget),
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

    async def _watch(self, connection: _ClientConnection) -> None:
        """Until the connection is lost: see whether the engine gives signs of life."""
        while not connection.lost.is_set():
            silent_s = time.monotonic() - connection.heard
            responding = silent_s < self._silence_s
            if responding != self._catalog.responding:
                self._catalog = self._catalog.model_copy(
                    update={"responding": responding}
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.lost.wait(), WATCH_S)

    def _forget(self) -> None:
        self._connection = None
        self._catalog = Catalog()

    def _set_catalog(self, catalog: Catalog) -> None:
        self._catalog = catalog


def _finish(
    connection: _ClientConnection, number: int, future: asyncio.Future[Answer]
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
