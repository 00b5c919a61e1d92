"""Rounds to figures: the median over the rounds, and how far they lay apart."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.results import Key, Sample, group


@dataclass(frozen=True, slots=True)
class Median:
    """Of several rounds.

    Attributes:
        value: The median.
        low: The smallest.
        high: The largest.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Median":
        """The median of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Summary:
    """One target at one load.

    Attributes:
        rate: Requests a second that were answered with what they asked for.
        p50_ms: The median of the rounds' 50th percentiles.
        p99_ms: The median of the rounds' 99th percentiles.
        cpu_ms: CPU milliseconds of the server for a request, which are CPU seconds for
            a thousand.
        client_cpu_ms: CPU milliseconds of the load generator for a request.
        mean_batch: Rows in a batch, where the server tells.
        errors: By kind, in all rounds together.
    """

    rate: Median
    p50_ms: Median
    p99_ms: Median
    cpu_ms: float
    client_cpu_ms: float
    mean_batch: float | None
    errors: dict[str, int]


Summaries = dict[Key, Summary]


def summarise(samples: Sequence[Sample]) -> Summary:
    """The rounds of one target at one load."""
    loads = [sample.load for sample in samples]
    batches = sum(sample.batches for sample in samples)
    errors: Counter[str] = Counter()
    for load in loads:
        errors.update(load.errors)
    answered = max(1, sum(load.good for load in loads))
    return Summary(
        rate=Median.of([load.good / load.seconds for load in loads]),
        p50_ms=Median.of([load.p50_ms for load in loads]),
        p99_ms=Median.of([load.p99_ms for load in loads]),
        cpu_ms=1000 * sum(sample.cpu_s for sample in samples) / answered,
        client_cpu_ms=1000 * sum(load.client_cpu_s for load in loads) / answered,
        mean_batch=sum(s.rows for s in samples) / batches if batches else None,
        errors=dict(errors),
    )


def summarise_all(samples: Iterable[Sample]) -> Summaries:
    """Every target at every load."""
    return {key: summarise(several) for key, several in group(samples).items()}
