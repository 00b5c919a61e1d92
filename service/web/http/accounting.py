"""Writes down what became of requests: metrics and access log, a few dozen at a time.

Traces begin and end here, too.

A request costs a tenth of a prediction if each is written down by itself.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from service.access.shares import Shares
from service.errors import (
    EngineGone,
    ModelNotReady,
    RateExceeded,
    ServeryError,
    Unavailable,
)
from service.logs import AccessLog
from service.metrics import DelayedCall, Metrics
from service.settings import Settings
from service.web.http.record import RequestRecord

if TYPE_CHECKING:
    from service.drift.monitor import DriftMonitor
    from service.tracing.requests import RequestTracer

FULL = "Too many requests are under way; try again soon."
PAUSE_S = 0.1  # before it is said that something starts
SOON_S = 1  # after which a new try makes sense, where something does
OK = 200
OUTCOMES = {OK: "ok", RateExceeded.status: "limited"}
STAGES = ("decode", "queue", "compute", "encode")

_Refused = defaultdict[tuple[str, str], list[str]]
"""The names of those for whom there was no room, by route and code."""


class Accounting:
    """The requests under way, and those that are over and not yet written down.

    Args:
        settings: See `max_in_flight`, `max_decoded_bytes` and `max_caller_share`.
        metrics: Where they are counted.
        access_log: Where each gets a line, if at all.
        tracer: What traces some of them, if any.
        drift: What counts their answers, if anything does.

    Attributes:
        in_flight: Requests to models under way in this process. Those for health and
            metrics take no room: they must be answered above all when there is none.
        places: Of those, by whom they come from.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        access_log: AccessLog | None,
        tracer: "RequestTracer | None" = None,
        drift: "DriftMonitor | None" = None,
    ):
        share = settings.max_caller_share
        self.in_flight = self._pausing = 0
        self._most_pausing = settings.max_in_flight
        self.places = Shares(settings.max_in_flight, share)
        self._decoded = Shares(settings.max_decoded_bytes, share)
        self._metrics = metrics
        self._access_log, self._tracer, self._drift = access_log, tracer, drift
        self._finished: list[RequestRecord] = []
        self._refused = _Refused(list)
        self._flush = DelayedCall(self.flush)

    def enter(self, record: RequestRecord) -> None:
        """One more request is under way."""
        if record.method == "POST":
            self.in_flight += 1
            record.counted = True
        if self._tracer is not None:
            record.trace = self._tracer.start(record)
        self._flush.plan()

    def admit(self, record: RequestRecord) -> None:
        """Give a place to a request of which it is known who asks.

        Raises:
            Unavailable: Others of the same caller have all that it may take.
        """
        if not self.places.has_room(record.asker):
            raise Unavailable(FULL)
        self.places.hold(record.asker)
        record.admitted = True

    def hold(self, record: RequestRecord, size: int) -> None:
        """Count bytes that a request holds until it is over.

        Raises:
            Unavailable: Those under way would hold more than all may, or its caller.
        """
        if not self._decoded.has_room(record.asker, size):
            raise Unavailable(
                "What is decoded of other requests takes all room; try again soon."
            )
        self._decoded.hold(record.asker, size)
        record.held_bytes += size

    def leave(self, record: RequestRecord) -> None:
        """This one is over; each that has entered leaves."""
        self._give_back(record)
        self._finish(record)

    async def pause(
        self,
        error: ServeryError,
        record: RequestRecord,
        deadline: float = float("inf"),
    ) -> None:
        """Keep a caller for a moment who is told that the engine or a model starts.

        Callers who come again at once would take the cores on which it starts. Others
        may have meanwhile what this one held. No more are kept than may be under way,
        and nobody until it is too late to be told.

        Args:
            error: What it is told.
            record: Of the request.
            deadline: Its own, by `time.monotonic()`.

        Raises:
            ClientDisconnectedError: The caller has hung up.
        """
        if not isinstance(error, EngineGone | ModelNotReady):
            return
        if not record.counted or error.retry_after_s > SOON_S:
            return
        is_late = time.monotonic() > deadline - 2 * PAUSE_S
        if is_late or self._pausing >= self._most_pausing:
            return
        self._give_back(record)
        self._pausing += 1
        try:
            await record.wait_for(asyncio.ensure_future(asyncio.sleep(PAUSE_S)))
        finally:
            self._pausing -= 1

    def note(self, record: RequestRecord) -> None:
        """This one ended before it could enter: its bytes were wrong, or too few."""
        if self._tracer is not None:
            record.trace = self._tracer.start(record)
        self._finish(record)

    def refuse(self, record: RequestRecord) -> None:
        """There was no room for this one; many of these make one line of the log."""
        self._refused[record.route, record.code or ""].append(record.request_id)
        self._flush.plan()

    def flush(self) -> None:
        """Write down what is over, now; of the refused, how many."""
        finished, self._finished = self._finished, []
        refused, self._refused = self._refused, _Refused(list)
        self._metrics.in_flight.set(self.in_flight)
        self._count(finished)
        if self._drift is not None:
            self._drift.count(finished)
        self._count_refused(refused)
        if self._access_log is not None and (finished or refused):
            lines = [record.facts() for record in finished]
            self._access_log.write(
                lines + [_refusals(*each) for each in refused.items()]
            )

    def _give_back(self, record: RequestRecord) -> None:
        """Others may have what it holds."""
        if record.counted:
            self.in_flight -= 1
            record.counted = False
        if record.admitted:
            self.places.release(record.asker)
            record.admitted = False
        if record.held_bytes:
            self._decoded.release(record.asker, record.held_bytes)
            record.held_bytes = 0

    def _finish(self, record: RequestRecord) -> None:
        record.finish()
        if record.trace is not None:
            record.trace.end(record)
        self._finished.append(record)
        self._flush.plan()

    def _count(self, finished: Sequence[RequestRecord]) -> None:
        metrics = self._metrics
        requests: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        predictions: Counter[tuple[str, str]] = Counter()
        versions: defaultdict[tuple[str, int], list[RequestRecord]] = defaultdict(list)
        for each in finished:
            if each.version is not None:
                versions[each.model, each.version].append(each)
            requests[each.route, str(each.status), each.model].append(each.seconds)
            if each.code is not None:
                metrics.rejections.labels(each.code).inc()
            for label in each.labels:
                predictions[each.model, label] += 1
            if each.caller is not None:
                _count_key(metrics, each.caller.name, each)
        for names, seconds in requests.items():
            metrics.request_seconds.labels(*names).observe_all(seconds)
        for labels, number in predictions.items():
            metrics.predictions.labels(*labels).inc(number)
        for (model, version), asked in versions.items():
            self._count_version(model, str(version), asked)
        stages = metrics.stages.keys()
        whole = [each for each in finished if stages <= each.stages.keys()]
        self._count_stages(whole)
        if self._tracer is not None:
            self._exemplify(finished, whole)

    def _count_version(
        self, model: str, version: str, asked: Sequence[RequestRecord]
    ) -> None:
        metrics, names = self._metrics, (model, version)
        answered = [each for each in asked if each.status == OK]
        failed = [each for each in asked if each.status != OK]
        for outcome, requests in (("ok", answered), ("failed", failed)):
            metrics.version_requests.labels(*names, outcome).inc(len(requests))
            seconds = sum([each.seconds for each in requests])
            metrics.version_seconds.labels(*names, outcome).inc(seconds)
        for stage in STAGES:
            seconds = sum([each.stages.get(stage, 0.0) for each in answered])
            metrics.version_seconds.labels(*names, stage).inc(seconds)
        if answered:
            metrics.version_answered.labels(*names).set(time.time())

    def _count_refused(self, refused: "_Refused") -> None:
        metrics, status = self._metrics, str(Unavailable.status)
        for (route, code), names in refused.items():
            seconds = metrics.request_seconds.labels(route, status, "")
            seconds.observe_all([0.0] * len(names))
            metrics.rejections.labels(code).inc(len(names))

    def _count_stages(self, answered: Sequence[RequestRecord]) -> None:
        for stage, histogram in self._metrics.stages.items():
            seconds: defaultdict[str, list[float]] = defaultdict(list)
            for each in answered:
                seconds[each.model].append(each.stages[stage])
            for model, values in seconds.items():
                histogram.labels(model).observe_all(values)

    def _exemplify(
        self, finished: Iterable[RequestRecord], whole: Iterable[RequestRecord]
    ) -> None:
        """Have buckets of latencies name traces of what they count."""
        metrics = self._metrics
        for each in finished:
            if each.trace is not None:
                names = each.route, str(each.status), each.model
                seconds = metrics.request_seconds.labels(*names)
                seconds.exemplify(each.seconds, each.trace.trace_id)
        for each in whole:
            if each.trace is not None:
                for stage, histogram in metrics.stages.items():
                    seconds = histogram.labels(each.model)
                    seconds.exemplify(each.stages[stage], each.trace.trace_id)


def _count_key(metrics: Metrics, name: str, asked: RequestRecord) -> None:
    outcome = OUTCOMES.get(asked.status, "failed")
    metrics.key_requests.labels(name, outcome).inc()
    if outcome == "ok" and asked.rows:
        metrics.key_rows.labels(name).inc(asked.rows)


def _refusals(what: tuple[str, str], names: Sequence[str]) -> dict[str, Any]:
    route, code = what
    return {
        "time": time.time(),
        "message": "refused",
        "requests": len(names),
        "request_ids": names,
        "path": route,
        "status": Unavailable.status,
        "code": code,
    }
