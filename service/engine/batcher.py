"""Dynamic batching: requests wait in rows, a batch is formed when the model is free.

    submit ─▶ waiting ─▶ form ─▶ pad ─▶ run ─▶ split ─▶ every caller its own rows
       │         │                        │
    QueueFull  DeadlineExceeded       ModelFailed, to this batch alone

There is no waiting time to tune: a lone request runs at once, and what arrives while a
batch runs is the next batch. Pure asyncio: no HTTP, no TensorFlow, no threads.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from service.engine.pace import Pace
from service.engine.rows import Rows, count_rows, merge_rows, slice_rows
from service.engine.waiting import Line, Request, Slice
from service.errors import (
    ModelFailed,
    QueueFull,
    ServeryError,
    ShuttingDown,
)

logger = logging.getLogger(__name__)

Run = Callable[[Rows], Awaitable[Rows]]


class Observer(Protocol):
    """Told of what happens, to count it."""

    def queued(self, waiting_rows: int) -> None:
        """So many rows are waiting now."""

    def ran(self, rows: int, padding: int, seconds: float) -> None:
        """A batch of `rows`, padded by `padding`, took `seconds`."""

    def died(self) -> None:
        """No batch will ever be formed again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One caller's rows, and where its time went.

    Attributes:
        outputs: The signature's outputs, one row for each row sent, in order.
        queue_s: Seconds that it waited, from submission to its last batch.
        compute_s: Seconds that its rows were running.
        batch_rows: Rows in the (last) batch that it shared.
        version: The version of the model that computed it.
    """

    outputs: Rows
    queue_s: float
    compute_s: float
    batch_rows: int
    version: int


class Batcher:
    """Batches for one signature of one version of one model.

    Args:
        run: Computes a batch whose size is one of `sizes`; one call at a time.
        sizes: Allowed batch sizes in rows, rising.
        max_queue_rows: Rows that may wait.
        observer: Told of queue and batches.
        version: Said in every answer.

    Attributes:
        pace: What is known of the model's.
    """

    def __init__(
        self,
        run: Run,
        sizes: Sequence[int],
        max_queue_rows: int,
        observer: Observer,
        *,
        version: int,
    ):
        self._run = run
        self._sizes = tuple(sizes)
        self._max_queue_rows = max_queue_rows
        self._observer = observer
        self._version = version
        self._waiting = Line()
        self.pace = Pace()
        self._running: list[Slice] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = float("inf")
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._worker = asyncio.get_running_loop().create_task(self._work())
        self._worker.add_done_callback(self._on_death)

    @property
    def alive(self) -> bool:
        """Whether batches are still being formed."""
        return not self._worker.done()

    @property
    def waiting_rows(self) -> int:
        """Rows that no batch has taken yet."""
        return self._waiting.rows

    def submit(self, rows: Rows, deadline: float) -> asyncio.Future[Answer]:
        """Queue `rows` until a batch takes them.

        Args:
            rows: At least one row, already validated against the signature.
            deadline: `time.monotonic()` at which the answer is worth nothing.

        Returns:
            A future. Cancelling it takes the rows out of the queue. It fails with
            `DeadlineExceeded`, `ModelFailed` or `ShuttingDown`.

        Raises:
            QueueFull: The rows would not fit into the queue, or those before them will
                take until the deadline.
            ShuttingDown: The batcher takes nothing new.
        """
        if self._closed or not self.alive:
            raise ShuttingDown("This version of the model takes no more requests.")
        count, now = count_rows(rows), time.monotonic()
        self._check_room(count, deadline - now)
        loop = asyncio.get_running_loop()
        request = Request(rows, count, loop.create_future(), now, deadline)
        request.future.add_done_callback(partial(self._forget, request))
        self._waiting.add(request)
        self._arrived.set()
        self._idle.clear()
        if deadline < self._alarm_at:
            self._set_alarm(deadline)
        return request.future

    def _check_room(self, count: int, left_s: float) -> None:
        """Refuse at once what would only wait to be late."""
        wait_s = self.pace.seconds(self._waiting.rows)
        if self._waiting.rows + count > self._max_queue_rows:
            expected = f"at most {self._max_queue_rows} may; received {count} more"
        elif self._waiting.rows and wait_s > left_s:
            expected = (
                f"which takes about {wait_s * 1000:.0f} ms; expected a deadline after "
                f"that, received one in {left_s * 1000:.0f} ms"
            )
        else:
            return
        raise QueueFull(
            f"The queue is full: {self._waiting.rows} rows wait, {expected}.",
            retry_after_s=max(1, math.ceil(wait_s)),
        )

    async def close(self, timeout_s: float) -> None:
        """Take nothing new, finish what waits within `timeout_s`, fail the rest."""
        self._closed = True
        if self.alive:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()
            except TimeoutError:
                logger.warning("closed with %d rows waiting", self._waiting.rows)
            self._worker.cancel()
            await asyncio.wait([self._worker])
        self._fail_waiting(ShuttingDown("The service is shutting down."))
        if self._alarm is not None:
            self._alarm.cancel()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._running = self._waiting.take(self._sizes[-1])
            self._observer.queued(self._waiting.rows)
            if self._running:
                await self._execute(self._running)
                self._running = []
            if not self._waiting:
                self._arrived.clear()
                self._idle.set()

    async def _execute(self, batch: list[Slice]) -> None:
        parts = [slice_rows(part.request.rows, part.start, part.stop) for part in batch]
        rows = sum(part.stop - part.start for part in batch)
        size = next(size for size in self._sizes if size >= rows)
        began = time.monotonic()
        try:
            outputs = await self._run(merge_rows(parts, size))
            _check_rows(outputs, size)
        except asyncio.CancelledError:
            _fail(batch, ShuttingDown("The service is shutting down."))
            raise
        except Exception:
            logger.exception("a batch of %d rows failed", rows)
            _fail(batch, ModelFailed("The model failed while computing this batch."))
            return
        seconds = time.monotonic() - began
        if rows == self._sizes[-1]:
            self.pace.learn(rows, seconds)
        self._observer.ran(rows, size - rows, seconds)
        self._deliver(batch, outputs, began, seconds)

    def _deliver(
        self, batch: list[Slice], outputs: Rows, began: float, seconds: float
    ) -> None:
        rows = sum(part.stop - part.start for part in batch)
        offset = 0
        for part in batch:
            request, length = part.request, part.stop - part.start
            request.parts.append(slice_rows(outputs, offset, offset + length))
            offset += length
            queue_s = began - request.submitted - request.compute_s
            request.compute_s += seconds
            if part.stop == request.count and not request.future.done():
                request.future.set_result(
                    Answer(
                        outputs=merge_rows(request.parts),
                        queue_s=queue_s,
                        compute_s=request.compute_s,
                        batch_rows=rows,
                        version=self._version,
                    )
                )

    def _forget(self, request: Request, _: asyncio.Future[Answer]) -> None:
        if self._waiting.forget(request):
            self._observer.queued(self._waiting.rows)

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
        under_way = [*self._waiting, *(part.request for part in self._running)]
        for request in under_way:
            if request.deadline <= now:
                request.expire()
        pending = [each.deadline for each in under_way if not each.future.done()]
        if pending:
            self._set_alarm(min(pending))

    def _on_death(self, worker: asyncio.Task[None]) -> None:
        if not worker.cancelled() and worker.exception() is not None:
            logger.critical("the batcher died", exc_info=worker.exception())
            error = ModelFailed("The batcher of this model has died.")
            _fail(self._running, error)
            self._fail_waiting(error)
            self._observer.died()

    def _fail_waiting(self, error: ServeryError) -> None:
        for request in self._waiting:
            request.fail(error)


def _check_rows(outputs: Rows, size: int) -> None:
    for output in outputs:
        if len(output) != size:
            raise ValueError(f"the model returned {len(output)} rows for {size}")


def _fail(batch: list[Slice], error: ServeryError) -> None:
    for part in batch:
        part.request.fail(error)
