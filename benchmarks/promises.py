"""What was promised of two cores, and what a run gave: results to figures.

A promise rests on at least `ROUNDS` rounds of `SECONDS`, and is kept only if the whole
interval of their median keeps it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median

from benchmarks.results import Comparison, Key, Results, compare, interval
from benchmarks.subjects import (
    BARE,
    BFLOAT16,
    PLAIN,
    RAW,
    SERVERY,
    WITHOUT_MODEL,
)

ROUNDS, SECONDS = 5, 2.9  # wrk stops about then when it is asked for three
CLOSE = 1.25  # times the best: who may be it, after a single round
FULL_BATCH = 32  # rows
AT_LEAST, AT_MOST = True, False
BFLOAT16_MODELS = {"digits", "photo"}
BARE_DIGITS = f"{BARE}, digits"
NO_PEERS = (SERVERY, BFLOAT16, WITHOUT_MODEL, BARE)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A promise about Servery and another server, next to each other."""

    model: str  # that is asked
    connections: int  # that are kept busy
    peer: str | None  # whom it is about; None = whoever is the fastest
    bound: float  # what is promised
    # whether it is about median latencies, and not requests a second
    latency: bool = False

    @property
    def what(self) -> str:
        """In words."""
        plural = "s" if self.connections > 1 else ""
        at = f"{self.model} at {self.connections} connection{plural}"
        if self.latency:
            return f"{at}, p50 to {self.peer}, unbatched"
        return f"{at}, to {self.peer or 'the fastest peer'}, requests/s"

    def figures(self, one: Comparison) -> list[float]:
        """Of each round."""
        return one.p50s if self.latency else one.rates

    def candidates(self, comparisons: Sequence[Comparison]) -> list[Comparison]:
        """Whom it may be about, the one that comes nearest to Servery first."""
        found = [
            each
            for each in comparisons
            if (each.model, each.connections) == (self.model, self.connections)
            and (each.peer == self.peer if self.peer else is_peer(each))
        ]
        return sorted(
            found, key=lambda each: median(self.figures(each)), reverse=self.latency
        )

    def contenders(self, comparisons: Sequence[Comparison]) -> list[Comparison]:
        """Those that are so near to the first that a single round does not tell."""
        found = self.candidates(comparisons)
        middles = [median(self.figures(each)) for each in found]
        near = [max(m, middles[0]) <= CLOSE * min(m, middles[0]) for m in middles]
        return [each for each, is_near in zip(found, near, strict=True) if is_near]


# One more promise about a peer is one more line.
RATIOS = (
    Ratio("digits", 32, None, 1.7),
    Ratio("digits", 128, None, 1.5),
    Ratio("digits", 32, "LitServe", 4.0),
    Ratio("digits", 32, "MLServer", 4.0),
    Ratio("digits", 32, "BentoML", 8.0),
    Ratio("digits", 32, PLAIN, 3.5),
    Ratio("digits", 1, PLAIN, 0.5, latency=True),
    Ratio("sentiment", 1, None, 1.3),
    Ratio("sentiment", 32, None, 1.5),
    Ratio("photo", 1, None, 1.2),
    Ratio("photo", 8, None, 1.2),
)
IN_BFLOAT16 = 1.5  # times as much is promised, where the processor multiplies it


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, and what was measured of it."""

    what: str  # in words
    bound: float  # what was promised
    is_least: bool  # whether the bound is the least that is right, and not the most
    values: Sequence[float] = field(default=())  # of each round
    unit: str = ""  # behind all figures
    note: str = ""  # against whom
    is_long: bool = True  # whether all rounds were

    @property
    def kept(self) -> bool | None:
        """Whether the whole interval keeps it; None if nobody knows."""
        if len(self.values) < ROUNDS or not self.is_long:
            return None
        found = interval(self.values)
        if self.is_least:
            return found.low >= self.bound
        return found.high <= self.bound


def promises(results: Results, cores: int) -> Iterator[Promise]:
    """All of them; none is judged where rounds were shorter than `SECONDS`."""
    is_long = all(pair.ours.load.seconds >= SECONDS for pair in results.pairs)
    for each in _promises(results, cores):
        yield replace(each, is_long=is_long)


def _promises(results: Results, cores: int) -> Iterator[Promise]:
    comparisons = compare(results.pairs)
    for ratio in RATIOS:
        best = _most_rounds(ratio.candidates(comparisons))
        values, note = (ratio.figures(best), best.target) if best else ([], "")
        side = AT_MOST if ratio.latency else AT_LEAST
        yield Promise(ratio.what, ratio.bound, side, values, note=note)
    for ratio in RATIOS:
        if ratio.peer is None and ratio.model in BFLOAT16_MODELS:
            best = _most_rounds(ratio.candidates(comparisons))
            yield _in_bfloat16(ratio, best, comparisons)
    yield from _own(results, comparisons, cores)


def _in_bfloat16(
    ratio: Ratio, best: Comparison | None, comparisons: Sequence[Comparison]
) -> Promise:
    """The same with default settings: what both give beside Servery in float32."""
    ours = [
        each
        for each in comparisons
        if each.peer == BFLOAT16
        and (each.model, each.connections) == (ratio.model, ratio.connections)
    ]
    values, note = [], ""
    if ours and best:
        pairs = zip(best.rates, ours[0].rates, strict=False)
        values, note = [theirs / own for theirs, own in pairs], best.target
    what = ratio.what.replace(", to", " in bfloat16, to")
    return Promise(what, IN_BFLOAT16 * ratio.bound, AT_LEAST, values, note=note)


def contenders(results: Results) -> set[Key]:
    """After one round of everyone: whose other rounds the promises need."""
    comparisons = compare(results.pairs)
    found = [each for ratio in RATIOS for each in ratio.contenders(comparisons)]
    found += [c for c in comparisons if c.target in (RAW, WITHOUT_MODEL)]
    found += [c for c in comparisons if c.peer == BFLOAT16]
    bare = _named(comparisons, BARE_DIGITS), _best_bare(comparisons)
    found += [each for each in bare if each]
    return {(each.target, each.model, each.connections) for each in found}


def is_peer(one: Comparison) -> bool:
    """Whether it is another server, with a model."""
    return one.peer not in NO_PEERS


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the cores could do with digits at most; milliseconds of CPU for one."""

    cores: int  # of the machine
    model_ms: float  # of the bare model for an image, in full batches
    http_ms: float  # of HTTP and decoding
    client_ms: float  # of the load generator

    @property
    def rates(self) -> tuple[float, float]:
        """Requests a second if model and HTTP were all; and with the client's share."""
        ms = self.model_ms + self.http_ms
        return 1000 * self.cores / ms, 1000 * self.cores / (ms + self.client_ms)


