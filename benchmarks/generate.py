"""Clothing: images a second, through the service and without a server.

Writes docs/benchmarks-clothing.md:

    python -m benchmarks.generate
"""

import json
from pathlib import Path

import click

from benchmarks.models import Loads, describe, measure_bare, measure_served, write_page
from benchmarks.processes import Watch
from benchmarks.subjects import ARTIFACTS, find_models
from benchmarks.tables import LOAD_COLUMNS, load_cells, table

PATH = "/v1/generate/clothing"
GENERATORS = {"vae": "clothing_vae", "gan": "clothing_gan"}
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
    """Measure both generators at 1, 16 and 256 images a request, and write it down."""
    models, watch = find_generators(ARTIFACTS), Watch()
    keys = [(generator, count) for generator in GENERATORS for count in COUNTS]
    asked = {f"{g}, {count}": (PATH, make_bodies(g, count)) for g, count in keys}
    loads = measure_served({"": SETTINGS}, asked, seconds, rounds)
    page = render(loads, measure_bare(models, seconds), watch.others())
    write_page("benchmarks-clothing.md", page)


def find_generators(artifacts: Path) -> dict[str, Path]:
    """The versions that the service answers with, by model."""
    models = find_models(artifacts, tuple(GENERATORS.values()))
    for model in GENERATORS.values():
        if model not in models:
            raise click.ClickException(
                f"no {model} in {artifacts}; to get it: python -m training {model}"
            )
    return models


def make_bodies(generator: str, count: int) -> list[bytes]:
    """What is sent in turn: so many bodies as there are seeds."""
    wish = {"generator": generator, "count": count}
    return [json.dumps(wish | {"seed": seed}).encode() for seed in range(SEEDS)]


def render(loads: Loads, bare: str, others: float) -> str:
    """The page; `others` is the share of the machine that other programs took."""
    served = [
        [name, str(number), *load_cells(found, int(name.rpartition(" ")[2]))]
        for (name, _, number), found in loads.items()
    ]
    columns = "Generator, images a request", "connections", "images/s"
    return PAGE.format(
        written=describe("generate", others),
        settings=", ".join(f"`{key}={value}`" for key, value in SETTINGS.items()),
        served=table((*columns, *LOAD_COLUMNS[1:]), served),
        bare=bare,
    )


PAGE = """# Benchmarks of clothing

{written} Every request asks for so many images, of all
categories in turn, and gets JSON with a PNG in base64 and the latent vector of each.
The service runs with {settings}:
32 requests for 256 images are more rows than may wait by default, and those beyond are
refused at once: an error, and no image.

{served}
## Images a second without a server

The decoder alone, without pictures made of its output: one call after the other, with
as many TensorFlow threads as the service uses.

{bare}"""


if __name__ == "__main__":
    main()
