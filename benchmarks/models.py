"""Every model: batched, unbatched, and without a server; docs/benchmarks-models.md.

    python -m benchmarks.models

What a light model suffers beside a heavy one is measured by `python -m benchmarks`.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.bare import bare_model
from benchmarks.facts import now
from benchmarks.load import Load, run_load
from benchmarks.processes import Watch
from benchmarks.servers import running
from benchmarks.subjects import ARTIFACTS, JSON, ROOT, cores, find_models, servery
from benchmarks.tables import LOAD_COLUMNS, figure, load_cells, table
from benchmarks.workloads import WORK, write_bodies
from service.contract.manifest import read_manifest
from service.settings import Settings

LOADS = (1, 32)  # connections
KINDS: dict[str, dict[str, str]] = {
    "batched": {},
    "unbatched": {"SERVERY_MAX_BATCH_ROWS": "1"},
}

Loads = dict[tuple[str, str, int], list[Load]]
"""By what is asked, the kind of service, and connections: all rounds."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=3, show_default=True, help="Of one load.")
@click.option("--rounds", default=5, show_default=True, help="Of all loads.")
def main(seconds: int, rounds: int) -> None:
    """Measure every model that lies in artifacts/, and write it down."""
    models, watch = find_models(ARTIFACTS, tuple(WORK)), Watch()
    bodies = {name: WORK[name]().bodies for name in models}
    asked = {n: (f"/v1/predict/{n}", each) for n, each in bodies.items() if each}
    loads = measure_served(KINDS, asked, seconds, rounds)
    served = [
        [f"{name}, {connections}", kind, *load_cells(found)]
        for (name, kind, connections), found in loads.items()
    ]
    page = PAGE.format(
        loads=table(("Model, connections", "", *LOAD_COLUMNS), served),
        bare=measure_bare(models, seconds),
        written=describe("models", watch.others()),
    )
    write_page("benchmarks-models.md", page)


def write_page(name: str, page: str) -> None:
    """Print a page, and write it to docs/."""
    (ROOT / "docs" / name).write_text(page, encoding="utf-8")
    click.echo(page)


def describe(module: str, others: float) -> str:
    """How a page came about; `others` is the share of the machine others took."""
    return f"""\
Written by `python -m benchmarks.{module}` on {now()}, on {cores()} cores, of which
other programs took {others:.0%} meanwhile. wrk on the same cores; medians of the
rounds, the interval that holds the true median behind them."""


def measure_served(
    kinds: Mapping[str, Mapping[str, str]],
    asked: Mapping[str, tuple[str, list[bytes]]],
    seconds: int,
    rounds: int,
) -> Loads:
    """All loads through the service, in turns.

    Args:
        kinds: Of the service: what is set in the environment of each.
        asked: The path, and the bodies that are sent in turn.
        seconds: Of one load.
        rounds: Of all loads.
    """
    found: Loads = defaultdict(list)
    with ExitStack() as stack:
        folder, urls = Path(stack.enter_context(TemporaryDirectory())), {}
        bodies = {name: write_bodies(each, folder) for name, (_, each) in asked.items()}
        for kind, environment in kinds.items():
            server, _ = servery(ARTIFACTS, name=kind, environment=environment)
            urls[kind] = stack.enter_context(running(server, folder)).url()
        for key in rounds * list(product(asked, LOADS, kinds)):
            click.echo(" ".join(map(str, key)), err=True)
            name, connections, kind = key
            target = urls[kind] + asked[name][0], bodies[name], JSON
            load = run_load(*target, connections=connections, seconds=seconds)
            found[name, kind, connections].append(load)
    return found


def measure_bare(models: Mapping[str, Path], seconds: float) -> str:
    """A table of rows a second without a server: one row, and the largest batch."""
    threads, rows = Settings().number_of_tensorflow_threads(), []
    for name, folder in models.items():
        with bare_model(name, folder, threads) as measure:
            sizes = (1, max(read_manifest(folder).batch_sizes))
            rates = [(measure(size, seconds)[0].rate, size) for size in sizes]
        rows.append([name, *(f"{figure(rate)} ({size} rows)" for rate, size in rates)])
    return table(("Model", "one row", "largest batch"), rows)


PAGE = """# Benchmarks by model

{written} One row a request; “unbatched” is
the same service with `SERVERY_MAX_BATCH_ROWS=1`.

{loads}
## Rows a second without a server

One call after the other, with as many TensorFlow threads as the service uses.

{bare}"""


if __name__ == "__main__":
    main()
