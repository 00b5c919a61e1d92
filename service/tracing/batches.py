"""The span of a batch, linked to every request in it that is traced.

    batch ──── compute          a trace of its own
      │ links
      ▼
    a request ─┬─ queue         from its arrival until the batch began
               └─ compute ──▶   linked to the batch

Made in the engine, which alone knows who shared a batch with whom, and when.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from service.engine.batching.queue import Slice
from service.tracing.spans import Clock, remote
from service.tracing.traceparent import read_traceparent

Facts = dict[str, str | int]


class _Batch(NamedTuple):
    """A batch that is over.

    Attributes:
        parts: Whose rows it had.
        size: Rows with padding.
        began: `time.monotonic()` when it did.
        seconds: That it was computed.
        error: What it failed with.
    """

    parts: Sequence[Slice]
    size: int
    began: float
    seconds: float
    error: Exception | None


class BatchTracer:
    """Makes the spans of the batches of one signature.

    Args:
        tracer: Makes spans.
        model: The model's name.
        version: The model's.
        signature: Its name.
    """

    def __init__(self, tracer: Tracer, model: str, version: int, signature: str):
        self._tracer = tracer
        self._facts: Facts = {
            "servery.model": model,
            "servery.version": version,
            "servery.signature": signature,
        }

    def record(
        self,
        parts: Sequence[Slice],
        size: int,
        began: float,
        seconds: float,
        error: Exception | None = None,
    ) -> None:
        """Send the spans of a batch, if a request in it is traced; see `_Batch`."""
        traced = {
            part: remote(parent)
            for part in parts
            if part.request.traceparent
            and (parent := read_traceparent(part.request.traceparent)) is not None
        }
        if traced:
            batch = _Batch(parts, size, began, seconds, error)
            _Spans(self._tracer, self._facts, batch).send(traced)


class _Spans:
    """Those of one batch."""

    def __init__(self, tracer: Tracer, facts: Facts, batch: _Batch):
        self._tracer, self._facts, self._batch = tracer, facts, batch
        self._clock = Clock()

    def send(self, traced: dict[Slice, Context]) -> None:
        """Send them all; `traced` are the spans of requests."""
        batch = self._batch
        ended = batch.began + batch.seconds
        rows = sum([part.count for part in batch.parts])
        facts: Facts = {
            "servery.batch_rows": rows,
            "servery.padding_rows": batch.size - rows,
            "servery.batch_requests": len(batch.parts),
        }
        links = [_link(parent) for parent in traced.values()]
        error, times = batch.error, (batch.began, ended)
        whole = (batch.began, time.monotonic())
        ours = self._add("batch", Context(), whole, facts, links, error)
        self._add("compute", ours, times, {}, (), error)
        for part, parent in traced.items():
            facts = {"servery.rows": part.count}
            self._add("queue", parent, (part.request.submitted, batch.began), facts)
            self._add("compute", parent, times, facts, [_link(ours)], error)

    def _add(
        self,
        name: str,
        parent: Context,
        times: tuple[float, float],
        facts: Facts,
        links: Sequence[Link] = (),
        error: Exception | None = None,
    ) -> Context:
        """Send a span, from one `time.monotonic()` to another; the context below it."""
        began, ended = map(self._clock.epoch_ns, times)
        span = self._tracer.start_span(
            name, parent, attributes=self._facts | facts, links=links, start_time=began
        )
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)
        return set_span_in_context(span, Context())


def _link(context: Context) -> Link:
    return Link(get_current_span(context).get_span_context())
