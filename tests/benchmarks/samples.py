"""Figures as a run would give them."""

from collections.abc import Iterable

from benchmarks.load import Load
from benchmarks.processes import Memory
from benchmarks.results import Pair, Results, Sample
from benchmarks.subjects import (
    BARE,
    BFLOAT16,
    LOADS,
    PLAIN,
    RAW,
    SERVERY,
    WITHOUT_MODEL,
)

FAST, SLOW = "mosec, 2 workers", "mosec, 1 worker"
ROUNDS = 5


def load(
    rate: float, *, p50_ms: float = 10.0, p99_ms: float = 20.0, cpu_s: float = 1.5
) -> Load:
    """Three seconds of load, which took a tenth of a core to make."""
    return Load(round(3 * rate), 3.0, p50_ms, p99_ms, {}, 0.3, cpu_s)


def sample(
    rate: float,
    *,
    target: str = SERVERY,
    model: str = "digits",
    connections: int = 32,
    p50_ms: float = 10.0,
    p99_ms: float = 20.0,
    cpu_s: float = 1.5,
    others: float = 0.01,
) -> Sample:
    """Three seconds of load."""
    seen = load(rate, p50_ms=p50_ms, p99_ms=p99_ms, cpu_s=cpu_s)
    return Sample(target, model, connections, seen, others)


def pairs(
    target: str, rate: float, ours: float = 3000, connections: Iterable[int] = (32,)
) -> list[Pair]:
    """Digits, at every load as often as a promise needs."""
    return [
        Pair(
            sample(rate, target=target, connections=number),
            sample(ours, connections=number),
        )
        for number in connections
        for _ in range(ROUNDS)
    ]


def photos(target: str, connections: int, rate: float, ours: float) -> list[Pair]:
    """Photo, beside Servery at eight connections."""
    theirs = sample(rate, target=target, model="photo", connections=connections)
    about = {"target": f"{SERVERY}, photo", "model": "photo", "connections": 8}
    return [Pair(theirs, sample(ours, **about))] * ROUNDS  # type: ignore[arg-type]


def results() -> Results:
    """Servery slows down while it is measured, as on a shared machine."""
    every = LOADS["digits"]
    plain = f"{PLAIN}, 1 worker, `def`"
    bare = sample(4000, target=f"{BARE}, digits", cpu_s=3.0)
    found = Results({"Machine": "an abacus"})
    found.pairs = [
        *[Pair(bare, sample(3000))] * ROUNDS,
        *pairs(WITHOUT_MODEL, 5000),
        *pairs(RAW, 4500),
        *pairs(FAST, 2000, 3000, every),
        *pairs(SLOW, 1000, 2000, every),
        *pairs(BFLOAT16, 4000, 2000, every),
        *pairs(plain, 500, 1000, every),
        *photos(f"{BARE}, photo", 8, 25, 20),
        *photos(f"{BARE}, photo", 1, 10, 20),
    ]
    beside, alone = sample(300, p99_ms=8), sample(900, p99_ms=2)
    found.weights = [Pair(beside, alone)] * ROUNDS
    found.idle[SERVERY] = [0.002] * ROUNDS
    found.memory[SERVERY] = Memory(processes=3, rss=3 * 2**20, pss=2 * 2**20)
    found.starts = [2.5] * ROUNDS
    found.firsts = [1.4] * ROUNDS
    return found
