"""Writes down what became of requests: metrics and access log, a few dozen at a time.

A request costs a tenth of a prediction if each is written down by itself.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

from service.logs import AccessLog
from service.metrics import Metrics
from service.web.exchange import Exchange

FLUSH_S = 0.05  # what is gathered so long is written at once


class Ledger:
    """The requests under way, and those that are over and not yet written down.

    Args:
        metrics: Where they are counted.
        access_log: Where each gets a line, if at all.

    Attributes:
        in_flight: Requests to models under way in this process. Those for health and
            metrics take no room: they must be answered above all when there is none.
    """

    def __init__(self, metrics: Metrics, access_log: AccessLog | None):
        self.in_flight = 0
        self._metrics = metrics
        self._access_log = access_log
        self._finished: list[Exchange] = []
        self._flush_planned = False

    def enter(self, exchange: Exchange) -> None:
        """One more request is under way."""
        self.in_flight += exchange.method == "POST"
        self._plan_flush()

    def leave(self, exchange: Exchange) -> None:
        """This one is over; each that has entered leaves."""
        self.in_flight -= exchange.method == "POST"
        exchange.finish()
        self._finished.append(exchange)
        self._plan_flush()

    def flush(self) -> None:
        """Write down what is over, now."""
        self._flush_planned = False
        finished, self._finished = self._finished, []
        self._metrics.in_flight.set(self.in_flight)
        if not finished:
            return
        self._count(finished)
        if self._access_log is not None:
            self._access_log.write(exchange.facts() for exchange in finished)

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def _count(self, finished: Sequence[Exchange]) -> None:
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
        self._count_stages([each for each in finished if each.labels])

    def _count_stages(self, answered: Sequence[Exchange]) -> None:
        for stage, histogram in self._metrics.stages.items():
            seconds: defaultdict[str, list[float]] = defaultdict(list)
            for each in answered:
                seconds[each.model].append(each.stages[stage])
            for model, values in seconds.items():
                histogram.labels(model).observe_all(values)
