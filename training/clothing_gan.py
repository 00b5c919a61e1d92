"""Train the clothing GAN: Fashion-MNIST → two players → artifacts/clothing_gan/<n>."""

import logging
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import keras

from service.manifest import Training
from training import provenance
from training.clothing_gan_card import describe, draw_frames, draw_reports
from training.clothing_gan_choice import (
    build_decode,
    choose_epoch,
    choose_temperature,
    draw_evenly,
)
from training.clothing_gan_duel import Duel, Recipe
from training.clothing_gan_fitting import count_steps, fit
from training.datasets import fashion_mnist
from training.datasets.idx import ImageSet
from training.export import export_version
from training.fashion_judge import load_judge
from training.fitting import make_repeatable
from training.generator_measures import measure_floor, measure_generator
from training.options import RunOptions, run_options
from training.split import Rows, split_evenly

log = logging.getLogger(__name__)

DRAWN = 10_000
QUICK = Recipe(epochs=2, train_rows=12_000)


@click.command(name="clothing_gan")
@run_options
def train(options: RunOptions) -> None:
    """Clothing that never was: a conditional GAN on Fashion-MNIST.

    About an hour on two cores. Each epoch's generator is kept in a folder of its own.
    """
    recipe = QUICK if options.quick else Recipe()
    recipe = replace(recipe, epochs=options.epochs or recipe.epochs)
    data = fashion_mnist.load(options.data_dir)
    whole = Rows(data.train_images, data.train_labels)
    training, validation = split_evenly(whole, recipe.validation_rows, options.seed)
    training = training.first(recipe.train_rows)
    folder = Path(tempfile.mkdtemp(prefix="clothing-gan-"))
    log.info("Each epoch is kept in %s", folder)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    duel = Duel(recipe, recipe.epochs * count_steps(training, recipe), options.seed)
    history = fit(duel, training, recipe, options.seed, folder)
    rows = {"train": len(training), "validation": len(validation)}
    rows |= {"test": len(data.test_labels)}
    ran = run.finish((fashion_mnist.describe(rows),), recipe.epochs, asdict(recipe))
    (folder / "training.json").write_text(ran.model_dump_json(indent=2))
    export(duel.average, history, data, validation, ran, folder, options.artifacts_dir)


def export(
    generator: keras.Model,
    history: dict[str, list[float]],
    data: ImageSet,
    validation: Rows,
    ran: Training,
    folder: Path,
    artifacts_dir: Path,
) -> Path:
    """Choose an epoch and a temperature, measure, write the version.

    Args:
        generator: of the recipe's shape, with any weights.
        folder: with the checkpoint of each epoch.
    """
    judge = load_judge()
    distances = choose_epoch(generator, folder, ran.epochs, judge, validation)
    decode = build_decode(generator)
    temperature, tried = choose_temperature(decode, judge, validation)
    drawn = draw_evenly(decode, DRAWN, temperature, seed=0)
    # the only look at the test images
    measured = measure_generator(judge, drawn.inputs, drawn.labels, data)
    metrics: dict[str, Any] = {
        "test": measured,
        "floor": measure_floor(judge, data),
        "validation": {"temperatures": tried, "frechet_distances": distances},
        "parameters": generator.count_params(),
    }
    frames = draw_frames(generator, folder, ran.epochs, temperature)
    history = history | {"Fréchet distance": distances}
    place = export_version(
        describe(ran, metrics, temperature),
        {"decode": decode},
        artifacts_dir,
        reports=draw_reports(drawn, measured["confusion"], history, frames),
    )
    log.info("Wrote %s: Fréchet distance %.2f", place, measured["frechet_distance"])
    return place
