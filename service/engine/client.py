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

from pydantic_core import from_json

from service.engine import wire
from service.engine.batcher import Answer
from service.engine.catalog import Catalog
from service.engine.link import ANSWER, ANSWERED, ASKED, ID, REQUEST, Link
from service.engine.rows import Rows, count_rows, cut_rows, merge_rows
from service.engine.wire import Kind
from service.errors import (
    DeadlineExceeded,
    EngineGone,
    InvalidInput,
    ServeryError,
    Unavailable,
    by_code,
)

logger = logging.getLogger(__name__)

RECONNECT_S = 0.05
BULKY_BYTES = 1 << 16  # rows of more are not copied to travel with others
HANG_S = 1.0  # beyond its deadline, an answer that the engine should have given


_Group = tuple[str, int, str, tuple[Any, ...]]  # name, version, signature, form of rows


class _Call(NamedTuple):
    """A request on its way to the engine, and who waits for its answer."""

    number: int
    rows: Rows
    deadline: float
    future: asyncio.Future[Answer]

    def fail(self, error: Exception) -> None:
        """Tell who waits, if somebody still does."""
        if not self.future.done():
            self.future.set_exception(error)


class _Connected(Link):
    """The client's side of one connection."""

    def __init__(
        self, on_catalog: Callable[[Catalog], None], on_loss: Callable[[], None]
    ):
        super().__init__()
        self.lost = asyncio.Event()
        self._on_loss = on_loss
        self._on_catalog = on_catalog
        self.pending: dict[int, _Call] = {}
        self._asked: dict[_Group, list[_Call]] = {}

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()
        self._on_loss()  # before any caller can send more into the void
        for call in self.pending.values():
            call.fail(
                EngineGone("The engine stopped while computing; it is restarting.")
            )
        self.pending.clear()

    def ask(self, name: str, version: int, signature: str, call: _Call) -> None:
        """Send a request, soon: with others whose rows can be put together with its."""
        form: tuple[Any, ...] = (call.number,)  # alone
        if sum([array.nbytes for array in call.rows]) <= BULKY_BYTES:
            form = tuple([(array.dtype, array.shape[1:]) for array in call.rows])
        self._asked.setdefault((name, version, signature, form), []).append(call)
        self.pending[call.number] = call
        self.gather()
        if len(self.pending) == 1:
            self.flush()

    def flush(self) -> None:
        asked, self._asked = self._asked, {}
        for (name, version, signature, _), calls in asked.items():
            try:
                self._outgoing += wire.frame(
                    Kind.REQUEST,
                    REQUEST.pack(version, len(calls)),
                    wire.pack_text(name),
                    wire.pack_text(signature),
                    *[
                        ASKED.pack(call.number, count_rows(call.rows), call.deadline)
                        for call in calls
                    ],
                    *wire.pack_rows(merge_rows([call.rows for call in calls])),
                )
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                for call in calls:
                    call.fail(error)
        super().flush()

    def receive(self, kind: Kind, body: memoryview) -> None:
        if kind is Kind.CATALOG:
            self._on_catalog(Catalog.model_validate_json(bytes(body)))
        elif kind is Kind.ANSWER:
            self._receive_answers(body)
        else:
            (number,) = ID.unpack_from(body)
            call = self.pending.get(number)
            if call is not None:
                call.fail(_read_error(body))

    def _receive_answers(self, body: memoryview) -> None:
        version, count, batch_rows = ANSWER.unpack_from(body)
        end = ANSWER.size + count * ANSWERED.size
        answered = list(ANSWERED.iter_unpack(body[ANSWER.size : end]))
        sizes = [size for _, size, _, _ in answered]
        pieces = cut_rows(wire.unpack_rows(body, end), sizes)
        for (number, _, queue_s, compute_s), outputs in zip(
            answered, pieces, strict=True
        ):
            call = self.pending.get(number)
            if call is not None and not call.future.done():
                call.future.set_result(
                    Answer(outputs, queue_s, compute_s, batch_rows, version)
                )


class EngineClient:
    """The engine as HTTP processes see it: the same `submit`, and its last catalog.

    Args:
        path: The door's Unix socket. It need not be there yet.
    """

    def __init__(self, path: Path):
        self._path = path
        self._numbers = count()
        self._link: _Connected | None = None
        self._catalog = Catalog()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def catalog(self) -> Catalog:
        """What the engine last said that it holds; empty while it is gone."""
        return self._catalog

    @property
    def connected(self) -> bool:
        """Whether there is an engine at the other end."""
        return self._link is not None

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
        rows: Rows,
        deadline: float,
    ) -> asyncio.Future[Answer]:
        """Send rows to the engine; see `Engine.submit`.

        Every error arrives through the future, `EngineGone` too.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        link = self._link
        if link is None:
            future.set_exception(EngineGone("The engine is starting; try again soon."))
            return future
        if len({len(array) for array in rows}) != 1:  # else others' rows would shift
            counts = [len(array) for array in rows]
            message = f"expected as many rows in every input, received {counts}"
            future.set_exception(InvalidInput(message))
            return future
        number = next(self._numbers) & 0xFFFFFFFF
        future.add_done_callback(partial(self._finish, link, number))
        call = _Call(number, rows, deadline, future)
        link.ask(name, version or 0, signature, call)
        return future

    def _finish(
        self, link: _Connected, number: int, future: asyncio.Future[Answer]
    ) -> None:
        link.pending.pop(number, None)
        if future.cancelled():
            link.send(Kind.CANCEL, ID.pack(number))

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, link = await loop.create_unix_connection(
                    lambda: _Connected(self._set_catalog, self._forget), str(self._path)
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._link = link
            try:
                await self._watch(link)
                logger.warning("lost the engine; waiting for a new one")
            finally:
                self._forget()
                link.close()

    async def _watch(self, link: _Connected) -> None:
        """Until the link is lost: give up what a hanging engine leaves unanswered."""
        while not link.lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(link.lost.wait(), HANG_S)
            late = time.monotonic() - HANG_S
            for call in list(link.pending.values()):
                if call.deadline < late:
                    call.fail(DeadlineExceeded("The engine did not answer in time."))

    def _forget(self) -> None:
        self._link = None
        self._catalog = Catalog()

    def _set_catalog(self, catalog: Catalog) -> None:
        self._catalog = catalog


def _read_error(body: memoryview) -> ServeryError:
    error = from_json(bytes(body[ID.size :]))
    kind = by_code(error["code"])
    if issubclass(kind, Unavailable):
        return kind(error["message"], retry_after_s=error["retry_after_s"])
    return kind(error["message"])
