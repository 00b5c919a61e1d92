"""The figures of a load test, computed from what became of every request; as text."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from loadtest.arrivals import Floats
from loadtest.results import OK, TIMEOUT, UNFINISHED, UNSENT, Results

SHOWN = (50.0, 90.0, 95.0, 99.0)  # percentiles, besides the maximum
ALL = "all"
UNANSWERED = (TIMEOUT, UNSENT, UNFINISHED)
MAX_WINDOWS = 120
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one endpoint, or of all together, in a window of time.

    Attributes:
        name: Of the workload, or `all`.
        requests: Meant to be sent.
        intended_rate: The same per second.
        rate: Answers of any status that came, per second.
        goodput: Those that were 200, and within the deadline if there is one.
        errors: Share of the requests not answered 200, 0 to 1; NaN without any.
        outcomes: How many requests ended in each way, the most frequent first.
        waited_s: float64, sorted: latencies of the requests that were answered 200 or
            given up at the timeout. A rejection is quick and would flatter; leaving
            out those given up would flatter too.
    """

    name: str
    requests: int
    intended_rate: float
    rate: float
    goodput: float
    errors: float
    outcomes: dict[str, int]
    waited_s: Floats

    def percentile(self, percent: float) -> float:
        """This percentile of the latency, in seconds; NaN without any.

        The nearest rank: a latency that was really measured.
        """
        if not len(self.waited_s):
            return float("nan")
        return float(np.percentile(self.waited_s, percent, method="inverted_cdf"))

    def mean(self) -> float:
        """Mean latency in seconds; NaN without any."""
        return float(self.waited_s.mean()) if len(self.waited_s) else float("nan")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, in seconds from the start of the test."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_s - self.start_s

    def cut_seconds(self) -> list["Window"]:
        """Windows of about a second, or longer where those would be too many."""
        return self.cut(int(np.clip(self.seconds, 1, MAX_WINDOWS)))

    def cut(self, count: int) -> list["Window"]:
        """So many windows of the same length."""
        edges = np.linspace(self.start_s, self.end_s, count + 1).tolist()
        return [Window(*pair) for pair in pairwise(edges)]


def summarise(
    results: Results, window: Window, deadline_s: float | None, name: str = ALL
) -> Summary:
    """The figures of one window.

    Requests belong to it by the time at which they were meant to be sent, answers by
    the time at which they came: what a server still answers after the end of the test
    is not throughput.
    """
    sent, seconds = results.between(window.start_s, window.end_s), window.seconds
    ended_s = results.intended_s + results.latency_s
    came = (ended_s >= window.start_s) & (ended_s < window.end_s)
    answered = came & ~results.had(*UNANSWERED)
    in_time = results.latency_s <= (deadline_s or float("inf"))
    return Summary(
        name=name,
        requests=len(sent),
        intended_rate=len(sent) / seconds,
        rate=int(np.count_nonzero(answered)) / seconds,
        goodput=int(np.count_nonzero(came & results.had(OK) & in_time)) / seconds,
        errors=1 - float(sent.had(OK).mean()) if len(sent) else float("nan"),
        outcomes=sent.counts(),
        waited_s=np.sort(sent.latency_s[sent.had(OK, TIMEOUT)]),
    )


def milliseconds(seconds: float) -> str:
    """Three digits, and a dash where nothing was measured."""
    return plain(1000 * seconds)


def percent(share: float) -> str:
    """A share of 1, and a dash where nothing was measured."""
    return "–" if math.isnan(share) else f"{100 * share:.3g} %"


def plain(value: float) -> str:
    """Three digits, or all those before the point; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
