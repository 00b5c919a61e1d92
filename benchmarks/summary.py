"""Rounds to figures: the median over the rounds, and how far they lay apart."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bare import Bare
from benchmarks.results import Results, Sample


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
        rate: Requests a second.
        p50_ms: The median of the rounds' 50th percentiles; p95 and p99 alike.
        p95_ms: See there.
        p99_ms: See there.
        cpu_ms: CPU milliseconds of the server for a request, which are CPU seconds for
            a thousand.
        mean_batch: Rows in a batch, where the server tells.
        errors: By kind, in all rounds together.
        client_share: Of a core, that the load generator took.
    """

    rate: Median
    p50_ms: Median
    p95_ms: Median
    p99_ms: Median
    cpu_ms: float
    mean_batch: float | None
    errors: dict[str, int]
    client_share: float


Summaries = dict[tuple[str, int], Summary]
"""By the name of the target, and connections."""


def summarise(samples: Sequence[Sample]) -> Summary:
    """The rounds of one target at one load."""
    loads = [sample.load for sample in samples]
    requests = sum(load.requests for load in loads)
    batches = sum(sample.batches for sample in samples)
    errors: Counter[str] = Counter()
    for load in loads:
        errors.update(load.errors)
    return Summary(
        rate=Median.of([load.requests / load.seconds for load in loads]),
        p50_ms=Median.of([load.p50_ms for load in loads]),
        p95_ms=Median.of([load.p95_ms for load in loads]),
        p99_ms=Median.of([load.p99_ms for load in loads]),
        cpu_ms=1000 * sum(sample.cpu_s for sample in samples) / requests,
        mean_batch=sum(s.rows for s in samples) / batches if batches else None,
        errors=dict(errors),
        client_share=sum(each.client_cpu_s for each in loads)
        / sum(each.seconds for each in loads),
    )


def summarise_all(results: Results) -> Summaries:
    """Every target at every load."""
    return {key: summarise(samples) for key, samples in results.samples.items()}


def summarise_bare(calls: Sequence[Bare]) -> tuple[Median, Median]:
    """Images a second, and milliseconds of a call."""
    return (
        Median.of([each.images_s for each in calls]),
        Median.of([each.ms for each in calls]),
    )


def best(summaries: Summaries, names: Sequence[str], connections: int) -> str:
    """Who of `names` answers the most requests a second."""
    return max(names, key=lambda name: summaries[name, connections].rate.value)
