"""Figures as a run would give them."""

from benchmarks.bare import SIZES, Bare
from benchmarks.load import Load
from benchmarks.processes import Memory
from benchmarks.results import Results, Sample, Upkeep
from benchmarks.subjects import CONNECTIONS, RAW, SERVERY, Target

PLAIN = "plain, 1 worker, `def`"
SLOWER = "plain, 1 worker, `async def`"
TARGETS = [
    Target(SERVERY, SERVERY, "/v1/predict/digits"),
    Target(RAW, SERVERY, "/v1/predict/digits", "image/png", (32,)),
    Target(PLAIN, "plain, 1 worker", "/def"),
    Target(SLOWER, "plain, 1 worker", "/async"),
]


def sample(
    rate: float,
    *,
    p50_ms: float = 10.0,
    p99_ms: float = 20.0,
    batches: float = 0.0,
    errors: dict[str, int] | None = None,
    others: float = 0.01,
) -> Sample:
    """One second of load; the server took half of it, each batch had eight rows."""
    load = Load(round(rate), 1.0, p50_ms, p99_ms, p99_ms, errors or {}, 0.1)
    return Sample(load, cpu_s=0.5, rows=8 * batches, batches=batches, others=others)


def results() -> Results:
    """Servery three times as fast as the better of the others."""
    found = Results(measured=20)
    for target in TARGETS:
        rate = {PLAIN: 1000.0, SLOWER: 500.0}.get(target.name, 3000.0)
        for connections in target.connections:
            found.samples[target.name, connections] = [sample(rate)]
    for size in SIZES:
        found.bare[size] = [Bare(images_s=2000.0, ms=0.5, others=0.01)]
    for server in {target.server for target in TARGETS}:
        memory = Memory(processes=3, rss_bytes=3 * 2**20, pss_bytes=2 * 2**20)
        found.before[server] = found.after[server] = Upkeep(0.002, memory)
        found.answered[server] = 100_000
    assert set(CONNECTIONS) >= {1, 32}
    return found
