"""Dynamic batching: requests wait in rows, a batch is formed when a worker is free.

    submit ─▶ waiting ─▶ form ─▶ pad ─▶ run ─▶ split ─▶ every caller its own rows
       │         │                        │
    QueueFull  DeadlineExceeded       ModelFailed or InvalidInput, to whose rows did it

There is no waiting time to tune: a lone request runs at once, and what arrives while
all workers are busy is the next batch. Callers share batches, and where the queue is
full, who has most of it makes room. Pure asyncio: no HTTP, no TensorFlow, no threads.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.queue import QueuedRequest, Recipient, RowQueue, Slice
from service.engine.batching.tensors import Tensors, cut_rows, merge_rows
from service.engine.batching.throughput import Throughput
from service.engine.ended import ProcessDied
from service.errors import (
    InvalidInput,
    ModelFailed,
    ModelNotReady,
    QueueFull,
    ServeryError,
    ShuttingDown,
)

if TYPE_CHECKING:
    from service.tracing.batches import BatchTracer

logger = logging.getLogger(__name__)

Run = Callable[[Tensors], Awaitable[Tensors]]


class Observer(Protocol):
    """Told of what happens, to count it."""

    def queued(self, waiting_rows: int) -> None:
        """So many rows are waiting now."""

    def ran(self, rows: int, padding: int, seconds: float) -> None:
        """A batch of `rows`, padded by `padding`, took `seconds`."""

    def died(self) -> None:
        """No batch will ever be formed again."""


@dataclass(slots=True)
class Answer:
    """One caller's rows, and where its time went.

    Attributes:
        outputs: The signature's outputs, one row for each row sent, in order.
        queue_s: Seconds that it waited, while none of its rows was running.
        compute_s: Seconds that any of its rows was.
        batch_rows: Rows in the (last) batch that it shared.
        version: The version of the model that computed it.
    """

    outputs: Tensors
    queue_s: float
    compute_s: float
    batch_rows: int
    version: int


class Batcher:
    """Batches for one signature of one version of one model.

    Args:
        run: Computes a batch whose size is one of `sizes`.
        sizes: Allowed batch sizes in rows, rising.
        max_queue_rows: Rows that may wait.
        observer: Told of queue and batches.
        version: Said in every answer.
        concurrent_batches: That may run at the same time. While the answers of one
            are handed out the next one runs; idle workers share the rows that wait.
        is_quick: Whether a batch of so many rows is too quick to be worth sharing.
        tracer: Makes spans of batches, where requests are traced.

    Attributes:
        throughput: What is known of the model's.
    """

    def __init__(
        self,
        run: Run,
        sizes: Sequence[int],
        max_queue_rows: int,
        observer: Observer,
        *,
        version: int,
        concurrent_batches: int = 1,
        is_quick: Callable[[int], bool] = lambda _: False,
        tracer: "BatchTracer | None" = None,
    ):
        self._run = run
        self._sizes = tuple(sizes)
        self._max_queue_rows = max_queue_rows
        self._observer = observer
        self._version = version
        self._is_quick, self._tracer = is_quick, tracer
        self._waiting = RowQueue()
        self.throughput = Throughput(self._sizes[-1])
        self._running: dict[int, list[Slice]] = {}  # by worker
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = float("inf")
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        loop = asyncio.get_running_loop()
        self._workers = [
            loop.create_task(self._work(worker)) for worker in range(concurrent_batches)
        ]
        for worker, task in enumerate(self._workers):
            task.add_done_callback(partial(self._on_death, worker))

    @property
    def alive(self) -> bool:
        """Whether no worker has died."""
        return not any(worker.done() for worker in self._workers)

    @property
    def waiting_rows(self) -> int:
        """Rows that no batch has taken yet."""
        return self._waiting.rows

    def submit(
        self,
        rows: Tensors,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
        *,
        whole: bool = False,
    ) -> asyncio.Future[Answer]:
        """Queue `rows` until a batch takes them.

        Args:
            rows: At least one row, already validated against the signature.
            deadline: `time.monotonic()` at which the answer is worth nothing.
            request_id: What logs call it.
            turn: For whom it is.
            whole: Whether it shares no batch, and is neither cut nor padded.

        Returns:
            A future. Cancelling it takes the rows out of the queue. It fails with
            `DeadlineExceeded`, `ModelFailed` or `ShuttingDown`.

        Raises:
            QueueFull: The rows would not fit into the queue, and nobody has more of it,
                or those before them will take until the deadline.
            ShuttingDown: The batcher takes nothing new.
        """
        recipient = _Waiter()
        request = QueuedRequest(rows, deadline, recipient, 0, request_id, turn)
        if whole:
            request.keep_whole()
        self._admit(request)
        self._wake()
        recipient.future.add_done_callback(lambda _: request.cancel())
        return recipient.future

    def queue(self, requests: Iterable[QueuedRequest]) -> None:
        """Queue many; who asked is told of those that are refused, and why.

        Nobody waits any more for one that is settled: it would never be taken out.
        """
        for request in requests:
            if request.settled:
                continue
            try:
                self._admit(request)
            except ServeryError as error:
                request.fail(error)
        self._wake()

    def forget(self, request: QueuedRequest) -> None:
        """Let a request wait no longer, if it does."""
        if self._waiting.forget(request):
            self._observer.queued(self._waiting.rows)

    async def close(self, timeout_s: float) -> None:
        """Take nothing new, finish what waits within `timeout_s`, fail the rest."""
        self._closed = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("closed with %d rows waiting", self._waiting.rows)
        for worker in self._workers:
            worker.cancel()
        await asyncio.wait(self._workers)
        self._idle.set()  # who closes again waits for nothing
        error = ShuttingDown("The service is shutting down.")
        for batch in self._running.values():
            _fail(batch, error)
        self._fail_waiting(error)
        if self._alarm is not None:
            self._alarm.cancel()

    def _admit(self, request: QueuedRequest) -> None:
        if self._closed:
            raise ShuttingDown("This version of the model takes no more requests.")
        self._check_capacity(request)
        request.holder = self
        self._waiting.add(request)
        if request.deadline < self._alarm_at:
            self._set_alarm(request.deadline)

    def _wake(self) -> None:
        """Let idle workers look at what waits."""
        if self._waiting:
            self._arrived.set()
            self._idle.clear()

    def _check_capacity(self, request: QueuedRequest) -> None:
        """Refuse at once what would only wait to be late."""
        count, left_s = request.count, request.deadline - request.submitted
        waiting = self._waiting.rows
        wait_s = self.throughput.seconds(waiting)
        if 0 < left_s < wait_s:  # in turns perhaps sooner
            waiting = self._waiting.rows_before(request.turn, count)
            wait_s = self.throughput.seconds(waiting)
        too_many = self._waiting.rows + count - self._max_queue_rows
        if 0 < left_s < wait_s:
            expected = (
                f"which takes about {wait_s * 1000:.0f} ms; expected a deadline after "
                f"that, received one in {left_s * 1000:.0f} ms"
            )
        elif too_many > 0 and not self._make_room(too_many, request):
            expected = f"at most {self._max_queue_rows} may; received {count} more"
        else:
            return
        raise QueueFull(
            f"The queue is full: {waiting} rows wait, {expected}.",
            retry_after_s=max(1, math.ceil(wait_s)),
        )

    def _make_room(self, rows: int, request: QueuedRequest) -> bool:
        """Refuse what whoever has most of a full queue has sent last, if need be."""
        surplus = self._waiting.find_surplus(rows, request.turn, request.count)
        for each in surplus:
            wait_s = self.throughput.seconds(self._waiting.rows)
            each.fail(
                QueueFull(
                    f"The queue is full: {self._waiting.rows} rows wait, others have "
                    f"less there than you; expected at most {self._max_queue_rows}.",
                    retry_after_s=max(1, math.ceil(wait_s)),
                )
            )
        return bool(surplus)

    async def _work(self, worker: int) -> None:
        while True:
            await self._arrived.wait()
            self._running[worker] = self._waiting.take(self._share())
            self._observer.queued(self._waiting.rows)
            if self._waiting:
                await asyncio.sleep(0)  # idle workers take theirs before we compute
            if self._running[worker]:
                await self._execute(self._running[worker])
            del self._running[worker]
            self._look_around()

    def _share(self) -> int:
        """How many rows a worker may take, so that no other one stays idle."""
        ready = self._waiting.ready_rows
        rows = min(ready, self._sizes[-1])
        if self._is_quick(self._padded(rows)):
            return rows
        idle = len(self._workers) - len(self._running)
        return min(rows, -(-ready // idle))

    def _padded(self, rows: int) -> int:
        return next(size for size in self._sizes if size >= rows)

    def _look_around(self) -> None:
        """See whether there is anything left to do."""
        if not self._waiting:
            self._arrived.clear()
            if not self._running:
                self._idle.set()

    async def _execute(self, batch: list[Slice]) -> None:
        """Compute a batch; if that fails, its halves, so that it fails the guilty."""
        try:
            await self._compute(batch)
        except _RunError as error:
            waiting = [part for part in batch if not part.request.settled]
            if isinstance(error.__cause__, ProcessDied):
                _log_failure(batch, error.__cause__)
                _fail(batch, _died(error.__cause__))
            elif len(batch) > 1:
                half = -(-len(waiting) // 2)
                for some in filter(None, (waiting[:half], waiting[half:])):
                    await self._execute(some)
            elif isinstance(error.__cause__, InvalidInput):  # only the model could tell
                _fail(batch, error.__cause__)
            else:
                _log_failure(batch, error.__cause__)
                message = "The model failed while computing these rows."
                _fail(batch, ModelFailed(message))

    async def _compute(self, batch: list[Slice]) -> None:
        parts = [part.rows for part in batch]
        rows = sum([part.count for part in batch])
        whole = batch[0].request.whole
        size = rows if whole else self._padded(rows)
        began = time.monotonic()
        try:
            if whole:
                outputs = await self._run(parts[0])
            else:
                outputs = await self._run(merge_rows(parts, size))
                _check_rows(outputs, size)
        except Exception as error:
            if self._tracer is not None:
                seconds = time.monotonic() - began
                self._tracer.record(batch, size, began, seconds, error)
            raise _RunError from error
        seconds = time.monotonic() - began
        running = rows
        if rows == self._sizes[-1]:  # then those beside it share the cores with it
            batches = self._running.values()
            running = sum([part.count for each in batches for part in each])
        self.throughput.learn(running, seconds)
        self._observer.ran(rows, size - rows, seconds)
        self._deliver(batch, outputs, began, seconds)
        if self._tracer is not None:
            self._tracer.record(batch, size, began, seconds)

    def _deliver(
        self, batch: list[Slice], outputs: Tensors, began: float, seconds: float
    ) -> None:
        answered: dict[Recipient, list[QueuedRequest]] = {}
        counts = [part.count for part in batch]
        pieces: Iterable[Tensors] = [outputs]
        if not batch[0].request.whole:
            pieces = cut_rows(outputs, counts)
        for part, piece in zip(batch, pieces, strict=True):
            request = part.request
            if request.computed(part, piece, began, seconds):
                answered.setdefault(request.recipient, []).append(request)
        for recipient, requests in answered.items():
            try:
                recipient.answer(requests, self._version, sum(counts))
            except Exception:
                logger.exception("%d answers cannot be given", len(requests))
                error = ModelFailed("The model's answer cannot be handed on.")
                for request in requests:
                    recipient.fail(request, error)

    def _set_alarm(self, deadline: float) -> None:
        """Ring at the nearest deadline: one timer, not one a request."""
        if self._alarm is not None:
            self._alarm.cancel()
        delay = max(0.0, deadline - time.monotonic())
        self._alarm = asyncio.get_running_loop().call_later(delay, self._ring)
        self._alarm_at = deadline

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, float("inf")
        now = time.monotonic()
        running = [part.request for batch in self._running.values() for part in batch]
        under_way = [*self._waiting, *running]
        for request in under_way:
            if request.deadline <= now:
                request.expire()
        pending = [each.deadline for each in under_way if not each.settled]
        if pending:
            self._set_alarm(min(pending))

    def _on_death(self, worker: int, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.critical("the batcher died", exc_info=task.exception())
            self._closed = True
            error = ModelFailed("The batcher of this model has died.")
            _fail(self._running.pop(worker, []), error)
            self._fail_waiting(error)
            self._look_around()
            self._observer.died()

    def _fail_waiting(self, error: ServeryError) -> None:
        for request in self._waiting:
            request.fail(error)


class _Waiter:
    """Somebody in this process, who waits for one answer."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Answer] = loop.create_future()

    def answer(
        self, requests: Sequence[QueuedRequest], version: int, batch_rows: int
    ) -> None:
        (request,) = requests
        if not self.future.done():
            self.future.set_result(
                Answer(
                    outputs=request.outputs,
                    queue_s=request.queue_s,
                    compute_s=request.compute_s,
                    batch_rows=batch_rows,
                    version=version,
                )
            )

    def fail(self, request: QueuedRequest, error: ServeryError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _RunError(Exception):
    """The model failed."""


def _check_rows(outputs: Tensors, size: int) -> None:
    for output in outputs:
        if len(output) != size:
            raise ValueError(f"the model returned {len(output)} rows for {size}")


def _log_failure(batch: list[Slice], cause: BaseException | None) -> None:
    """Say whose rows they were: their lines in the access log say the rest of them."""
    ids = [part.request.request_id for part in batch]
    rows = sum([part.count for part in batch])
    facts: dict[str, Any] = {"request_ids": ids, "rows": rows}
    spans = [part.request.traceparent for part in batch]
    traces = [span.split("-")[1] for span in spans if span]
    if traces:
        facts["trace_ids"] = traces
    logger.error("a batch failed", exc_info=cause, extra={"facts": facts})


def _died(cause: ProcessDied) -> ServeryError:
    if cause.began:
        return ModelFailed("The model's process died while it computed these rows.")
    return ModelNotReady("The model's process has died; a new one is on its way.")


def _fail(batch: list[Slice], error: ServeryError) -> None:
    for part in batch:
        part.request.fail(error)
