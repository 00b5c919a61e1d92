"""Find what was written in a photo: a small U-Net, trained on scenes made for it.

    picture (224, 224, 3) ─▶ ink (224, 224): is this pixel ink of a digit or letter?
                          └▶ cores (112, 112): is this the middle of one of them?

Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
segmentation", 2015; the two halves are joined by sums, as in Chaurasia and Culurciello,
"LinkNet", 2017, which halves the cost.
"""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from service.models.digits.finding import COARSE, FINE
from training.core.fitting import build_adamw, fit_best
from training.core.layers import convolve, join_levels
from training.models.digits.scene_files import Scenes, draw_scenes
from training.models.digits.writing import Hand

log = logging.getLogger(__name__)

WIDTHS = (12, 24, 48, 96, 128)  # channels at 112, 56, 28, 14 and 7 pixels


@dataclass(frozen=True, slots=True)
class FinderRecipe:
    """Everything that decides what the finder's weights become, besides the seed.

    Attributes:
        scenes: to train on.
        validation_scenes: of other digits.
        epochs: after each of which the validation scenes are looked at.
        steps_per_epoch: batches in one.
        batch_size: scenes in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        averaged: likewise.
    """

    scenes: int = 32_000
    validation_scenes: int = 480
    epochs: int = 24
    steps_per_epoch: int = 250
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    averaged: float | None = None


def build_finder() -> Any:
    """Build the network: pictures (rows, 224, 224, 3), 0 to 255, to both maps, 0 to 1.

    Each picture is brought to mean 0 and variance 1 first, so that a photo taken at
    night is like another. 0.34 GFLOP a picture.
    """
    layers = keras.layers
    picture = keras.Input((FINE, FINE, 3), name="pictures")
    x = layers.Rescaling(1 / 255, name="scale")(picture)
    x = layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=1e-3, name="exposure"
    )(x)
    x = convolve(x, WIDTHS[0], 5, "down1", stride=2)
    levels = [x]
    for number, width in enumerate(WIDTHS[1:], 2):
        x = convolve(x, width, 3, f"down{number}", stride=2)
        x = convolve(x, width, 3, f"level{number}")
        levels.append(x)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="whole")(x)
    x = layers.Add(name="seen")([x, convolve(whole, WIDTHS[-1], 1, "context")])
    x = join_levels(x, levels)
    fine = layers.Conv2D(4, 3, padding="same", name="quarters")(x)
    fine = layers.Reshape((COARSE, COARSE, 2, 2), name="pixels")(fine)
    fine = layers.Permute((1, 3, 2, 4), name="in_order")(fine)
    fine = layers.Reshape((FINE, FINE), name="whole_map")(fine)
    coarse = layers.Conv2D(1, 3, padding="same", name="middle")(x)
    coarse = layers.Reshape((COARSE, COARSE), name="core_map")(coarse)
    ink = layers.Activation("sigmoid", name="ink")(fine)
    cores = layers.Activation("sigmoid", name="cores")(coarse)
    return keras.Model(picture, {"ink": ink, "cores": cores})


def overlap_loss(truth: Any, found: Any) -> Any:
    """Cross-entropy of each pixel, and 1 - Dice's coefficient of all of a batch."""
    entropy = tf.reduce_mean(keras.losses.binary_crossentropy(truth, found))
    shared = tf.reduce_sum(truth * found)
    dice = (2 * shared + 1) / (tf.reduce_sum(truth) + tf.reduce_sum(found) + 1)
    return 5 * entropy + 1 - dice


def fit_finder(
    training: Hand,
    validation: Hand,
    recipe: FinderRecipe,
    seed: int,
    model: Any = None,
) -> tuple[Any, dict[str, list[float]]]:
    """Train the finder on scenes with digits of `training`; keep the best epoch.

    Args:
        training: digits to write.
        validation: others.
        recipe: how.
        seed: of the scenes and of their order.
        model: a finder that has learnt before; None = a new one.

    Returns:
        The network, and its losses at each epoch.
    """
    model = model or build_finder()
    steps = recipe.steps_per_epoch
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate,
            recipe.weight_decay,
            recipe.epochs,
            steps,
            recipe.averaged,
        ),
        loss={"ink": overlap_loss, "cores": overlap_loss},
    )
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_scenes(training, recipe.scenes, seed, Path(folder))
        held_out = draw_scenes(
            validation, recipe.validation_scenes, seed + 1, Path(folder)
        )
        stream = stream_scenes(drawn, recipe.batch_size, seed)
        others = stream_scenes(held_out, recipe.batch_size, None)
        history = fit_best(model, stream, others, recipe.epochs, steps)
    return model, history


def stream_scenes(scenes: Scenes, batch_size: int, seed: int | None) -> Any:
    """Stream batches of pictures with both maps, 0 to 1.

    Args:
        scenes: what to stream.
        batch_size: scenes in a batch.
        seed: of an endless order, in which half of the batches are mirrored; None for
            each scene once, as it is.
    """
    rows = tf.data.Dataset.range(len(scenes.pictures))
    if seed is not None:
        rows = rows.shuffle(len(scenes.pictures), seed=seed).repeat()

    def read(numbers: Any) -> Any:
        picked = numbers.numpy()
        mirror = slice(None, None, -1 if seed is not None and picked[0] % 2 else 1)
        return (
            scenes.pictures[picked][:, :, mirror].astype(np.float32),
            scenes.ink[picked][:, :, mirror].astype(np.float32) / 255,
            scenes.cores[picked][:, :, mirror].astype(np.float32) / 255,
        )

    def load(numbers: Any) -> Any:
        pictures, ink, cores = tf.py_function(read, [numbers], [tf.float32] * 3)
        pictures.set_shape((batch_size, FINE, FINE, 3))
        ink.set_shape((batch_size, FINE, FINE))
        cores.set_shape((batch_size, COARSE, COARSE))
        return pictures, {"ink": ink, "cores": cores}

    return rows.batch(batch_size, drop_remainder=True).map(load).prefetch(2)
