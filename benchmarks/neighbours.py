"""Servery against each of the others, by what it did just before and just after.

A machine that others share is faster in one minute than in the next; a ratio of two
figures from the same minutes is worth more than either. Pure: samples in, ratios out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Sample, Turn
from benchmarks.subjects import PLAIN, RAW, SERVERY, WITHOUT_MODEL
from benchmarks.summary import Summary, summarise, summarise_all


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target of another server at one load, and Servery next to it.

    Attributes:
        peer: What the server is: mosec.
        target: One configuration of it: mosec, 2 workers.
        model: That was asked.
        connections: That were kept busy.
        theirs: What it did.
        ours: What Servery did in its turns before and after, asked the same.
    """

    peer: str
    target: str
    model: str
    connections: int
    theirs: Summary
    ours: Summary

    @property
    def rate(self) -> float:
        """Servery's requests a second to theirs."""
        return _divide(self.ours.rate.value, self.theirs.rate.value)

    @property
    def p50(self) -> float:
        """Servery's median latency to theirs."""
        return _divide(self.ours.p50_ms.value, self.theirs.p50_ms.value)


def compare(turns: Sequence[Turn]) -> list[Comparison]:
    """Everyone else's targets at every load at which Servery was asked the same."""
    found = []
    for number, turn in enumerate(turns):
        if turn.server in (SERVERY, WITHOUT_MODEL):
            continue
        ours = next_to(turns, number)
        for (target, model, connections), theirs in summarise_all(turn.samples).items():
            same = select(ours, model, connections)
            if same:
                peer = turn.server.partition(",")[0]
                about = peer, target, model, connections
                found.append(Comparison(*about, theirs, summarise(same)))
    return found


def next_to(turns: Sequence[Turn], number: int) -> list[Sample]:
    """Servery's samples of its last turn before a turn and its first one after it."""
    before = [turn for turn in turns[:number] if turn.server == SERVERY][-1:]
    after = [turn for turn in turns[number:] if turn.server == SERVERY][:1]
    return [sample for turn in before + after for sample in turn.samples]


def select(samples: Sequence[Sample], model: str, connections: int) -> list[Sample]:
    """Servery asked about a model at a load, in JSON."""
    return [
        sample
        for sample in samples
        if sample.target.startswith(SERVERY)
        and sample.target != RAW
        and (sample.model, sample.connections) == (model, connections)
    ]


def best_by_peer(
    comparisons: Sequence[Comparison], model: str, connections: int
) -> list[Comparison]:
    """Each peer in its best configuration at a load, the fastest peer first.

    The best is the one that Servery is least ahead of.
    """
    found: dict[str, Comparison] = {}
    here = [c for c in comparisons if (c.model, c.connections) == (model, connections)]
    for each in sorted(here, key=lambda one: one.rate):
        found.setdefault(each.peer, each)
    return list(found.values())


def quickest_plain(comparisons: Sequence[Comparison]) -> Comparison | None:
    """Plain FastAPI where Servery's latency at one connection looks worst beside it."""
    alone = [
        each
        for each in comparisons
        if (each.peer, each.model, each.connections) == (PLAIN, "digits", 1)
    ]
    return max(alone, key=lambda each: each.p50, default=None)


def _divide(one: float, other: float) -> float:
    return one / other if other else float("inf")
