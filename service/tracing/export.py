"""Sends spans to a collector, from a thread of its own that nobody waits for.

Endpoint, headers and time limits come from OpenTelemetry's standard variables, which
its SDK reads.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from service.tracing.environment import Variables, read_variables
from service.tracing.requests import RequestTracer

FLUSH_S = 2.0  # that a process waits at its end for the collector
EXPORTER = OTLPSpanExporter.__module__  # the name of its logger
UNNAMED = "unknown_service"  # what the SDK calls who was given no name


class Exporting:
    """The spans of one process, on their way to the collector.

    Args:
        process: Which process this is, said with every span.
        on_lost: Told how many spans are lost, in any thread.

    Attributes:
        tracer: Makes spans. All of them are sent: who makes one has decided so.

    Raises:
        TracingError: A standard variable is not what it may be.
    """

    def __init__(self, process: str, on_lost: Callable[[int], object]):
        variables = read_variables()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=_describe(process),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=SpanLimits.UNSET),  # a batch has many
        )
        collector = _Collector(on_lost)
        self._provider.add_span_processor(_Waiting(collector, variables, on_lost))
        self.tracer = self._provider.get_tracer("servery", version("servery"))
        self._sampling = variables.sampling

    def request_tracer(self) -> RequestTracer:
        """What decides which requests are traced, and makes their spans."""
        return RequestTracer(self.tracer, self._sampling)

    def close(self, timeout_s: float) -> None:
        """Give the collector so long to take what waits, `FLUSH_S` at most."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(min(FLUSH_S, timeout_s))


class _Collector(SpanExporter):
    """The collector: what it does not take is counted, and logged once until it does.

    Attributes:
        taken: Spans that were handed over to be sent.
    """

    def __init__(self, on_lost: Callable[[int], object]):
        self._exporter, self._on_lost = OTLPSpanExporter(), on_lost
        self._once = _Once()
        logging.getLogger(EXPORTER).addFilter(self._once)
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._once.is_said = False
        else:
            self._on_lost(len(spans))
        return result

    def shutdown(self) -> None:
        logging.getLogger(EXPORTER).removeFilter(self._once)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Waiting(BatchSpanProcessor):
    """The spans that wait to be sent; what does not fit is counted as lost.

    One thread ends spans and another one sends them: each has a count of its own.
    """

    def __init__(
        self,
        collector: _Collector,
        variables: Variables,
        on_lost: Callable[[int], object],
    ):
        super().__init__(
            collector,
            max_queue_size=variables.most_waiting,
            max_export_batch_size=variables.most_sent,
        )
        self._collector, self._most = collector, variables.most_waiting
        self._on_lost = on_lost
        self._given = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self._given - self._collector.taken >= self._most:
            self._on_lost(1)
            return
        self._given += 1
        super().on_end(span)


class _Once(logging.Filter):
    """Lets pass the first complaint of the exporter, which has the reason."""

    is_said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if self.is_said or record.levelno < logging.WARNING:
            return False
        self.is_said = True
        return True


def _describe(process: str) -> Resource:
    """Who we are, as far as the standard variables say nothing else."""
    found = Resource.create()
    ours = {SERVICE_VERSION: version("servery"), "servery.process": process}
    missing = {key: ours[key] for key in ours.keys() - found.attributes.keys()}
    if str(found.attributes[SERVICE_NAME]).startswith(UNNAMED):
        missing[SERVICE_NAME] = "servery"
    return found.merge(Resource(missing))
