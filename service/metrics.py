"""Every metric: name, labels, buckets, help. All names begin with `servery_`.

Where there are several processes, each counts in memory that all can read, and the HTTP
process that is scraped adds up (`service.processes.samples`). Labels come from fixed
sets: route templates, status codes, names of API keys, models and labels of loaded
manifests.
"""

import asyncio
import os
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, values
from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import (
    generate_latest as generate_openmetrics,
)
from prometheus_client.samples import Exemplar

from service.processes.samples import (
    EMPTY,
    BlockCollector,
    SampleBlock,
    SampleKey,
    value_class,
)
from service.processes.usage import ProcessCollector

FLUSH_S = 0.05  # what has happened in so long is counted at once: each write costs

SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
    0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
ROWS = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64, 128, 256)


class Histogram(PrometheusHistogram):
    """Prometheus's own, which can also take many observations for the price of one."""

    def observe_all(self, amounts: Iterable[float]) -> None:
        """Observe each of `amounts`."""
        amounts = list(amounts)
        places = Tally(bisect_left(self._upper_bounds, amount) for amount in amounts)
        for place, number in places.items():
            self._buckets[place].inc(number)
        self._sum.inc(sum(amounts))

    def exemplify(self, amount: float, trace_id: str) -> None:
        """Have the bucket that counts `amount` name a trace of such a request."""
        place = bisect_left(self._upper_bounds, amount)
        exemplar = Exemplar({"trace_id": trace_id}, amount, time.time())
        self._buckets[place].set_exemplar(exemplar)


