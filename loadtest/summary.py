"""The figures of a load test, from what became of every request."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from loadtest.rates import Floats
from loadtest.results import OK, TIMEOUT, UNFINISHED, UNSENT, Results

SHOWN = (50.0, 90.0, 95.0, 99.0)  # percentiles, beside the worst
ALL = "all"
SILENT = (TIMEOUT, UNSENT, UNFINISHED)  # outcomes without an answer
MOST_WINDOWS = 120


@dataclass(frozen=True, slots=True)
class Summary:
    """What one endpoint did in a stretch of time, or all together.

    Attributes:
        name: Of the workload, or `all`.
        seconds: The length of that stretch.
        requests: That were meant to be sent in it.
        answered: Answers of any kind that came in it.
        good: Those of them that were 200, and within the deadline if there was one.
        outcomes: How many of the requests ended in each way, the most frequent first.
        waited_s: float64, sorted: latencies of the requests that were answered 200 or
            given up at the timeout. A refusal is quick and would flatter; to leave out
            those given up would flatter too.
    """

    name: str
    seconds: float
    requests: int
    answered: int
    good: int
    outcomes: dict[str, int]
    waited_s: Floats

    @property
    def intended_rate(self) -> float:
        """Requests that were meant to be sent, a second."""
        return self.requests / self.seconds

    @property
    def rate(self) -> float:
        """Answers of any kind, a second."""
        return self.answered / self.seconds

    @property
    def goodput(self) -> float:
        """Answers 200 within the deadline, a second."""
        return self.good / self.seconds

    @property
    def errors(self) -> float:
        """The share of requests that were not answered 200, 0 to 1; NaN without any."""
        if not self.requests:
            return float("nan")
        return 1 - self.outcomes.get(OK, 0) / self.requests

    def percentile(self, percent: float) -> float:
        """The latency that so many percent stay within, in seconds; NaN without any.

        The nearest rank: a latency that was really measured.
        """
        if not len(self.waited_s):
            return float("nan")
        rank = int(np.ceil(percent / 100 * len(self.waited_s)))
        return float(self.waited_s[max(rank, 1) - 1])

    def mean(self) -> float:
        """The mean latency in seconds; NaN without any."""
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
        """Stretches of about a second, or longer where those were very many."""
        return self.cut(int(np.clip(self.seconds, 1, MOST_WINDOWS)))

    def cut(self, count: int) -> list["Window"]:
        """So many stretches of the same length."""
        edges = np.linspace(self.start_s, self.end_s, count + 1).tolist()
        return [Window(*pair) for pair in pairwise(edges)]


def summarise(
    results: Results, window: Window, deadline_s: float | None, name: str = ALL
) -> Summary:
    """The figures of a stretch of time.

    Requests belong to it by the time at which they were meant to be sent, answers by
    the time at which they came: what a server still answers when the test has ended
    is no throughput.

    Args:
        results: Of the whole test.
        window: The stretch.
        deadline_s: After which an answer is worth nothing.
        name: Of the workload.
    """
    sent = results.between(window.start_s, window.end_s)
    ended_s = results.intended_s + results.latency_s
    came = (ended_s >= window.start_s) & (ended_s < window.end_s)
    is_good = results.had(OK) & (results.latency_s <= (deadline_s or float("inf")))
    return Summary(
        name=name,
        seconds=window.seconds,
        requests=len(sent),
        answered=int(np.count_nonzero(came & ~results.had(*SILENT))),
        good=int(np.count_nonzero(came & is_good)),
        outcomes=sent.counts(),
        waited_s=np.sort(sent.latency_s[sent.had(OK, TIMEOUT)]),
    )