def find_ceiling(comparisons: Sequence[Comparison], cores: int) -> Ceiling | None:
    """The ceiling; None where the model or HTTP was not measured alone."""
    bare, http = _named(comparisons, BARE_DIGITS), _named(comparisons, WITHOUT_MODEL)
    if not bare or not http:
        return None
    return Ceiling(
        cores,
        median(each.load.cpu_ms for each in bare.theirs),
        median(each.load.cpu_ms for each in http.theirs),
        median(1000 * s.load.client_cpu_s / s.load.good for s in http.theirs),
    )


def _own(
    results: Results, comparisons: Sequence[Comparison], cores: int
) -> Iterator[Promise]:
    """Those about Servery alone."""
    at = "digits at 32 connections"
    ours = [p.ours for p in results.pairs if p.ours.key == (SERVERY, "digits", 32)]
    tails = [each.load.p99_ms / each.load.p50_ms for each in ours]
    yield Promise(f"{at}, p99 to p50", 2.5, AT_MOST, tails)
    raw = _named(comparisons, RAW)
    gains = [1 / each for each in raw.rates] if raw else []
    yield Promise(f"{at}, raw `image/png` to JSON", 1.15, AT_LEAST, gains)
    shares = list(_to_ceiling(comparisons, cores))
    what = f"{at}, requests/s to the ceiling"
    yield Promise(what, 75, AT_LEAST, shares, " %")
    what = "photo at 8 connections, requests/s to the bare model on all cores"
    shares, note = [], ""
    if photo := _best_bare(comparisons):
        rate = median(each.load.rate for each in photo.theirs)
        shares = [100 * each for each in photo.rates]
        note = f"{rate:.1f} photos/s, {photo.connections} in a call"
    yield Promise(what, 95, AT_LEAST, shares, " %", note)
    ratios = [p.theirs.load.p99_ms / p.ours.load.p99_ms for p in results.weights]
    what = "digits at 1 connection, p99 beside photo at 8 to p99 alone"
    yield Promise(what, 3, AT_MOST, ratios)
    idle = [100 * share for share in results.idle.get(SERVERY, ())]
    yield Promise("CPU while idle, 30 s", 0.3, AT_MOST, idle, " % of a core")
    what = "second start to ready, the seven, over `import tensorflow` alone"
    yield Promise(what, 3, AT_MOST, results.starts, " s")
    what = "second start to the first right answer, digits alone"
    yield Promise(what, 1.5, AT_MOST, results.firsts, " s")


def _to_ceiling(comparisons: Sequence[Comparison], cores: int) -> Iterator[float]:
    """Servery's requests a second to the ceiling, of each round, in per cent."""
    bare, http = _named(comparisons, BARE_DIGITS), _named(comparisons, WITHOUT_MODEL)
    if bare and http:
        for one, other in zip(bare.pairs, http.pairs, strict=False):
            ms = one.theirs.load.cpu_ms + other.theirs.load.cpu_ms
            rate = fmean((one.ours.load.rate, other.ours.load.rate))
            yield 100 * rate / (1000 * cores / ms)


def _best_bare(comparisons: Sequence[Comparison]) -> Comparison | None:
    """Photo without a server, at the size that gives most."""
    found = [each for each in comparisons if each.target == f"{BARE}, photo"]
    most = _most_rounds(found)
    found = [each for each in found if most and len(each.pairs) == len(most.pairs)]
    return min(found, key=lambda each: each.rate, default=None)


def _named(comparisons: Sequence[Comparison], name: str) -> Comparison | None:
    """A target at 32 connections, or a bare model with as many rows in a call."""
    key = name, FULL_BATCH
    return next((c for c in comparisons if (c.target, c.connections) == key), None)


def _most_rounds(found: Sequence[Comparison]) -> Comparison | None:
    """The first of those that were measured most often."""
    return max(found, key=lambda each: len(each.pairs), default=None)