class Metrics:
    """The metrics of one process.

    Attributes:
        stages: The histograms of a request's stages, by the stage's name.

    Args:
        registry: A fresh one.
        blocks: The memory in which several processes count, which are then added up.
        exemplars: See `BlockCollector`.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        blocks: Iterable[int] = (),
        exemplars: Mapping[SampleKey, Exemplar] = EMPTY,
    ):
        self._registry = registry
        self._blocks, self._exemplars = tuple(blocks), exemplars
        self.request_seconds = Histogram(
            "servery_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["route", "status", "model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.decode_seconds = Histogram(
            "servery_decode_seconds",
            "Seconds to parse and prepare the rows of a request.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "servery_queue_seconds",
            "Seconds that a request waited for a batch.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.compute_seconds = Histogram(
            "servery_compute_seconds",
            "Seconds that the batches of a request were running.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.stages = {
            "decode": self.decode_seconds,
            "queue": self.queue_seconds,
            "compute": self.compute_seconds,
        }
        self.version_requests = Counter(
            "servery_version_requests_total",
            "Requests that a version was asked, by whether it answered: ok or failed.",
            ["model", "version", "outcome"],
            registry=registry,
        )
        self.version_seconds = Counter(
            "servery_version_seconds_total",
            "Seconds of requests that a version answered (ok, and by stage) or failed.",
            ["model", "version", "stage"],
            registry=registry,
        )
        self.version_answered = Gauge(
            "servery_version_answered_timestamp_seconds",
            "When a version has last answered, in Unix time.",
            ["model", "version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.version_rows = Counter(
            "servery_version_rows_total",
            "Rows that a version has computed, without padding.",
            ["model", "version"],
            registry=registry,
        )
        self.version_batches = Counter(
            "servery_version_batches_total",
            "Batches that a version has computed, by their rows with padding; 1 for a "
            "request that is not batched.",
            ["model", "version", "rows"],
            registry=registry,
        )
        self.version_batch_seconds = Counter(
            "servery_version_batch_seconds_total",
            "Seconds that they ran.",
            ["model", "version", "rows"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "servery_requests_in_flight",
            "Requests to models under way.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.in_flight_limit = Gauge(
            "servery_requests_in_flight_limit",
            "Requests to models that may be under way; beyond: 503.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.connections = Gauge(
            "servery_connections",
            "Connections that are open.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.connections_dropped = Counter(
            "servery_connections_dropped_total",
            "Connections closed by us before their time, by what was wrong.",
            ["reason"],
            registry=registry,
        )
        self.rejections = Counter(
            "servery_rejections_total",
            "Requests that got no answer from a model.",
            ["reason"],
            registry=registry,
        )
        self.predictions = Counter(
            "servery_predictions_total",
            "Predictions by the label that they gave.",
            ["model", "label"],
            registry=registry,
        )
        self.batch_rows = Histogram(
            "servery_batch_rows",
            "Rows in a batch, without padding.",
            ["model"],
            buckets=ROWS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "servery_batch_seconds",
            "Seconds that a batch ran.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.padding_rows = Counter(
            "servery_padding_rows_total",
            "Rows computed only to fill a batch up to an allowed size.",
            ["model"],
            registry=registry,
        )
        self.waiting_rows = Gauge(
            "servery_waiting_rows",
            "Rows that no batch has taken yet.",
            ["model"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.texts_under_way = Gauge(
            "servery_texts_under_way",
            "Texts that are being written.",
            ["model"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.texts = Counter(
            "servery_texts_total",
            "Texts that have ended, by how: length, stop, sequence, deadline, "
            "cancelled or failed.",
            ["model", "outcome"],
            registry=registry,
        )
        self.text_characters = Counter(
            "servery_text_characters_total",
            "Characters that were drawn for texts.",
            ["model"],
            registry=registry,
        )
        self.text_first_seconds = Histogram(
            "servery_text_first_character_seconds",
            "Seconds in the engine to the first character of a request's texts.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.queue_limit = Gauge(
            "servery_queue_limit_rows",
            "Rows that may wait for one model; beyond: 503.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.default_version = Gauge(
            "servery_model_default_version",
            "Version that answers where none is named; 0 if none is ready.",
            ["model"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.model_state = Gauge(
            "servery_model_state",
            "1 for the state that a version is in.",
            ["model", "version", "state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.model_runtime = Gauge(
            "servery_model_runtime",
            "1 for the runtime that computes a version.",
            ["model", "version", "runtime"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.quarantined = Gauge(
            "servery_model_quarantined",
            "1 for a version that is not loaded because it killed its process.",
            ["model", "version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.artifacts_readable = Gauge(
            "servery_artifacts_readable",
            "1 if the artifacts folder can be read and holds a model, else 0.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.policies_in_force = Gauge(
            "servery_policies_in_force",
            "1 if models.toml is absent or in force, 0 if an older state of it is.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.api_keys_broken = Gauge(
            "servery_api_keys_broken",
            "1 if the file of API keys cannot be taken, and an older state holds.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.certificates_broken = Gauge(
            "servery_certificates_broken",
            "1 if the files of TLS cannot be taken, and older ones hold.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.key_requests = Counter(
            "servery_key_requests_total",
            "Requests with an API key, by its name and outcome: ok, limited or failed.",
            ["key", "outcome"],
            registry=registry,
        )
        self.key_rows = Counter(
            "servery_key_rows_total",
            "Rows of those that were answered.",
            ["key"],
            registry=registry,
        )
        self.load_seconds = Gauge(
            "servery_model_load_seconds",
            "Seconds to verify and load a version.",
            ["model", "version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.warm_seconds = Gauge(
            "servery_model_warm_seconds",
            "Seconds to run every batch size of a version once.",
            ["model", "version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.restarts = Counter(
            "servery_process_restarts_total",
            "Processes that died and were replaced.",
            ["process"],
            registry=registry,
        )
        self.log_lines_dropped = Counter(
            "servery_log_lines_dropped_total",
            "Log lines that nobody took: the pipe or the disk was full.",
            registry=registry,
        )
        self.spans_lost = Counter(
            "servery_spans_lost_total",
            "Spans of traces that the collector did not take, or not fast enough.",
            registry=registry,
        )
        build_info = Gauge(
            "servery_build_info",
            "1, by the version of Servery that runs.",
            ["version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        build_info.labels(version("servery")).set(1)

    def exposition(self, *, with_exemplars: bool = False) -> bytes:
        """The text that Prometheus scrapes: of all processes, where there are many.

        Args:
            with_exemplars: Whether it is OpenMetrics', which knows them.
        """
        registry = self._registry
        if self._blocks:
            registry = CollectorRegistry()
            registry.register(BlockCollector(self._blocks, self._exemplars))
            registry.register(ProcessCollector(os.getppid()))  # who supervises us all
        if with_exemplars:
            text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
            return text
        return generate_latest(registry)


def share_metrics(own: int, blocks: Iterable[int]) -> Metrics:
    """The metrics of one process of several.

    Args:
        own: The block in which it counts. All metrics of this process do from now on.
        blocks: Those of all processes.
    """
    block = SampleBlock(own)
    values.ValueClass = value_class(block)
    return Metrics(CollectorRegistry(), blocks, block.exemplars)


class DelayedCall:
    """Calls something once, `FLUSH_S` after it was first asked for.

    Args:
        call: What is called, in the event loop in which it was asked for.
    """

    def __init__(self, call: Callable[[], None]):
        self._call = call
        self._planned = False

    def plan(self) -> None:
        """Ask for a call, unless one is to come."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(FLUSH_S, self._run)

    def _run(self) -> None:
        self._planned = False
        self._call()


