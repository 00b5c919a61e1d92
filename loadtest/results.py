"""What became of every request, with raw times, so that processes merge exactly."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loadtest.arrivals import Floats

OK = "200"
TIMEOUT = "timeout"
UNSENT = "not sent: too many in flight"
UNFINISHED = "unfinished"

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
ENTRY = struct.Struct("=BHddd")  # one request, as ROW reads it
ROW = np.dtype(
    [("workload", "u1"), ("outcome", "u2")]
    + [(name, "f8") for name in ("intended_s", "lag_s", "latency_s")]
)


@dataclass(frozen=True, slots=True)
class Results:
    """A `ROW` for each request, whose numbers point to `workloads` and `outcomes`.

    Outcomes are `200`, `503 queue_full`, `timeout`, `ConnectError` and the like.
    """

    workloads: tuple[str, ...]
    outcomes: tuple[str, ...]
    rows: np.ndarray[tuple[int], Any]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def intended_s(self) -> Floats:
        """When each was meant to be sent, from the start, float64 (requests,)."""
        return self.rows["intended_s"]

    @property
    def lag_s(self) -> Floats:
        """How much later each was sent, float64 (requests,); 0 in a closed loop."""
        return self.rows["lag_s"]

    @property
    def latency_s(self) -> Floats:
        """From when each was meant to be sent to its end, float64 (requests,).

        So the requests that a stall kept from being sent in time show it (Tene, "How
        NOT to Measure Latency", 2013, calls the opposite coordinated omission).
        """
        return self.rows["latency_s"]

    def where(self, chosen: Mask) -> "Results":
        """Only these requests; `chosen` is bool (requests,)."""
        return replace(self, rows=self.rows[chosen])

    def of(self, workload: str) -> "Results":
        """Only this workload's."""
        return self.where(self.rows["workload"] == self.workloads.index(workload))

    def between(self, start_s: float, end_s: float) -> "Results":
        """Only those that were meant to be sent from `start_s` to before `end_s`."""
        return self.where((self.intended_s >= start_s) & (self.intended_s < end_s))

    def had(self, *outcomes: str) -> Mask:
        """Which requests ended in one of these ways, bool (requests,)."""
        known = [n for n, each in enumerate(self.outcomes) if each in outcomes]
        return np.isin(self.rows["outcome"], known)

    def counts(self) -> dict[str, int]:
        """How many ended in each way, the most frequent first."""
        counts = np.bincount(self.rows["outcome"], minlength=len(self.outcomes))
        order = np.argsort(-counts, kind="stable")
        return {self.outcomes[n]: int(counts[n]) for n in order if counts[n]}


def merge(parts: Sequence[Results]) -> Results:
    """The requests of at least one part as if one process had sent them, by time."""
    outcomes = tuple(dict.fromkeys(name for part in parts for name in part.outcomes))
    rows = np.concatenate([part.rows for part in parts])
    numbers = [np.array([outcomes.index(o) for o in p.outcomes], int) for p in parts]
    rows["outcome"] = np.concatenate(
        [of[part.rows["outcome"]] for of, part in zip(numbers, parts, strict=True)]
    )
    order = np.argsort(rows["intended_s"], kind="stable")
    return Results(parts[0].workloads, outcomes, rows[order])


class Recorder:
    """Records what becomes of each request of one process, in 27 bytes."""

    def __init__(self, workloads: Sequence[str]):
        self._workloads = tuple(workloads)
        self._outcomes: dict[str, int] = {}
        self._rows = bytearray()

    def add(
        self, workload: int, outcome: str, times_s: tuple[float, float, float]
    ) -> None:
        """One request was meant to be sent, was sent and ended at these times."""
        intended_s, sent_s, end_s = times_s
        number = self._outcomes.setdefault(outcome, len(self._outcomes))
        # A timer that counts whole milliseconds may be early: that earns no credit.
        lag_s, latency_s = max(0.0, sent_s - intended_s), end_s - min(times_s[:2])
        self._rows += ENTRY.pack(workload, number, intended_s, lag_s, latency_s)

    def results(self, start: int = 0) -> Results:
        """Everything from the `start`-th request that ended; a copy."""
        rows = np.frombuffer(self._rows[start * ENTRY.size :], ROW)
        return Results(self._workloads, tuple(self._outcomes), rows)
