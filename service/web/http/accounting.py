"""Writes down what became of requests: metrics and access log, a few dozen at a time.

A request costs a tenth of a prediction if each is written down by itself.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from service.errors import Unavailable
from service.logs import AccessLog
from service.metrics import DelayedCall, Metrics
from service.web.http.record import RequestRecord

REST_S = 0.002  # after refusals: measured; shorter ones left less for the accepted


class Accounting:
    """The requests under way, and those that are over and not yet written down.

    Args:
        metrics: Where they are counted.
        access_log: Where each gets a line, if at all.

    Attributes:
        in_flight: Requests to models under way in this process. Those for health and
            metrics do not count: they must be answered above all when nothing else is.
    """

    def __init__(self, metrics: Metrics, access_log: AccessLog | None):
        self.in_flight = 0
        self._metrics = metrics
        self._access_log = access_log
        self._finished: list[RequestRecord] = []
        self._refused: Counter[str] = Counter()
        self._flush = DelayedCall(self.flush)
        self._rest_planned = False

    def enter(self, record: RequestRecord) -> None:
        """One more request is under way."""
        self.in_flight += record.method == "POST"
        self._flush.plan()

    def leave(self, record: RequestRecord) -> None:
        """This one is over; each that has entered leaves."""
        self.in_flight -= record.method == "POST"
        record.finish()
        self._finished.append(record)
        self._flush.plan()

    def refuse(self, path: str) -> None:
        """One was refused before anything was made for it."""
        self._refused[path] += 1
        self._flush.plan()
        if not self._rest_planned:
            self._rest_planned = True
            asyncio.get_running_loop().call_soon(self._rest)

    def flush(self) -> None:
        """Write down what is over, now; of the refused, how many."""
        finished, self._finished = self._finished, []
        refused, self._refused = self._refused, Counter()
        self._metrics.in_flight.set(self.in_flight)
        self._count(finished)
        self._count_refused(refused)
        if self._access_log is not None and (finished or refused):
            lines = [record.facts() for record in finished]
            self._access_log.write(
                lines + [_refusals(*each) for each in refused.items()]
            )

    def _rest(self) -> None:
        """Let more come before the loop looks again.

        To be woken for each costs four times as much as to refuse it, and who has what
        is accepted to compute needs the core.
        """
        self._rest_planned = False
        time.sleep(REST_S)

    def _count(self, finished: Sequence[RequestRecord]) -> None:
        metrics = self._metrics
        requests: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        predictions: Counter[tuple[str, str]] = Counter()
        for each in finished:
            requests[each.route, str(each.status), each.model].append(each.seconds)
            if each.code is not None:
                metrics.rejections.labels(each.code).inc()
            for label in each.labels:
                predictions[each.model, label] += 1
        for names, seconds in requests.items():
            metrics.request_seconds.labels(*names).observe_all(seconds)
        for labels, number in predictions.items():
            metrics.predictions.labels(*labels).inc(number)
        stages = metrics.stages.keys()
        self._count_stages([each for each in finished if stages <= each.stages.keys()])

    def _count_refused(self, refused: Counter[str]) -> None:
        metrics, status = self._metrics, str(Unavailable.status)
        for path, number in refused.items():
            seconds = metrics.request_seconds.labels(path, status, "")
            seconds.observe_all([0.0] * number)
            metrics.rejections.labels(Unavailable.code).inc(number)

    def _count_stages(self, answered: Sequence[RequestRecord]) -> None:
        for stage, histogram in self._metrics.stages.items():
            seconds: defaultdict[str, list[float]] = defaultdict(list)
            for each in answered:
                seconds[each.model].append(each.stages[stage])
            for model, values in seconds.items():
                histogram.labels(model).observe_all(values)


def _refusals(path: str, number: int) -> dict[str, Any]:
    return {
        "time": time.time(),
        "message": "refused",
        "requests": number,
        "path": path,
        "status": Unavailable.status,
        "code": Unavailable.code,
    }
