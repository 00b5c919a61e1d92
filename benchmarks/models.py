"""Every model: batched, unbatched, and without a server; docs/benchmarks-models.md.

    python -m benchmarks.models

What a light model suffers beside a heavy one is measured by `python -m benchmarks`.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.bare import bare_model
from benchmarks.facts import now
from benchmarks.processes import Watch
from benchmarks.subjects import ARTIFACTS, cores, find_models
from benchmarks.tables import LOAD_COLUMNS, figure, load_cells, table, write_page
from benchmarks.turns import Way, measure_in_turns
from benchmarks.workloads import WORK
from service.contract.manifest import read_manifest
from service.settings import Settings

LOADS = (1, 32)  # connections
KINDS: dict[str, dict[str, str]] = {
    "batched": {},
    "unbatched": {"SERVERY_MAX_BATCH_ROWS": "1"},
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=3, show_default=True, help="Of one load.")
@click.option("--rounds", default=5, show_default=True, help="Of all loads.")
def main(seconds: int, rounds: int) -> None:
    """Measure every model that lies in artifacts/, and write it down."""
    models, watch = find_models(ARTIFACTS, tuple(WORK)), Watch()
    bodies = {name: WORK[name]().bodies for name in models}
    ways = {n: Way(f"/v1/predict/{n}", each) for n, each in bodies.items() if each}
    loads = measure_in_turns(ways, KINDS, LOADS, seconds, rounds)
    served = [
        [f"{name}, {connections}", kind, *load_cells(found)]
        for (name, kind, connections), found in loads.items()
    ]
    write_page(
        "benchmarks-models.md",
        loads=table(("Model, connections", "", *LOAD_COLUMNS), served),
        bare=measure_bare(models, seconds),
        written=describe("models", watch.others()),
    )


def describe(module: str, others: float) -> str:
    """How a page came about; `others` is the share of the machine others took."""
    return f"""\
Written by `python -m benchmarks.{module}` on {now()}, on {cores()} cores, of which
other programs took {others:.0%} meanwhile. wrk on the same cores; medians of the
rounds, the interval that holds the true median behind them."""


def measure_bare(models: Mapping[str, Path], seconds: float) -> str:
    """A table of rows a second without a server: one row, and the largest batch."""
    threads, rows = Settings().number_of_tensorflow_threads(), []
    for name, folder in models.items():
        with bare_model(name, folder, threads) as measure:
            sizes = (1, max(read_manifest(folder).batch_sizes))
            rates = [(measure(size, seconds).rate, size) for size in sizes]
        rows.append([name, *(f"{figure(rate)} ({size} rows)" for rate, size in rates)])
    return table(("Model", "one row", "largest batch"), rows)


if __name__ == "__main__":
    main()
