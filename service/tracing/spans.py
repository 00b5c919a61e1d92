"""What the spans of requests and of batches have in common: parents, and a clock."""

import time

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from service.tracing.traceparent import TraceParent


def remote(parent: TraceParent, tracestate: str = "") -> Context:
    """The context in which spans are children of another process's.

    Args:
        parent: Its span.
        tracestate: What it says beside that, as the header of this name does.
    """
    context = SpanContext(
        parent.trace_id,
        parent.span_id,
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=TraceState.from_header([tracestate]) if tracestate else None,
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


class Clock:
    """From `time.monotonic()`, one clock for all processes, to the time of the day.

    One for all spans that are made together, so that none seems to leave its parent.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def epoch_ns(self, monotonic: float) -> int:
        """Nanoseconds since 1970 of what `time.monotonic()` was at some moment."""
        return self._offset_ns + round(monotonic * 1e9)
