"""Train the clothing GAN: Fashion-MNIST → two players → artifacts/clothing_gan/<n>."""

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from training.core import provenance
from training.core.export import export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.split import Splits, split_images
from training.datasets import fashion_mnist
from training.models.clothing.drawing import (
    Goal,
    build_decode,
    choose_temperature,
    draw_evenly,
    measure_temperature,
)
from training.models.clothing.fitting import describe_recipe, fit
from training.models.clothing.measures import measure_floor, measure_generator
from training.models.clothing_gan.card import animate, describe, draw_reports
from training.models.clothing_gan.choice import Trained, measure_epochs
from training.models.clothing_gan.duel import Duel, Recipe
from training.models.fashion_judge.division import take_generators_part
from training.models.fashion_judge.judge import Judge, load_judge

log = logging.getLogger(__name__)

GOAL = Goal(lowest=0.95, precision=0.85, recall=0.5)
QUICK = Recipe(epochs=2, train_rows=12_000, averaging=0.98)


def train(options: RunOptions) -> None:
    """Clothing that never was: a conditional GAN on Fashion-MNIST.

    About an hour of one core. Each epoch's generator is kept in a folder of its own,
    which is named as it begins.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    judge = load_judge()  # without one, better now than after an hour
    data = take_generators_part(fashion_mnist.load(options.data_dir))
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)
    folder = Path(tempfile.mkdtemp(prefix="clothing-gan-"))
    log.info("Each epoch is kept in %s", folder)
    trained = learn(splits, recipe, options.seed, folder)
    export(trained, judge, splits, options.artifacts_dir)


def learn(splits: Splits, recipe: Recipe, seed: int, folder: Path) -> Trained:
    """Train, and keep the generator of each epoch in a folder."""
    make_repeatable(seed)
    run = provenance.begin_run(seed)
    duel = Duel(recipe, seed)
    history = fit(duel, splits.train, recipe, seed, folder)
    data_used = fashion_mnist.describe(splits.count())
    ran = run.finish((data_used,), recipe.epochs, describe_recipe(recipe))
    return Trained(duel.average, folder, history, ran)


def export(trained: Trained, judge: Judge, splits: Splits, artifacts_dir: Path) -> Path:
    """Choose a temperature, measure what is drawn at it, write the version.

    Args:
        trained: what the training left.
        judge: who measures.
        splits: images to choose by, to stand in for drawn ones, and to be looked at
            once, after the choice.
        artifacts_dir: the folder of all models.

    Returns:
        The version's folder.
    """
    distances = measure_epochs(trained, judge, splits.validation)
    decode = build_decode(trained.generator)
    each = trained.ran.hyperparameters["measured_each"]
    temperature, tried = choose_temperature(
        partial(measure_temperature, decode, judge, splits.validation), GOAL
    )
    drawn = draw_evenly(decode, 10 * each, temperature, seed=0)
    found = measure_generator(judge, drawn.inputs, drawn.labels, splits.test)
    metrics: dict[str, Any] = {
        "drawing": found,
        "floor": measure_floor(judge, splits.train, splits.test, each),
        "frechet_distance_by_epoch": distances,
        "temperatures_tried": tried,
        "decoder_mflop": round(provenance.count_mflop(trained.generator), 2),
        "parameters": trained.generator.count_params(),
    }
    reports = draw_reports(drawn, found["confusion"], trained.history, distances)
    reports["epochs.gif"] = animate(trained, temperature)
    card = describe(trained.ran, metrics, temperature)
    place = export_version(card, {"decode": decode}, artifacts_dir, reports=reports)
    log.info("Wrote %s", place)
    return place
