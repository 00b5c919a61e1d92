"""Train the clothing GAN: Fashion-MNIST → two players → artifacts/clothing_gan/<n>."""

import logging
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from training.core import provenance
from training.core.export import export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.split import Rows, split_images
from training.datasets import fashion_mnist
from training.datasets.idx import ImageSet
from training.models.clothing.drawing import (
    Goal,
    choose_temperature,
    draw_evenly,
    measure_temperature,
)
from training.models.clothing.measures import measure_floor, measure_generator
from training.models.clothing_gan.card import animate, describe, draw_reports
from training.models.clothing_gan.choice import Trained, build_decode, choose_epoch
from training.models.clothing_gan.duel import Duel, Recipe
from training.models.clothing_gan.fitting import count_steps, fit
from training.models.clothing_gan.recogniser import build_recogniser, fit_recogniser
from training.models.fashion_judge.judge import Judge, load_judge

log = logging.getLogger(__name__)

GOAL = Goal(mean=0.92, lowest=0.78)  # a margin above what is promised
QUICK = Recipe(epochs=2, train_rows=12_000, recogniser_epochs=1, averaging=0.98)


def train(options: RunOptions) -> None:
    """Clothing that never was: a conditional GAN on Fashion-MNIST.

    About half an hour on two cores. Each epoch's generator is kept in a folder of
    its own, which is named as it begins.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    judge = load_judge()  # without one, better now than after an hour
    data = fashion_mnist.load(options.data_dir)
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)
    folder = Path(tempfile.mkdtemp(prefix="clothing-gan-"))
    log.info("Each epoch is kept in %s", folder)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    recogniser = build_recogniser(recipe.recogniser_widths)
    recognised = fit_recogniser(recogniser, splits.train, recipe.recogniser_epochs)
    log.info("The recogniser knows %.1f %% of its own images", 100 * recognised)
    steps = recipe.epochs * count_steps(splits.train, recipe)
    duel = Duel(recipe, recogniser, steps, options.seed)
    history = fit(duel, splits.train, recipe, options.seed, folder)
    data_used = fashion_mnist.describe(splits.count())
    ran = run.finish((data_used,), recipe.epochs, asdict(recipe))
    (folder / "training.json").write_text(ran.model_dump_json(indent=2))
    trained = Trained(duel.average, folder, history, ran)
    export(trained, judge, splits.validation, data, options.artifacts_dir)


def export(
    trained: Trained,
    judge: Judge,
    validation: Rows,
    data: ImageSet,
    artifacts_dir: Path,
) -> Path:
    """Choose an epoch and a temperature, measure what they draw, write the version.

    Args:
        trained: what the training left.
        judge: who measures.
        validation: images to choose by.
        data: whose test images are looked at once, after the choice.
        artifacts_dir: the folder of all models.

    Returns:
        The version's folder.
    """
    distances = choose_epoch(trained, judge, validation)
    decode = build_decode(trained.generator)
    each = trained.ran.hyperparameters["measured_each"]
    temperature, tried = choose_temperature(
        partial(measure_temperature, decode, judge, validation), GOAL
    )
    drawn = draw_evenly(decode, 10 * each, temperature, seed=0)
    found = measure_generator(judge, drawn.inputs, drawn.labels, data)
    metrics: dict[str, Any] = {
        "drawing": found,
        "floor": measure_floor(judge, data, each),
        "frechet_distance_by_epoch": distances,
        "temperatures_tried": tried,
        "parameters": trained.generator.count_params(),
    }
    reports = draw_reports(drawn, found["confusion"], trained.history, distances)
    reports["epochs.gif"] = animate(trained, temperature)
    card = describe(trained.ran, metrics, temperature)
    place = export_version(card, {"decode": decode}, artifacts_dir, reports=reports)
    log.info("Wrote %s", place)
    return place
