"""What a run measured, kept in a file so that a run can go on, and its statistics.

Everything is a pair: somebody for a few seconds, and Servery for the seconds just
before or after. A machine that others share is faster in one minute than in the next; a
ratio of two neighbours is worth more than either figure.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from scipy.stats import binom

from benchmarks.load import Load
from benchmarks.processes import Memory

MISSED = 0.1  # the most by which an interval may miss its median, as a probability

Key = tuple[str, str, int]
"""The name of a target, a model, connections: what can be compared."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One load in one round."""

    target: str  # its name
    model: str  # that was asked
    connections: int  # that were kept busy; of a bare model, the rows in a call
    load: Load  # what the load generator saw
    others: float = 0.0  # share of the machine that others took meanwhile

    @property
    def key(self) -> Key:
        """What a sample can be compared with."""
        return self.target, self.model, self.connections


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples, one just after the other."""

    theirs: Sample  # of somebody
    ours: Sample  # of Servery


@dataclass(slots=True)
class Results:
    """All that was measured."""

    facts: dict[str, str] = field(default_factory=dict)  # machine, versions, settings
    pairs: list[Pair] = field(default_factory=list)  # in their order in time
    # digits beside photo, and digits alone
    weights: list[Pair] = field(default_factory=list)
    # by server, cores that it kept busy while nobody asked; once or more
    idle: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)  # by server, after the load
    # of the service: seconds until the seven answered, over `import tensorflow`
    starts: list[float] = field(default_factory=list)
    # likewise: until digits, alone, gave its first right answer
    firsts: list[float] = field(default_factory=list)
    # who could not be measured, and why
    failed: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write all of it, in one step."""
        beside = path.with_name(f"{path.name}.new")
        beside.write_bytes(TypeAdapter(Results).dump_json(self, indent=1))
        beside.replace(path)

    def rounds(self) -> Counter[Key]:
        """How often each has been measured."""
        return Counter(pair.theirs.key for pair in self.pairs)


def read_results(path: Path) -> Results:
    """What `Results.save` wrote."""
    return TypeAdapter(Results).validate_json(path.read_bytes())


@dataclass(frozen=True, slots=True)
class Interval:
    """Of several rounds."""

    median: float  # of all
    low: float  # the lower end of an interval that holds the true median
    high: float  # the upper end


def interval(values: Sequence[float]) -> Interval:
    """The median of at least one value, and how far it can be trusted.

    How many of n values lie below the true median is binomial, whatever their
    distribution: as many are left out at both ends as keep its probability to be
    between them above 90 % (David and Nagaraja, "Order Statistics", 2003, 7.1). At
    five that is none, and lowest and highest hold it by 94 %; below five, they are all
    there is.
    """
    ordered = sorted(values)
    left_out = max(0, int(binom.ppf(MISSED / 2, len(ordered), 0.5)) - 1)
    ends = ordered[left_out], ordered[-1 - left_out]
    return Interval(statistics.median(ordered), *ends)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target at one load, and Servery next to it, round by round."""

    target: str  # one configuration of a server: mosec, 2 workers
    model: str  # that was asked
    connections: int  # that were kept busy
    pairs: tuple[Pair, ...]  # all rounds

    @property
    def peer(self) -> str:
        """What the server is: mosec."""
        return self.target.partition(",")[0]

    @property
    def rates(self) -> list[float]:
        """Servery's requests a second to theirs, of each round."""
        return [_divide(p.ours.load.rate, p.theirs.load.rate) for p in self.pairs]

    @property
    def rate(self) -> float:
        """The median of them."""
        return statistics.median(self.rates)

    @property
    def p50s(self) -> list[float]:
        """Servery's median latency to theirs, of each round."""
        return [_divide(p.ours.load.p50_ms, p.theirs.load.p50_ms) for p in self.pairs]

    @property
    def theirs(self) -> list[Sample]:
        """Its own samples."""
        return [pair.theirs for pair in self.pairs]


def compare(pairs: Iterable[Pair]) -> list[Comparison]:
    """Every target at every load."""
    groups: dict[Key, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.theirs.key].append(pair)
    return [Comparison(*key, tuple(found)) for key, found in groups.items()]


def group(samples: Iterable[Sample]) -> dict[Key, list[Sample]]:
    """Samples by what they can be compared with."""
    groups: dict[Key, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.key].append(sample)
    return dict(groups)


def _divide(one: float, other: float) -> float:
    return one / other if other else float("inf")
