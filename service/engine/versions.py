"""A version in memory: its batchers, and the threads in which it computes."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from service.contract.contract import Contract
from service.contract.task import TextGeneration
from service.contract.version import Version
from service.engine.activity import Marker
from service.engine.batching.batcher import Answer, Batcher
from service.engine.batching.callers import Turn
from service.engine.batching.queue import QueuedRequest
from service.engine.batching.tensors import TensorChecker, Tensors, count_rows
from service.engine.compute.runtime import Model
from service.engine.compute.threads import NICENESS, ComputeThreads
from service.engine.texts.counting import TextCounts
from service.engine.texts.text import Writing
from service.engine.texts.writer import TextWriter
from service.errors import InvalidInput, ServeryError, ShuttingDown
from service.metrics import BatchMetrics, Metrics
from service.processes.cores import available_cores
from service.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from service.tracing.batches import BatchTracer

CONCURRENT_BATCHES = min(
    2, available_cores()
)  # batches of a signature that run at once
QUICK_S = 0.001  # a batch that takes less waits longer for another thread to wake
SHARED_S = 0.0003  # and one that takes less than this is not worth two


class LoadedVersion:
    """A version that takes requests.

    Its batches run in threads of its own, so the operating system shares the cores
    between models and a heavy one cannot hold up a light one. Only those that are known
    to be quick run in the event loop, and only where they wait for no other process.

    Args:
        model: What computes.
        version: What is known of it.
        settings: See there.
        metrics: Where batches are counted.
        on_death: Called when a batcher has died.
        marker: Told when batches begin and end.
        niceness: Of its threads.
        tracer: Makes spans, where requests are traced.

    Attributes:
        version: What is known of it.
        batchers: By signature.
    """

    def __init__(
        self,
        model: Model,
        version: Version,
        settings: Settings,
        metrics: Metrics,
        on_death: Callable[[], None],
        marker: Marker,
        *,
        niceness: int = NICENESS["normal"],
        tracer: "Tracer | None" = None,
    ):
        self.version = version
        contract = self._contract = version.contract
        self._name, self._model, self._marker = contract.name, model, marker
        self._quick_s = QUICK_S if model.in_process else 0.0
        self._most_rows = settings.max_request_rows
        self._workers = ComputeThreads(
            CONCURRENT_BATCHES, f"{contract.name}-{contract.version}", niceness
        )
        self._took: dict[tuple[str, int], float] = {}  # seconds, by signature and size
        self._checkers = {
            name: TensorChecker(each, has_rows=contract.batches(name))
            for name, each in contract.signatures.items()
        }
        self._metrics = {
            signature: BatchMetrics(
                metrics,
                contract.name,
                on_death,
                contract.version,
                batches=contract.batches(signature),
            )
            for signature in contract.signatures
        }
        self.batchers = {
            signature: Batcher(
                partial(self._run, signature),
                _batch_sizes(model, signature, settings),
                settings.max_queue_rows,
                self._metrics[signature],
                version=contract.version,
                concurrent_batches=self._concurrency(signature),
                is_quick=partial(self._is_alone, signature),
                tracer=_batch_tracer(tracer, contract, signature),
            )
            for signature in contract.signatures
        }

        self._writer: TextWriter | None = None
        if isinstance(contract.task, TextGeneration):
            counts = TextCounts(metrics, contract.name)
            self._writer = TextWriter(contract, self.batchers, settings, counts)

    @property
    def alive(self) -> bool:
        """Whether batches are formed for every signature, and can be computed."""
        batchers = self.batchers.values()
        return self._model.alive and all(each.alive for each in batchers)

    def submit(
        self,
        signature: str,
        rows: Tensors,
        deadline: float,
        request_id: str,
        turn: Turn,
    ) -> asyncio.Future[Answer]:
        """Check tensors and queue them; see `Engine.submit`."""
        self._checker(signature).check(rows, self._most_rows)
        whole = not self._contract.batches(signature)
        batcher = self._batcher(signature)
        return batcher.submit(rows, deadline, request_id, turn, whole=whole)

    def queue(self, signature: str, requests: Sequence[QueuedRequest]) -> None:
        """Check the rows of many and queue them; see `Engine.queue`."""
        checker = self._checker(signature)
        fit = []
        for request in requests:
            try:
                checker.check(request.rows, self._most_rows)
            except InvalidInput as error:
                request.fail(error)
            else:
                if not self._contract.batches(signature):
                    request.keep_whole()
                fit.append(request)
        self._batcher(signature).queue(fit)

    def write(self, writing: Writing) -> None:
        """Write texts; see `Engine.write`."""
        if self._writer is not None:
            self._writer.write(writing)
            return
        error: ServeryError = ShuttingDown("This version of the model has retired.")
        if not isinstance(self._contract.task, TextGeneration):
            error = InvalidInput(f"{self._name} writes no texts.")
        writing.is_over = True
        writing.listener.failed(writing.number, error)

    async def close(self, timeout_s: float) -> None:
        """Take nothing new, finish what is queued within the limit, fail the rest."""
        if self._writer is not None:
            began = time.monotonic()
            await self._writer.close(timeout_s)
            timeout_s = max(0.0, timeout_s - (time.monotonic() - began))
            self._writer = None  # a circle, too
        batchers = self.batchers.values()
        await asyncio.gather(*(each.close(timeout_s) for each in batchers))
        self.batchers.clear()  # they know us: a circle, that would keep the model
        for each in self._metrics.values():
            each.flush()
        self._workers.close()

    def _concurrency(self, signature: str) -> int:
        """Batches at once: what keeps state is asked one request at a time."""
        return 1 if signature in self._contract.stateful else CONCURRENT_BATCHES

    def _checker(self, signature: str) -> TensorChecker:
        try:
            return self._checkers[signature]
        except KeyError:
            known = ", ".join(self._checkers)
            raise InvalidInput(
                f"{self._name} has no signature {signature!r}; there are: {known}."
            ) from None

    def _batcher(self, signature: str) -> Batcher:
        try:
            return self.batchers[signature]
        except KeyError:
            raise ShuttingDown("This version of the model has retired.") from None

    def _is_alone(self, signature: str, rows: int) -> bool:
        """Whether so many rows are computed as one batch, where two could be.

        They are where they are quick; or where a half would be computed in the event
        loop, as halves that cannot be computed at the same time.
        """
        half = -(-rows // CONCURRENT_BATCHES)
        return self._takes_less(SHARED_S, signature, rows) or (
            rows > 1
            and self._quick_s > 0
            and self._took_of(signature, half) < self._quick_s
        )

    def _took_of(self, signature: str, rows: int) -> float:
        """Seconds of the smallest batch with room for so many; infinite: unknown."""
        known = [
            (size, took)
            for (name, size), took in self._took.items()
            if name == signature and size >= rows
        ]
        return min(known)[1] if known else math.inf

    def _takes_less(self, seconds: float, signature: str, rows: int) -> bool:
        """Whether so many rows are known to take less than so many seconds."""
        return self._took.get((signature, rows), seconds) < seconds

    async def _run(self, signature: str, rows: Tensors) -> Tensors:
        if self._marker.alone is None:
            return await self._compute(signature, rows)
        async with self._marker.alone:
            return await self._compute(signature, rows)

    async def _compute(self, signature: str, rows: Tensors) -> Tensors:
        count, work = count_rows(rows), partial(self._model.run, signature, rows)
        self._marker.begin_batch()
        began = time.perf_counter()
        is_quick = self._takes_less(self._quick_s, signature, count)
        try:
            outputs = work() if is_quick else await self._workers.run(work)
        finally:
            self._marker.end_batch()
        self._took[signature, count] = time.perf_counter() - began
        if is_quick:
            await asyncio.sleep(0)  # who asks again at once, as texts do, is not alone
        return outputs


def _batch_tracer(
    tracer: "Tracer | None", contract: Contract, signature: str
) -> "BatchTracer | None":
    """What makes spans of batches, which is imported only where they are made."""
    if tracer is None:
        return None
    from service.tracing.batches import BatchTracer

    return BatchTracer(tracer, contract.name, contract.version, signature)


def _batch_sizes(model: Model, signature: str, settings: Settings) -> tuple[int, ...]:
    sizes = model.contract.sizes(signature)
    if signature in model.divided:
        sizes = tuple(range(1, sizes[-1] + 1))
    most = settings.max_batch_rows or max(sizes)
    return tuple(size for size in sizes if size <= most) or sizes[:1]
