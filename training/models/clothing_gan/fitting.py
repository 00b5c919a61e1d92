"""The training loop of the clothing GAN: epochs, progress, and what is kept of each."""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.core.split import Rows
from training.models.clothing.decoder import draw_latents, one_hot
from training.models.clothing_gan.duel import Duel, Recipe

log = logging.getLogger(__name__)

HISTORY = "history.json"
_SETTLING_ROWS = 8_192


class Diverged(RuntimeError):
    """A loss is not finite; what was trained is of no use."""


def fit(
    duel: Duel, training: Rows, recipe: Recipe, seed: int, folder: Path
) -> dict[str, list[float]]:
    """Train both players, and keep the averaged generator of every epoch.

    Args:
        duel: the players, at their beginning.
        training: images (rows, 28, 28) uint8, and their categories.
        recipe: the duel's.
        seed: of the order of the images.
        folder: where `checkpoint` of each epoch goes, and the history so far.

    Returns:
        What `Duel.step` tells → its mean over each epoch.

    Raises:
        Diverged: A loss is not finite.
    """
    step = tf.function(duel.step, autograph=False)
    steps = count_steps(training, recipe)
    history: dict[str, list[float]] = {}
    for epoch in range(1, recipe.epochs + 1):
        log.info("Epoch %d/%d", epoch, recipe.epochs)
        told = _Mean(steps)
        batches = _shuffle(training, recipe.batch_size, (seed, epoch))
        for number, batch in enumerate(batches, start=(epoch - 1) * steps):
            told.add(step(tf.constant(number, tf.int64), *batch))
        for name, value in told.values.items():
            history.setdefault(name, []).append(value)
        duel.update_average()
        save(duel.average, checkpoint(folder, epoch))
        (folder / HISTORY).write_text(json.dumps(history, indent=2))
    return history


def count_steps(training: Rows, recipe: Recipe) -> int:
    """Count the whole batches of an epoch."""
    return len(training) // recipe.batch_size


def checkpoint(folder: Path, epoch: int) -> Path:
    """Name the file of the averaged generator's weights after an epoch."""
    return folder / f"epoch-{epoch:03}.npz"


def save(network: keras.Model, path: Path) -> None:
    """Write a network's weights, for `load`."""
    weights = {str(i).zfill(3): array for i, array in enumerate(network.get_weights())}
    np.savez(path, **weights)


def load(network: keras.Model, path: Path) -> None:
    """Give a network of the same shape the weights that `save` wrote."""
    with np.load(path) as weights:
        network.set_weights([weights[name] for name in sorted(weights.files)])


def settle(generator: keras.Model, latent_dims: int, seed: int) -> None:
    """Measure the moments of normalisation anew, as these weights cause them.

    Averaged weights have moments of their own, unlike the averages of moments; a pass
    over many latents of all categories finds them ("standing statistics" in Brock et
    al., "Large scale GAN training for high fidelity natural image synthesis", 2019).
    """
    rng = np.random.default_rng(seed)
    latents = draw_latents(rng, _SETTLING_ROWS, latent_dims)
    categories = one_hot(np.arange(_SETTLING_ROWS) % 10)
    layers = [
        layer
        for layer in generator.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momentum = layers[0].momentum
    for layer in layers:
        layer.momentum = 0.0  # the last batch counts alone
    generator([latents, categories], training=True)
    for layer in layers:
        layer.momentum = momentum


def _shuffle(
    training: Rows, batch_size: int, seed: tuple[int, int]
) -> Iterator[tuple[Any, Any]]:
    """Whole batches in random order: images float32, 0 to 1, and one-hot categories."""
    order = np.random.default_rng(seed).permutation(len(training))
    for start in range(0, len(order) - batch_size + 1, batch_size):
        rows = order[start : start + batch_size]
        images = training.inputs[rows].astype(np.float32) / 255
        yield tf.constant(images), tf.constant(one_hot(training.labels[rows]))


class _Mean:
    """The means over an epoch so far, shown as it goes on."""

    def __init__(self, steps: int):
        self.values: dict[str, float] = {}
        self._added = 0
        self._bar = keras.utils.Progbar(
            steps,
            stateful_metrics=("generator", "discriminator", "obeyed"),
            verbose=1 if sys.stdout.isatty() else 2,
        )

    def add(self, told: Mapping[str, Any]) -> None:
        for name, scalar in told.items():
            value, mean = float(scalar), self.values.get(name, 0.0)
            if not math.isfinite(value):
                raise Diverged(f"{name}: expected a finite number, received {value}")
            self.values[name] = mean + (value - mean) / (self._added + 1)
        self._added += 1
        self._bar.update(self._added, list(self.values.items()))
