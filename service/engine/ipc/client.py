"""The engine as HTTP processes see it, at the other end of a Unix socket."""

import asyncio
import logging
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
from service.errors import DeadlineExceeded, EngineGone, InvalidInput

logger = logging.getLogger(__name__)

RECONNECT_S = 0.05
BULKY_BYTES = 1 << 16  # rows of more are not copied to travel with others
HANG_S = 1.0  # beyond its deadline, an answer that the engine should have given


_Group = tuple[str, int, str, tuple[Any, ...]]  # name, version, signature, shapes


class _PendingCall(NamedTuple):
    """A request on its way to the engine, and who waits for its answer."""

    number: int
    tensors: Tensors
    deadline: float
    future: asyncio.Future[Answer]

    def fail(self, error: Exception) -> None:
        """Tell who waits, if somebody still does."""
        if not self.future.done():
            self.future.set_exception(error)


class _ClientConnection(Connection):
    """One connection to an engine, until it is lost."""

    def __init__(
        self, on_catalog: Callable[[Catalog], None], on_loss: Callable[[], None]
    ):
        super().__init__()
        self.lost = asyncio.Event()
        self._on_loss = on_loss
        self._on_catalog = on_catalog
        self.pending: dict[int, _PendingCall] = {}
        self._unsent: dict[_Group, list[_PendingCall]] = {}

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()
        self._on_loss()  # before any caller can send more into the void
        for call in self.pending.values():
            call.fail(
                EngineGone("The engine stopped while computing; it is restarting.")
            )
        self.pending.clear()

    def ask(self, name: str, version: int, signature: str, call: _PendingCall) -> None:
        """Send a request, soon: in one frame with others of the same shapes."""
        shapes: tuple[Any, ...] = (call.number,)  # alone
        if sum([array.nbytes for array in call.tensors]) <= BULKY_BYTES:
            shapes = tuple([(array.dtype, array.shape[1:]) for array in call.tensors])
        self._unsent.setdefault((name, version, signature, shapes), []).append(call)
        self.pending[call.number] = call
        self.gather()
        if len(self.pending) == 1:
            self.flush()

    def flush(self) -> None:
        unsent, self._unsent = self._unsent, {}
        for (name, version, signature, _), calls in unsent.items():
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
        super().flush()

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CATALOG:
            self._on_catalog(Catalog.model_validate_json(bytes(body)))
        elif kind is Kind.ANSWER:
            self._receive_answers(unpack_answer(body))
        else:
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


class EngineClient:
    """The engine as HTTP processes see it: the same `submit`, and its last catalog.

    Args:
        path: The engine's Unix socket. It need not be there yet.
    """

    def __init__(self, path: Path):
        self._path = path
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
        connection = self._connection
        if connection is None:
            future.set_exception(EngineGone("The engine is starting; try again soon."))
            return future
        if len({len(array) for array in rows}) != 1:  # else others' rows would shift
            counts = [len(array) for array in rows]
            message = f"expected as many rows in every input, received {counts}"
            future.set_exception(InvalidInput(message))
            return future
        number = next(self._numbers) & 0xFFFFFFFF
        future.add_done_callback(partial(self._finish, connection, number))
        call = _PendingCall(number, rows, deadline, future)
        connection.ask(name, version or 0, signature, call)
        return future

    def _finish(
        self, connection: _ClientConnection, number: int, future: asyncio.Future[Answer]
    ) -> None:
        connection.pending.pop(number, None)
        if future.cancelled():
            connection.send(pack_cancel(number))

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: _ClientConnection(self._set_catalog, self._forget),
                    str(self._path),
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
        """Until the connection is lost: give up what the engine leaves unanswered."""
        while not connection.lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.lost.wait(), HANG_S)
            late = time.monotonic() - HANG_S
            for call in list(connection.pending.values()):
                if call.deadline < late:
                    call.fail(DeadlineExceeded("The engine did not answer in time."))

    def _forget(self) -> None:
        self._connection = None
        self._catalog = Catalog()

    def _set_catalog(self, catalog: Catalog) -> None:
        self._catalog = catalog
