"""Figures as a run would give them."""

from dataclasses import replace

from benchmarks.bare import Bare
from benchmarks.load import Load
from benchmarks.processes import Memory
from benchmarks.results import Results, Sample, Start, Turn, Upkeep
from benchmarks.subjects import CONNECTIONS, PLAIN, RAW, SERVERY, WITHOUT_MODEL

FAST, SLOW = "mosec, 2 workers", "mosec, 1 worker"
PHOTO = f"{SERVERY}, photo"


def load(rate: float, *, p50_ms: float = 10.0, p99_ms: float = 20.0) -> Load:
    """One second of load, which took a tenth of a core to make."""
    return Load(round(rate), 1.0, p50_ms, p99_ms, p99_ms, {}, 0.1)


def sample(
    rate: float,
    *,
    target: str = SERVERY,
    model: str = "digits",
    connections: int = 32,
    p50_ms: float = 10.0,
    p99_ms: float = 20.0,
    batches: float = 0.0,
    errors: dict[str, int] | None = None,
    others: float = 0.01,
) -> Sample:
    """One second of load; the server took half of it, each batch had eight rows."""
    seen = replace(load(rate, p50_ms=p50_ms, p99_ms=p99_ms), errors=errors or {})
    about = target, model, connections
    return Sample(*about, seen, 0.5, rows=8 * batches, batches=batches, others=others)


def turn(server: str, rate: float, target: str | None = None) -> Turn:
    """Digits at every load."""
    samples = [
        sample(rate, target=target or server, connections=number)
        for number in CONNECTIONS
    ]
    memory = Memory(processes=3, rss_bytes=3 * 2**20, pss_bytes=2 * 2**20)
    upkeep = Upkeep(0.002, memory)
    return Turn(server, samples, upkeep=upkeep, measured=len(samples))


def own_turn(rate: float) -> Turn:
    """Servery's, which is asked in its other ways too."""
    common = turn(SERVERY, rate)
    more = [
        sample(1.5 * rate, target=RAW),
        sample(20, target=PHOTO, model="photo", connections=8),
    ]
    samples = common.samples + more
    return replace(common, samples=samples, measured=len(samples))


def bare(model: str, size: int, rows_s: float, cpu_ms: float = 0.25) -> Bare:
    """Some calls of a model."""
    return Bare(model, 1, size, rows_s, 5.0, cpu_ms, 0.01)


def results() -> Results:
    """Servery slows down between its turns, as a shared machine does."""
    found = Results({"Machine": "an abacus"})
    found.turns = [
        own_turn(3000),
        Turn("bare model, digits", bare=[bare("digits", 32, 4000)], measured=1),
        turn(WITHOUT_MODEL, 5000),
        own_turn(3000),
        turn(FAST, 2000),
        own_turn(3000),
        turn(SLOW, 1000),
        own_turn(1000),
        Turn("bare model, photo", bare=[bare("photo", 8, 25.0)], measured=1),
        turn(f"{PLAIN}, 1 worker", 500, f"{PLAIN}, 1 worker, `def`"),
        own_turn(1000),
    ]
    found.alone, found.beside = [load(900, p99_ms=2)], [load(300, p99_ms=8)]
    found.starts = [Start(9.0, 5.5)]
    return found
