"""What a run gives, as it was measured."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain

from benchmarks.bare import Bare
from benchmarks.load import Load
from benchmarks.processes import Memory


@dataclass(frozen=True, slots=True)
class Sample:
    """One load in one round.

    Attributes:
        load: What wrk saw.
        cpu_s: CPU seconds of the server's processes.
        rows: In the batches that the server ran, where it tells.
        batches: That it ran, where it tells.
        others: Share of the machine that others took meanwhile.
    """

    load: Load
    cpu_s: float
    rows: float = 0.0
    batches: float = 0.0
    others: float = 0.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a server costs whether it is asked or not.

    Attributes:
        idle: Cores that it kept busy while idle: 0.01 is one per cent of a core.
        memory: Of all its processes.
    """

    idle: float
    memory: Memory


@dataclass(slots=True)
class Results:
    """All that was measured.

    Attributes:
        samples: By target's name and connections, one a round.
        bare: By batch size, one a round.
        before: By server, after the start.
        after: By server, after all the load.
        answered: By server, requests in all.
        measured: How many samples were taken, those that were spoiled too.
    """

    samples: dict[tuple[str, int], list[Sample]] = field(
        default_factory=lambda: defaultdict(list)
    )
    bare: dict[int, list[Bare]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Upkeep] = field(default_factory=dict)
    after: dict[str, Upkeep] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    measured: int = 0

    @property
    def all_samples(self) -> list[Sample | Bare]:
        """Of servers and of the bare model."""
        return [
            *chain.from_iterable(self.samples.values()),
            *chain.from_iterable(self.bare.values()),
        ]

    @property
    def others(self) -> float:
        """Share of the machine that others took during a sample, the mean."""
        return statistics.fmean(sample.others for sample in self.all_samples)

    def keep(self, rounds: int) -> None:
        """Keep so many samples of each kind, those that others disturbed least."""
        for samples in self.samples.values():
            samples[:] = sorted(samples, key=lambda each: each.others)[:rounds]
        for calls in self.bare.values():
            calls[:] = sorted(calls, key=lambda each: each.others)[:rounds]
