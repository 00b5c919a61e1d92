"""Clothing: images a second, through the service and without a server.

Writes docs/benchmarks-clothing.md:

    python -m benchmarks.generate
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from benchmarks.facts import ROOT
from benchmarks.load import Load, LoadError, run_load
from benchmarks.processes import Watch
from benchmarks.servers import Running, ServerError, running
from benchmarks.subjects import cores, servery
from benchmarks.summary import Median
from benchmarks.table import figure, spread, table
from service.contract.manifest import Manifest, read_manifest
from service.engine.batching.tensors import Tensors, slice_rows
from service.engine.disk import find_versions
from service.models.clothing.generation_answer import GeneratedClothing
from service.models.clothing.latents import draw_latents
from service.models.clothing.vocabulary import (
    CATEGORIES,
    DECODER,
    GENERATORS,
    latent_dims,
    weigh,
)
from service.settings import Settings
from service.web.http.body import JSON

if TYPE_CHECKING:
    from service.engine.compute.tensorflow_runtime import TensorFlowModel

COUNTS = (1, 16, 256)
LOADS = (1, 32)  # connections
SEEDS = 16  # bodies sent in turn
SETTINGS = {  # by default much of the largest load is refused, or late
    "SERVERY_MAX_QUEUE_ROWS": str(2 * max(COUNTS) * max(LOADS)),
    "SERVERY_TIMEOUT_MS": "60000",
}

Key = tuple[str, int, int]  # generator, count, connections
Rates = dict[tuple[str, int], tuple[float, float]]  # by generator and count
Folder = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=20, show_default=True, help="Of one load.")
@click.option("--rounds", default=3, show_default=True, help="Of all loads.")
@click.option(
    "--artifacts",
    type=Folder,
    default=ROOT / "artifacts",
    help="Folder that holds clothing_<generator>/<version>/.  [default: artifacts]",
)
@click.option(
    "--output",
    type=Folder,
    default=ROOT / "docs",
    help="Folder for benchmarks-clothing.md.  [default: docs]",
)
def main(seconds: int, rounds: int, artifacts: Path, output: Path) -> None:
    """Measure both generators at 1, 16 and 256 images a request, and write it down.

    The machine should have nothing else to do. Needs Linux, and wrk.
    """
    folders = _newest(artifacts)
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="servery-bench-") as name:
        bodies = write_bodies(folders, Path(name))
        server, _ = servery(artifacts.resolve())
        server = replace(server, environment=SETTINGS)
        try:
            with running([server], Path(name)) as started:
                loads = _loads(started[server.name], bodies, seconds, rounds)
        except (LoadError, ServerError) as error:
            raise click.ClickException(str(error)) from error
    page = render(loads, _bare(folders, seconds), watch.others())
    (output / "benchmarks-clothing.md").write_text(page, encoding="utf-8")
    click.echo(page)


def write_bodies(
    generators: Iterable[str], folder: Path
) -> dict[tuple[str, int], Path]:
    """Write what is sent, by generator and count: so many bodies as there are seeds."""
    written = {}
    for generator in generators:
        for count in COUNTS:
            place = written[generator, count] = folder / f"{generator}-{count}"
            place.mkdir()
            for seed in range(SEEDS):
                wish = {"generator": generator, "count": count, "seed": seed}
                (place / str(seed)).write_text(json.dumps(wish))
    return written


def measure_bare(
    model: "TensorFlowModel", manifest: Manifest, count: int, seconds: float
) -> tuple[float, float]:
    """Images a second without a server, in requests of `count`, one after the other.

    Returns:
        The decoder alone; and with what the service does besides: latents drawn from
        the seed, PNG, base64, JSON.
    """
    dims = latent_dims(manifest)
    names = [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]
    rows: Tensors = (draw_latents(0, count, dims, 1.0), weigh(names))

    def answer() -> None:
        drawn = (draw_latents(0, count, dims, 1.0), weigh(names))
        images = run_in_batches(model, manifest.batch_sizes, drawn)
        GeneratedClothing({}, names, drawn[0], images, False, 1).respond(JSON)

    decode = lambda: run_in_batches(model, manifest.batch_sizes, rows)  # noqa: E731
    return (
        count / _seconds_a_call(decode, seconds),
        count / _seconds_a_call(answer, seconds),
    )


def run_in_batches(
    model: "TensorFlowModel", sizes: tuple[int, ...], rows: Tensors
) -> np.ndarray:
    """Decode rows in the largest batches allowed; the last one may be smaller.

    Args:
        model: A generator.
        sizes: Its batch sizes, rising, 1 among them.
        rows: Latents (rows, dims) and weights (rows, 10).

    Returns:
        uint8 (rows, 28, 28).
    """
    parts, start, count = [], 0, len(rows[0])
    while start < count:
        size = max(each for each in sizes if each <= count - start)
        parts.append(model.run(DECODER, slice_rows(rows, start, start + size))[0])
        start += size
    return np.concatenate(parts)


def render(loads: Mapping[Key, list[Load]], bare: Rates, others: float) -> str:
    """The page.

    Args:
        loads: The rounds of every load.
        bare: Images a second without a server: decoder, and with the pictures.
        others: Share of the machine that other programs took.
    """
    served = [
        [
            f"{generator}, {count}",
            str(connections),
            spread(Median.of([count * _granted(each) for each in found])),
            figure(statistics.median(each.p50_ms for each in found)),
            figure(statistics.median(each.p99_ms for each in found)),
            str(sum(each.errors.get("status", 0) for each in found)),
        ]
        for (generator, count, connections), found in loads.items()
    ]
    alone = [
        [f"{generator}, {count}", *map(figure, rates)]
        for (generator, count), rates in bare.items()
    ]
    head = "Generator, images a request"
    figures = ["connections", "images/s", "p50 ms", "p99 ms", "refused"]
    return INTRODUCTION.format(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cores=cores(),
        others=f"{others:.0%}",
        settings=", ".join(f"`{key}={value}`" for key, value in SETTINGS.items()),
        served=table([head, *figures], served),
        bare=table([head, "decoder, images/s", "with pictures, images/s"], alone),
    )


def _granted(load: Load) -> float:
    """Requests a second that got images; wrk counts those that were refused too."""
    return (load.requests - load.errors.get("status", 0)) / load.seconds


def _newest(artifacts: Path) -> dict[str, Path]:
    """By generator, the version that the service answers with."""
    found = find_versions(artifacts)
    folders = {}
    for generator, model in GENERATORS.items():
        if not found.get(model):
            raise click.ClickException(
                f"no {model} in {artifacts}; to get it: python -m training {model}"
            )
        folders[generator] = artifacts / model / str(max(found[model]))
    return folders


def _loads(
    server: Running, bodies: Mapping[tuple[str, int], Path], seconds: int, rounds: int
) -> dict[Key, list[Load]]:
    found: dict[Key, list[Load]] = {}
    for _ in range(rounds):
        for (generator, count), folder in bodies.items():
            for connections in LOADS:
                load = run_load(
                    server.url("/v1/generate/clothing"),
                    folder,
                    JSON,
                    connections=connections,
                    seconds=seconds,
                )
                found.setdefault((generator, count, connections), []).append(load)
                click.echo(f"{generator} {count} {connections}", err=True)
    return found


def _bare(folders: Mapping[str, Path], seconds: float) -> Rates:
    from service.engine.compute.tensorflow_runtime import TensorFlowRuntime

    runtime = TensorFlowRuntime("auto", Settings().number_of_tensorflow_threads())
    rates: Rates = {}
    for generator, folder in folders.items():
        manifest = read_manifest(folder)
        model = runtime.load(folder, manifest)
        model.warm()
        for count in COUNTS:
            rates[generator, count] = measure_bare(model, manifest, count, seconds)
    return rates


def _seconds_a_call(call: Callable[[], object], seconds: float) -> float:
    """The median."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while not taken or time.perf_counter() < until:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


INTRODUCTION = """# Benchmarks of clothing

Written by `python -m benchmarks.generate` on {date}, on {cores} cores, of which other
programs took {others} meanwhile. Every request asks for so many images, of all
categories in turn, and gets JSON with a PNG in base64 and the latent vector of each;
wrk on the same cores; medians of the rounds, the lowest and the highest behind them.
The service runs with {settings}:
32 requests for 256 images are more rows than may wait by default, and those beyond are
refused at once. “Refused” counts what was not answered with images.

{served}
## Images a second without a server

One call after the other in one process, in the largest batches allowed, with as many
TensorFlow threads as the service uses: the decoder alone; and with the latents drawn
from the seed, and PNG, base64 and JSON made of the images, as the service does.

{bare}"""


if __name__ == "__main__":
    main()