class BatchMetrics:
    """Counts what a batcher does (its `Observer`), a few dozen batches at a time.

    Args:
        metrics: Where.
        model: Whose batches they are.
        on_death: Called when the batcher has died.
        version: Of the model.
        batches: Whether requests share batches, whose sizes are a few.
    """

    def __init__(
        self,
        metrics: Metrics,
        model: str,
        on_death: Callable[[], None],
        version: int = 0,
        *,
        batches: bool = True,
    ):
        self._metrics, self._names = metrics, (model, str(version))
        self._are_batched = batches
        self._waiting = metrics.waiting_rows.labels(model)
        self._waiting_now = self._waiting_counted = 0
        self._rows = metrics.batch_rows.labels(model)
        self._seconds = metrics.batch_seconds.labels(model)
        self._padding = metrics.padding_rows.labels(model)
        self._batches: list[tuple[int, int, float]] = []
        self._flush = DelayedCall(self.flush)
        self._on_death = on_death

    def queued(self, waiting_rows: int) -> None:
        """So many rows are waiting now, beside those of the model's other batchers."""
        self._waiting_now = waiting_rows
        self._flush.plan()

    def ran(self, rows: int, padding: int, seconds: float) -> None:
        """A batch of `rows`, padded by `padding`, took `seconds`."""
        self._batches.append((rows, padding, seconds))
        self._flush.plan()

    def died(self) -> None:
        """No batch will ever be formed again."""
        self._on_death()

    def flush(self) -> None:
        """Count what has happened, now."""
        self._waiting.inc(self._waiting_now - self._waiting_counted)
        self._waiting_counted = self._waiting_now
        if self._batches:
            rows, padding, seconds = zip(*self._batches, strict=True)
            self._rows.observe_all(rows)
            self._seconds.observe_all(seconds)
            self._padding.inc(sum(padding))
            self._count_version()
            self._batches.clear()

    def _count_version(self) -> None:
        metrics, names = self._metrics, self._names
        number = Tally[int]()
        took: defaultdict[int, float] = defaultdict(float)
        for rows, padding, seconds in self._batches:
            size = rows + padding if self._are_batched else 1
            number[size] += 1
            took[size] += seconds
        for size in number:
            metrics.version_batches.labels(*names, str(size)).inc(number[size])
            metrics.version_batch_seconds.labels(*names, str(size)).inc(took[size])
        rows = sum([each[0] for each in self._batches])
        metrics.version_rows.labels(*names).inc(rows)
