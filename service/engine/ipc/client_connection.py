"""One connection to an engine: requests out, answers in, deadlines kept."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from service.engine.batching.batcher import Answer
from service.engine.batching.callers import Turn
from service.engine.batching.tensors import Tensors, count_rows, cut_callers
from service.engine.catalog import Catalog
from service.engine.commands import Command, Outcome
from service.engine.ipc.connection import Connection
from service.engine.ipc.frames import (
    AnswerFrame,
    Kind,
    Requested,
    pack_cancel,
    pack_command,
    pack_request,
    unpack_answer,
    unpack_error,
    unpack_result,
)
from service.engine.ipc.text_frames import (
    pack_write,
    unpack_finished,
    unpack_written,
)
from service.engine.texts.request import TextRequest, Written
from service.engine.texts.stream import TextStream
from service.errors import DeadlineExceeded, EngineGone

SWEEP_S = 0.05  # how often deadlines are looked at while somebody waits
HANG_S = 0.025  # beyond its deadline, an answer that the engine should have given

Group = tuple[str, int, str, tuple[Any, ...]]  # name, version, signature, shapes


class PendingCall(NamedTuple):
    """A request on its way to the engine, and who waits for its answer."""

    number: int
    group: Group
    tensors: Tensors
    size: int
    deadline: float
    future: asyncio.Future[Answer]
    request_id: str
    turn: Turn

    def fail(self, error: Exception) -> None:
        """Tell who waits, if somebody still does."""
        if not self.future.done():
            self.future.set_exception(error)


class ClientConnection(Connection):
    """One connection to an engine, until it is lost.

    Attributes:
        pending: Requests without an answer, by number.
        heard: `time.monotonic()` of the last sign of the engine.
        lost: Set when it is gone.
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
        self.pending: dict[int, PendingCall] = {}
        self._commands: dict[int, asyncio.Future[Outcome]] = {}
        self._streams: dict[int, tuple[TextStream, float]] = {}  # and their deadlines
        self.unsent_bytes = 0
        self._unsent: dict[Group, dict[int, PendingCall]] = {}
        self._sweep_planned = False

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self.lost.set()
        self._on_loss()  # before any caller can send more into the void
        for call in self.pending.values():
            call.fail(
                EngineGone("The engine stopped while computing; it is restarting.")
            )
        self.pending.clear()
        for future in list(self._commands.values()):
            _fail(future, EngineGone("The engine stopped meanwhile; it is restarting."))
        self._commands.clear()
        streams, self._streams = self._streams, {}
        for number, (stream, _) in streams.items():
            message = "The engine stopped while writing; it is restarting."
            stream.failed(number, EngineGone(message))

    def write(
        self,
        number: int,
        name: str,
        version: int,
        request: TextRequest,
        deadline: float,
        request_id: str,
        turn: Turn,
    ) -> TextStream:
        """Send what texts are to be written; they come through the stream."""
        stream = TextStream()
        stream.on_cancel = partial(self._cancel_text, number)
        self._streams[number] = stream, deadline
        self._plan_sweep()
        self.send(
            pack_write(number, name, version, request, deadline, request_id, turn)
        )
        return stream

    def command(
        self, number: int, command: Command, deadline: float
    ) -> asyncio.Future[Outcome]:
        """Send a command; its outcome comes through the future."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._commands[number] = future
        future.add_done_callback(lambda _: self._commands.pop(number, None))
        self.send(pack_command(number, deadline, command))
        return future

    def resume_writing(self) -> None:
        """Called by the event loop."""
        super().resume_writing()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.heard = time.monotonic()
        super().data_received(data)

    def ask(self, call: PendingCall) -> None:
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
        """Send what has been gathered, unless the engine has yet to read the last."""
        while self._unsent and not self.congested:
            group = next(iter(self._unsent))
            self._pack(group, list(self._unsent.pop(group).values()))
            super().flush()
        super().flush()

    def _pack(self, group: Group, calls: list[PendingCall]) -> None:
        if not calls:
            return
        self.unsent_bytes -= sum([call.size for call in calls])
        name, version, signature, _ = group
        callers = [
            Requested(
                *(call.number, count_rows(call.tensors), call.deadline),
                *(call.request_id, call.turn),
            )
            for call in calls
        ]
        parts = [call.tensors for call in calls]
        try:
            self._outgoing += pack_request(name, version, signature, callers, parts)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            for call in calls:
                call.fail(error)

    def receive(self, kind: Kind, body: memoryview) -> None:
        """Hand on a catalog, answers or an error; a heartbeat says no more."""
        if kind is Kind.CATALOG:
            self._on_catalog(Catalog.model_validate_json(bytes(body)))
        elif kind is Kind.ANSWER:
            self._receive_answers(unpack_answer(body))
        elif kind is Kind.WRITTEN:
            self._receive_written(body)
        elif kind is Kind.FINISHED:
            number, summary = unpack_finished(body)
            if number in self._streams:
                self._streams.pop(number)[0].finished(number, summary)
        elif kind is Kind.ERROR:
            number, error = unpack_error(body)
            call = self.pending.get(number)
            if call is not None:
                call.fail(error)
            elif number in self._commands:
                _fail(self._commands[number], error)
            elif number in self._streams:
                self._streams.pop(number)[0].failed(number, error)
        elif kind is Kind.RESULT:
            number, outcome = unpack_result(body)
            future = self._commands.get(number)
            if future is not None and not future.done():
                future.set_result(outcome)

    def _receive_answers(self, answer: AnswerFrame) -> None:
        parts = cut_callers(answer.tensors, [each.rows for each in answer.callers])
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

    def _receive_written(self, body: memoryview) -> None:
        written: dict[int, list[Written]] = {}
        for number, each in unpack_written(body):
            written.setdefault(number, []).append(each)
        for number, symbols in written.items():
            if number in self._streams:
                self._streams[number][0].wrote(number, symbols)

    def _cancel_text(self, number: int) -> None:
        if self._streams.pop(number, None) is not None:
            self.send(pack_cancel(number))

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
        for number, (stream, deadline) in list(self._streams.items()):
            if deadline < late:
                self._cancel_text(number)
                error = DeadlineExceeded("The engine did not write in time.")
                stream.failed(number, error)
        if self.pending or self._streams:
            self._plan_sweep()


def _fail(future: asyncio.Future[Outcome], error: Exception) -> None:
    """Tell who waits, if somebody still does."""
    if not future.done():
        future.set_exception(error)
