"""What was promised of two cores, and what a run gave. Pure: results to figures."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.ceiling import find_bare, find_ceiling
from benchmarks.neighbours import (
    Comparison,
    best_by_peer,
    compare,
    next_to,
    quickest_plain,
    select,
)
from benchmarks.results import Results, Sample, Turn
from benchmarks.subjects import PLAIN, RAW, SERVERY
from benchmarks.summary import summarise
from benchmarks.table import figure, table

BY_PEER = (("LitServe", 3.0), ("MLServer", 2.5), ("BentoML", 5.0), (PLAIN, 3.0))


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise.

    Attributes:
        what: In words.
        bound: What was promised.
        measured: None if this run did not.
        least: Whether the bound is the least that is right, and not the most.
        unit: Behind both figures.
        note: Against whom.
    """

    what: str
    bound: float
    measured: float | None
    least: bool
    unit: str = ""
    note: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether it was; None if nobody knows."""
        if self.measured is None:
            return None
        if self.least:
            return self.measured >= self.bound
        return self.measured <= self.bound


def promises(results: Results, cores: int) -> list[Promise]:
    """All of them."""
    comparisons = compare(results.turns)
    return [
        _fastest(comparisons, 32, 1.3),
        _fastest(comparisons, 128, 1.1),
        *(_against(comparisons, peer, bound) for peer, bound in BY_PEER),
        _alone(comparisons),
        *_own(results.samples),
        _to_ceiling(results.turns, cores),
        _photo(results.turns),
        _fair(results),
        _idle(results.turns),
        _start(results),
    ]


def render(kept: Sequence[Promise]) -> str:
    """A table of them."""
    words = {True: "kept", False: "**missed**", None: "not measured"}
    rows = [
        [
            each.what,
            f"{'at least' if each.least else 'at most'} {each.bound:g}{each.unit}",
            "–" if each.measured is None else f"{figure(each.measured)}{each.unit}",
            words[each.kept],
            each.note,
        ]
        for each in kept
    ]
    return table(("", "promised", "measured", "", "against"), rows)


def _fastest(
    comparisons: Sequence[Comparison], connections: int, bound: float
) -> Promise:
    best = best_by_peer(comparisons, "digits", connections)[:1]
    return _ahead(
        f"digits at {connections} connections, to the fastest peer", bound, best
    )


def _against(comparisons: Sequence[Comparison], peer: str, bound: float) -> Promise:
    every = best_by_peer(comparisons, "digits", 32)
    best = [each for each in every if each.peer == peer]
    return _ahead(f"digits at 32 connections, to {peer}", bound, best)


def _ahead(what: str, bound: float, best: Sequence[Comparison]) -> Promise:
    rate, note = (best[0].rate, best[0].target) if best else (None, "")
    return Promise(f"{what}, requests/s", bound, rate, least=True, note=note)


def _alone(comparisons: Sequence[Comparison]) -> Promise:
    plain = quickest_plain(comparisons)
    p50, note = (plain.p50, plain.target) if plain else (None, "")
    what = "digits at 1 connection, p50 to plain FastAPI, unbatched"
    return Promise(what, 1, p50, least=False, note=note)


def _own(samples: Sequence[Sample]) -> list[Promise]:
    as_json = select(samples, "digits", 32)
    raw = [sample for sample in samples if sample.target == RAW]
    tail = gain = None
    if as_json:
        summary = summarise(as_json)
        tail = summary.p99_ms.value / summary.p50_ms.value
        gain = summarise(raw).rate.value / summary.rate.value if raw else None
    what = "digits at 32 connections"
    return [
        Promise(f"{what}, p99 to p50", 3, tail, least=False),
        Promise(f"{what}, raw `image/png` to JSON", 1.15, gain, least=True),
    ]


def _to_ceiling(turns: Sequence[Turn], cores: int) -> Promise:
    ceiling, bare = find_ceiling(turns, cores), find_bare(turns, "digits")
    share = None
    if ceiling and bare:
        share = _share(select(next_to(turns, bare[0]), "digits", 32), ceiling.rate)
    what = "digits at 32 connections, requests/s to the ceiling"
    return Promise(what, 85, share, least=True, unit=" %")


def _photo(turns: Sequence[Turn]) -> Promise:
    bare = find_bare(turns, "photo")
    share, note = None, ""
    if bare:
        number, calls = bare
        rates = {
            size: statistics.median(each.rows_s for each in calls if each.size == size)
            for size in {each.size for each in calls}
        }
        size = max(rates, key=lambda one: rates[one])
        share = _share(select(next_to(turns, number), "photo", 8), rates[size])
        note = f"{rates[size]:.1f} photos/s, {size} in a call"
    what = "photo at 8 connections, requests/s to the bare model on all cores"
    return Promise(what, 95, share, least=True, unit=" %", note=note)


def _fair(results: Results) -> Promise:
    alone, beside = (
        [load.p99_ms for load in loads] for loads in (results.alone, results.beside)
    )
    ratio = statistics.median(beside) / statistics.median(alone) if alone else None
    what = "digits at 1 connection, p99 beside photo at 8 to p99 alone"
    return Promise(what, 5, ratio, least=False)


def _idle(turns: Sequence[Turn]) -> Promise:
    idle = [t.upkeep.idle for t in turns if t.server == SERVERY and t.upkeep]
    share = 100 * statistics.fmean(idle) if idle else None
    return Promise("CPU while idle", 0.5, share, least=False, unit=" % of a core")


def _start(results: Results) -> Promise:
    more = [each.ready_s - each.import_s for each in results.starts]
    what = "start to ready, all small models, over `import tensorflow` alone"
    seconds = statistics.median(more) if more else None
    return Promise(what, 4, seconds, least=False, unit=" s")


def _share(samples: Sequence[Sample], most: float) -> float | None:
    """Of `most` requests a second, in per cent."""
    return 100 * summarise(samples).rate.value / most if samples else None
