"""The spans of a request: one from its first byte to its last, and those below it.

    POST /v1/predict/{name} ─┬─ decode
                             ├─ queue    ┐ made by the engine: see
                             ├─ compute  ┘ `service.tracing.batches`
                             └─ encode

Whether it is sampled is decided when it comes, and costs next to nothing if not; all
spans are made when it is over.
"""

import random
import time
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import (
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from service.tracing.environment import Sampling
from service.tracing.spans import Clock, remote
from service.tracing.traceparent import TraceParent, read_traceparent

if TYPE_CHECKING:
    from service.web.http.record import RequestRecord

OUR_FAULT = 500  # statuses from here on
LOW_BITS = 1 << 64  # by which a share of all trace ids is told: the standard's


class RequestTracer:
    """Begins the traces of requests.

    Args:
        tracer: Makes spans.
        sampling: Of which requests.
    """

    def __init__(self, tracer: Tracer, sampling: Sampling):
        self._tracer, self._sampling = tracer, sampling

    def start(self, record: "RequestRecord") -> "RequestTrace | None":
        """The trace of a request, if it is to be traced.

        What only reads is, if its caller sends a context: not health and metrics.
        """
        header = record.headers.get(b"traceparent")
        parent = None if header is None else read_traceparent(str(header, "latin-1"))
        if parent is None and record.method != "POST":
            return None
        if not self._is_sampled(parent):
            return None
        context = Context()
        if parent is not None:
            state = record.headers.get(b"tracestate", b"")
            context = remote(parent, str(state, "latin-1"))
        return RequestTrace(self._tracer, context, record)

    def _is_sampled(self, parent: TraceParent | None) -> bool:
        rate, heeds_caller = self._sampling
        if parent is None:
            return random.random() < rate  # noqa: S311 - nobody gains by guessing
        if heeds_caller:
            return parent.is_sampled
        return parent.trace_id % LOW_BITS < round(rate * LOW_BITS)


class RequestTrace:
    """The trace of one request.

    Attributes:
        trace_id: 32 hexadecimal digits.
        traceparent: What whoever works for the request is told.
    """

    __slots__ = (
        "_answered", "_clock", "_context", "_decoded", "_span", "_tracer", "trace_id",
        "traceparent",
    )  # fmt: skip

    def __init__(self, tracer: Tracer, parent: Context, record: "RequestRecord"):
        self._tracer, self._clock = tracer, Clock()
        self._span = tracer.start_span(
            record.method or "HTTP",
            parent,
            SpanKind.SERVER,
            start_time=self._clock.epoch_ns(record.started),
        )
        self._context = set_span_in_context(self._span, Context())
        self._decoded: list[tuple[float, float]] = []
        self._answered: float | None = None
        context = self._span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        ours = TraceParent(context.trace_id, context.span_id, context.trace_flags)
        self.traceparent = str(ours)

    def decoded(self, seconds: float) -> None:
        """So long, up to now, something was decoded."""
        now = time.monotonic()
        self._decoded.append((now - seconds, now))

    def answered(self) -> None:
        """The engine has answered; what remains is to encode that."""
        self._answered = time.monotonic()

    def end(self, record: "RequestRecord") -> None:
        """The request is over: send its spans."""
        ended = record.started + record.seconds
        for times in self._decoded:
            self._add("decode", *times)
        if self._answered is not None:
            self._add("encode", self._answered, ended)
        span = self._span
        span.update_name(_name(record))
        span.set_attributes(
            {key: value for key, value in _facts(record).items() if value is not None}
        )
        if record.status >= OUR_FAULT:
            span.set_status(Status(StatusCode.ERROR, record.code))
        span.end(self._clock.epoch_ns(ended))

    def _add(self, name: str, began: float, ended: float) -> None:
        span = self._tracer.start_span(
            name, self._context, start_time=self._clock.epoch_ns(began)
        )
        span.end(self._clock.epoch_ns(ended))


def _name(record: "RequestRecord") -> str:
    if record.is_rpc:
        return record.path.removeprefix("/")
    return f"{record.method} {record.route}"


def _facts(record: "RequestRecord") -> dict[str, str | int | None]:
    """By the names of OpenTelemetry's conventions, where it has one."""
    facts: dict[str, str | int | None] = {
        "error.type": record.code,
        "servery.request_id": record.request_id,
        "servery.model": record.model or None,
        "servery.version": record.version,
        "servery.rows": record.rows,
        "servery.batch_rows": record.batch_rows,
    }
    if record.is_rpc:
        return facts | {
            "rpc.system.name": "grpc",
            "rpc.method": record.path.removeprefix("/"),
        }
    return facts | {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.status,
        "url.path": record.path,
    }
