"""Train the judge of clothing: its part of Fashion-MNIST → a small CNN → weights/."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.core import provenance
from training.core.fitting import (
    build_adamw,
    fit_best,
    make_repeatable,
    stream_batches,
)
from training.core.options import RunOptions
from training.core.split import Rows, Splits, split_images
from training.datasets import fashion_mnist
from training.datasets.fashion_mnist import CATEGORIES
from training.metrics.classification import summarise_classifier
from training.models.clothing.decoder import one_hot
from training.models.fashion_judge.division import take_judges_part
from training.models.fashion_judge.judge import (
    JUDGE_DIR,
    WEIGHTS,
    as_judge,
    build_model,
    write_judge,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of its own images to use at most.
        validation_rows: cut from its own images, a tenth of them of each category.
        batch_size: images in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        dropout: share of what the features are made of that is dropped.
        smoothing: share of the label spread evenly over all categories.
        shift: the furthest an image is moved along each axis, in pixels.
    """

    epochs: int = 40
    train_rows: int = 13_000
    validation_rows: int = 2_000
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    smoothing: float = 0.05
    shift: int = 2


QUICK = Recipe(epochs=8)


def train(options: RunOptions) -> None:
    """The judge of drawn clothing: a CNN on a quarter of Fashion-MNIST.

    About ten minutes on two idle cores. Written to the newest folder of weights/
    beside this file, not to the artifacts. One that is there is kept, because figures
    of two judges cannot be compared: remove it to train another. A quick one is not
    kept.
    """
    if not options.quick and (JUDGE_DIR / WEIGHTS).exists():
        log.info("Kept the judge in %s; remove it to train another", JUDGE_DIR)
        return
    recipe = options.choose_recipe(Recipe(), QUICK)
    data = take_judges_part(fashion_mnist.load(options.data_dir))
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model = build_model(recipe.dropout)
    fit(model, splits, recipe, options.seed)
    data_used = fashion_mnist.describe(splits.count())
    ran = run.finish((data_used,), recipe.epochs, asdict(recipe))

    metrics = measure(model, {"validation": splits.validation, "test": splits.test})
    log.info("Validation accuracy %.2f %%", 100 * metrics["validation"]["accuracy"])
    if not options.quick:
        write_judge(model, ran, metrics, JUDGE_DIR)


def fit(
    model: Any, splits: Splits, recipe: Recipe, seed: int
) -> dict[str, list[float]]:
    """Train on mirrored and moved images, keep the epoch best on untouched ones."""
    steps = len(splits.train) // recipe.batch_size
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate, recipe.weight_decay, recipe.epochs, steps
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.smoothing
        ),
        metrics=["accuracy"],
    )
    validation = splits.validation
    untouched = (validation.inputs.astype(np.float32), one_hot(validation.labels))
    judged = tf.data.Dataset.from_tensor_slices(untouched).batch(500)
    stream = stream_varied(splits.train, recipe, seed)
    return fit_best(model, stream, judged, recipe.epochs, steps)


def stream_varied(training: Rows, recipe: Recipe, seed: int) -> Any:
    """Stream batches without end, reshuffled in each epoch, each image varied anew."""
    vary = build_augmentation(recipe.shift, seed)

    def vary_batch(images: Any, labels: Any) -> Any:
        pixels = tf.cast(images, tf.float32)[..., None]
        return vary(pixels, training=True)[..., 0], labels

    arrays = training.inputs, one_hot(training.labels)
    batches = stream_batches(arrays, recipe.batch_size, seed)
    return batches.map(vary_batch, num_parallel_calls=1).prefetch(4)


def build_augmentation(shift: int, seed: int) -> Any:
    """Mirror every second image or so, and move each by whole pixels.

    Args:
        shift: the furthest along each axis, in pixels.
        seed: the same one varies in the same way.
    """
    share = shift / 28
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.RandomFlip("horizontal", seed=seed),
            keras.layers.RandomTranslation(
                share, share, "constant", interpolation="nearest", seed=seed + 1
            ),
        ]
    )


def measure(model: Any, parts: Mapping[str, Rows]) -> dict[str, Any]:
    """Say how good the judge is on each split, and how large it is; JSON-ready."""
    metrics: dict[str, Any] = {
        "mflop": round(provenance.count_mflop(model), 2),
        "parameters": model.count_params(),
    }
    for name, part in parts.items():
        probabilities = as_judge(model, "").probabilities(part.inputs)
        metrics[name] = summarise_classifier(part.labels, probabilities, CATEGORIES)
    return metrics
