"""What became of every request: raw times, so that processes are merged exactly."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtest.rates import Floats

OK = "200"
TIMEOUT = "timeout"
UNSENT = "not sent: too many under way"
UNFINISHED = "unfinished"

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Results:
    """One entry for each request, all arrays of the same length.

    Attributes:
        workloads: Names, to which `workload` points.
        outcomes: `200`, `503 queue_full`, `timeout` and the like, to which `outcome`
            points.
        intended_s: float64, when it was meant to be sent, from the start.
        lag_s: float64, how much later it was; always 0 in a closed loop.
        latency_s: float64, from the time it was meant to be sent to its end. So the
            requests that a stall kept from being sent in time show it (Tene, "How NOT
            to Measure Latency", 2013, calls the opposite coordinated omission).
        workload: int64.
        outcome: int64.
    """

    workloads: tuple[str, ...]
    outcomes: tuple[str, ...]
    intended_s: Floats
    lag_s: Floats
    latency_s: Floats
    workload: Integers
    outcome: Integers

    def __len__(self) -> int:
        return len(self.intended_s)

    def where(self, chosen: Mask) -> "Results":
        """Only these requests; `chosen` is bool (requests,)."""
        return self._each(lambda column: column[chosen])

    def of(self, workload: str) -> "Results":
        """Only this workload's."""
        return self.where(self.workload == self.workloads.index(workload))

    def between(self, start_s: float, end_s: float) -> "Results":
        """Only those that were meant to be sent from `start_s` to before `end_s`."""
        return self.where((self.intended_s >= start_s) & (self.intended_s < end_s))

    def had(self, *outcomes: str) -> Mask:
        """Which requests ended in one of these ways, bool (requests,)."""
        known = [n for n, each in enumerate(self.outcomes) if each in outcomes]
        return np.isin(self.outcome, known)

    def counts(self) -> dict[str, int]:
        """How many ended in each way, the most frequent first."""
        counts = np.bincount(self.outcome, minlength=len(self.outcomes)).tolist()
        found = zip(self.outcomes, counts, strict=True)
        ranked = sorted(found, key=lambda pair: -pair[1])
        return {name: count for name, count in ranked if count}

    def _each(self, change: Callable[[Any], Any]) -> "Results":
        return Results(
            self.workloads,
            self.outcomes,
            change(self.intended_s),
            change(self.lag_s),
            change(self.latency_s),
            change(self.workload),
            change(self.outcome),
        )


def merge(parts: Sequence[Results]) -> Results:
    """The requests of all processes as if one had sent them, in order of time.

    Args:
        parts: At least one; all of the same workloads.
    """
    outcomes = tuple(dict.fromkeys(name for part in parts for name in part.outcomes))
    renamed = [
        np.array([outcomes.index(name) for name in part.outcomes], int)[part.outcome]
        for part in parts
    ]
    together = Results(
        parts[0].workloads,
        outcomes,
        np.concatenate([part.intended_s for part in parts]),
        np.concatenate([part.lag_s for part in parts]),
        np.concatenate([part.latency_s for part in parts]),
        np.concatenate([part.workload for part in parts]),
        np.concatenate(renamed),
    )
    order = np.argsort(together.intended_s, kind="stable")
    return together._each(lambda column: column[order])


class Recorder:
    """Takes down what becomes of each request in one process: 34 bytes for each.

    Args:
        workloads: Their names.
    """

    def __init__(self, workloads: Sequence[str]):
        self._workloads = tuple(workloads)
        self._outcomes: dict[str, int] = {}
        self._times = tuple(array("d") for _ in range(3))
        self._workload, self._outcome = array("B"), array("H")

    def __len__(self) -> int:
        return len(self._workload)

    def add(
        self, workload: int, outcome: str, times_s: tuple[float, float, float]
    ) -> None:
        """One request has ended, or will never be sent.

        Args:
            workload: Its number.
            outcome: `200` and so on.
            times_s: When it was meant to be sent, was sent, and ended.
        """
        intended_s, sent_s, end_s = times_s
        intended, lag, latency = self._times
        intended.append(intended_s)
        # A timer that counts whole milliseconds may be early: that is no credit.
        lag.append(max(0.0, sent_s - intended_s))
        latency.append(end_s - min(intended_s, sent_s))
        self._workload.append(workload)
        self._outcome.append(self._outcomes.setdefault(outcome, len(self._outcomes)))

    def results(self, start: int = 0) -> Results:
        """Everything from the `start`-th request that ended; a copy."""
        intended, lag, latency = (np.array(times[start:]) for times in self._times)
        return Results(
            self._workloads,
            tuple(self._outcomes),
            intended,
            lag,
            latency,
            np.array(self._workload[start:], np.int64),
            np.array(self._outcome[start:], np.int64),
        )
