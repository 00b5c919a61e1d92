"""Every model: batched, unbatched, and without a server; docs/benchmarks-models.md.

    python -m benchmarks.models

Also what a light model suffers when a heavy one is asked without a pause.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.facts import ROOT
from benchmarks.fairness import measure_beside
from benchmarks.load import Load, run_load
from benchmarks.processes import Watch
from benchmarks.servers import Running, running
from benchmarks.subjects import servery
from benchmarks.summary import Median
from benchmarks.table import figure, spread, table
from benchmarks.workloads import WORK, Work
from service.contract.manifest import read_manifest
from service.engine.batching.tensors import Tensors
from service.settings import Settings

if TYPE_CHECKING:
    from service.engine.compute.tensorflow_runtime import TensorFlowModel

ARTIFACTS = ROOT / "artifacts"
LOADS = (1, 32)
BATCHED, UNBATCHED = "batched", "unbatched"
HEAVY_CONNECTIONS = 8


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=3, show_default=True, help="Of one load.")
@click.option("--rounds", default=3, show_default=True, help="Of all loads.")
def main(seconds: int, rounds: int) -> None:
    """Measure every model that lies in artifacts/, and write it down."""
    names = [name for name in WORK if (ARTIFACTS / name / "1").is_dir()]
    works = {name: WORK[name]() for name in names}
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="servery-bench-") as folder:
        with _servers(Path(folder)) as servers:
            bodies = _write(works, Path(folder))
            loads = _loads(servers, bodies, seconds, rounds)
            fair = _fairness(servers[BATCHED], bodies, seconds, rounds)
        bare = _bare(works, seconds)
    page = _page(loads, bare, fair, watch.others())
    (ROOT / "docs" / "benchmarks-models.md").write_text(page)
    click.echo(page)


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, Running]]:
    server, _ = servery(ARTIFACTS)
    single = {"SERVERY_MAX_BATCH_ROWS": "1"}
    both = [
        replace(server, name=BATCHED),
        replace(server, name=UNBATCHED, environment=single),
    ]
    with running(both, folder) as started:
        yield started


def _write(works: dict[str, Work], folder: Path) -> dict[str, Path]:
    for name, work in works.items():
        (folder / name).mkdir()
        for number, body in enumerate(work.bodies):
            (folder / name / str(number)).write_bytes(body)
    return {name: folder / name for name in works}


def _ask(
    server: Running, name: str, bodies: Path, connections: int, seconds: int
) -> Load:
    return run_load(
        server.url(f"/v1/predict/{name}"),
        bodies,
        "application/json",
        connections=connections,
        seconds=seconds,
    )


Key = tuple[str, str, int]  # model, server, connections


def _loads(
    servers: dict[str, Running], bodies: dict[str, Path], seconds: int, rounds: int
) -> dict[Key, list[Load]]:
    found: dict[Key, list[Load]] = {}
    for _ in range(rounds):
        for name, folder in bodies.items():
            for connections in LOADS:
                for kind, server in servers.items():
                    load = _ask(server, name, folder, connections, seconds)
                    found.setdefault((name, kind, connections), []).append(load)
                    click.echo(f"{name} {kind} {connections}", err=True)
    return found


def _fairness(
    server: Running, bodies: dict[str, Path], seconds: int, rounds: int
) -> dict[str, list[Load]]:
    """Digits at one connection: alone, and while photo is asked without a pause."""
    found: dict[str, list[Load]] = {"alone": [], "beside photo": []}
    if "photo" not in bodies:
        return found
    light = partial(_ask, server, "digits", bodies["digits"], 1)
    heavy = partial(_ask, server, "photo", bodies["photo"], HEAVY_CONNECTIONS)
    for _ in range(rounds):
        alone, beside = measure_beside(light, heavy, seconds)
        found["alone"].append(alone)
        found["beside photo"].append(beside)
    return found


def _bare(works: dict[str, Work], seconds: float) -> dict[str, dict[int, float]]:
    """Rows a second by model and batch size: one row, and the largest batch."""
    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    runtime = TensorFlowRuntime("auto", Settings().number_of_tensorflow_threads())
    found: dict[str, dict[int, float]] = {}
    for name, work in works.items():
        manifest = read_manifest(ARTIFACTS / name / "1")
        model = runtime.load(ARTIFACTS / name / "1", manifest)
        model.warm()
        found[name] = {
            size: size / _seconds_a_call(model, work.rows(size), seconds)
            for size in (1, max(manifest.batch_sizes))
        }
    return found


def _seconds_a_call(model: "TensorFlowModel", rows: Tensors, seconds: float) -> float:
    taken, until = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        model.run("serving_default", rows)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _page(
    loads: dict[Key, list[Load]],
    bare: dict[str, dict[int, float]],
    fair: dict[str, list[Load]],
    others: float,
) -> str:
    rows = [
        [
            f"{name}, {connections}",
            kind,
            spread(Median.of([each.requests / each.seconds for each in found])),
            figure(statistics.median(each.p50_ms for each in found)),
            figure(statistics.median(each.p99_ms for each in found)),
            str(sum(sum(each.errors.values()) for each in found)),
        ]
        for (name, kind, connections), found in loads.items()
    ]
    head = ["Model, connections", "", "requests/s", "p50 ms", "p99 ms", "errors"]
    bare_rows = [
        [name, *(f"{figure(rate)} ({size} rows)" for size, rate in sizes.items())]
        for name, sizes in bare.items()
    ]
    fair_rows = [
        [
            f"digits, {kind}",
            figure(statistics.median(each.requests / each.seconds for each in found)),
            figure(statistics.median(each.p50_ms for each in found)),
            figure(statistics.median(each.p99_ms for each in found)),
        ]
        for kind, found in fair.items()
        if found
    ]
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return INTRODUCTION.format(
        date=date,
        cores=len(os.sched_getaffinity(0)),
        others=f"{others:.0%}",
        loads=table(head, rows),
        bare=table(["Model", "one row", "largest batch"], bare_rows),
        fair=table(["", "requests/s", "p50 ms", "p99 ms"], fair_rows),
        heavy=HEAVY_CONNECTIONS,
    )


INTRODUCTION = """# Benchmarks by model

Written by `python -m benchmarks.models` on {date}, on {cores} cores, of which other
programs took {others} meanwhile. One row a request; wrk on the same cores; “unbatched”
is the same service with `SERVERY_MAX_BATCH_ROWS=1`; medians of the rounds, the lowest
and the highest behind them.

{loads}
## Rows a second without a server

One call after the other, with as many TensorFlow threads as the service uses.

{bare}
## A light model beside a heavy one

Digits at one connection, alone and while {heavy} connections ask photo without a
pause. Every version computes in its own thread and the kernel shares the cores; a
batch of photo is at most four rows, about 200 ms. One TensorFlow thread for all models,
as was tried first, ran their operations in turn: 75 times the latency of digits alone.

{fair}"""


if __name__ == "__main__":
    main()
