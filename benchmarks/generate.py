"""Clothing: images a second, through the service and without a server.

Writes docs/benchmarks-clothing.md:

    python -m benchmarks.generate
"""

import json

import click

from benchmarks.models import LOADS, describe, measure_bare
from benchmarks.processes import Watch
from benchmarks.subjects import ARTIFACTS, find_models
from benchmarks.tables import LOAD_COLUMNS, load_cells, table, write_page
from benchmarks.turns import Loads, Way, measure_in_turns

GENERATORS = {"clothing_vae": "vae", "clothing_gan": "gan"}
COUNTS = (1, 16, 256)  # images a request
SEEDS = 16  # bodies sent in turn
SETTINGS = {  # by default much of the largest load is refused, or late
    "SERVERY_MAX_QUEUE_ROWS": str(2 * 32 * max(COUNTS)),
    "SERVERY_TIMEOUT_MS": "60000",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=20, show_default=True, help="Of one load.")
@click.option("--rounds", default=5, show_default=True, help="Of all loads.")
def main(seconds: int, rounds: int) -> None:
    """Measure the generators at 1, 16 and 256 images a request, and write it down."""
    models, watch = find_models(ARTIFACTS, tuple(GENERATORS)), Watch()
    keys = [(GENERATORS[model], count) for model in models for count in COUNTS]
    ways = {f"{generator}, {count}": ask(generator, count) for generator, count in keys}
    loads = measure_in_turns(ways, {"": SETTINGS}, LOADS, seconds, rounds)
    write_page(
        "benchmarks-clothing.md",
        served=images(loads),
        bare=measure_bare(models, seconds),
        settings=", ".join(f"`{key}={value}`" for key, value in SETTINGS.items()),
        written=describe("generate", watch.others()),
    )


def ask(generator: str, count: int) -> Way:
    """So many images in a request; so many bodies as there are seeds."""
    wish = {"generator": generator, "count": count}
    bodies = [json.dumps(wish | {"seed": seed}).encode() for seed in range(SEEDS)]
    return Way("/v1/generate/clothing", bodies)


def images(loads: Loads) -> str:
    """A table of images that were drawn, and not of requests."""
    served = [
        [name, str(number), *load_cells(found, int(name.rpartition(" ")[2]))]
        for (name, _, number), found in loads.items()
    ]
    columns = "Generator, images a request", "connections", "images/s"
    return table((*columns, *LOAD_COLUMNS[1:]), served)


if __name__ == "__main__":
    main()
