"""The training loop of both clothing generators: epochs, and what is kept of each."""

import json
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from training.core.split import Rows
from training.models.clothing.decoder import draw_latents, one_hot

log = logging.getLogger(__name__)

HISTORY = "history.json"
SETTLING_ROWS = 8_192


class Recipe(Protocol):
    """What the loop has to know."""

    @property
    def epochs(self) -> int:
        """Passes over the training images."""
        ...

    @property
    def batch_size(self) -> int:
        """Images in a step."""
        ...


class Player(Protocol):
    """Networks that learn together, one step after the other.

    Attributes:
        average: network for the moving averages of the weights; it has them after
            `update_average`.
    """

    average: keras.Model

    def step(self, number: Any, images: Any, category: Any) -> dict[str, Any]:
        """Learn once from real images, and tell scalars by name.

        Args:
            number: int64 scalar, which step it is, from 0.
            images: float32 (batch_size, 28, 28), 0 to 1.
            category: float32 (batch_size, 10), one-hot, theirs.
        """
        ...

    def update_average(self) -> None:
        """Bring `average` up to date."""
        ...


class Diverged(RuntimeError):
    """A loss is not finite; what was trained is of no use."""


def fit(
    player: Player, training: Rows, recipe: Recipe, seed: int, folder: Path
) -> dict[str, list[float]]:
    """Train, and keep the averaged weights of every epoch.

    Args:
        player: at its beginning.
        training: images (rows, 28, 28) uint8, and their categories.
        recipe: the player's.
        seed: of the order of the images.
        folder: where `checkpoint` of each epoch goes, and the history so far.

    Returns:
        What `Player.step` tells → its mean over each epoch.

    Raises:
        Diverged: A loss is not finite.
    """
    step = tf.function(player.step, autograph=False)
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
        player.update_average()
        save(player.average, checkpoint(folder, epoch))
        (folder / HISTORY).write_text(json.dumps(history, indent=2))
    return history


def count_steps(training: Rows, recipe: Recipe) -> int:
    """Count the whole batches of an epoch."""
    return len(training) // recipe.batch_size


def describe_recipe(recipe: Any) -> dict[str, Any]:
    """Say for the manifest what decided the weights: a dataclass, and the cores.

    Another number of cores adds up in another order.
    """
    return asdict(recipe) | {"cores": len(os.sched_getaffinity(0))}


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


def take_average(optimizer: Any, live: keras.Model, average: keras.Model) -> None:
    """Copy an optimizer's moving average of the weights of `live` to `average`."""
    weights = live.get_weights()
    optimizer.finalize_variable_values(live.trainable_variables)
    average.set_weights(live.get_weights())
    live.set_weights(weights)


def settle(decoder: keras.Model, seed: int) -> None:
    """Measure a decoder's moments of normalisation anew, as its weights cause them.

    See `settle_by`; the latents are many and of all categories.
    """
    rng = np.random.default_rng(seed)
    latents = draw_latents(rng, SETTLING_ROWS, int(decoder.inputs[0].shape[1]))
    settle_by(decoder, [latents, one_hot(np.arange(SETTLING_ROWS) % 10)])


def settle_by(network: keras.Model, inputs: Any) -> None:
    """Measure the moments of normalisation anew, as these inputs cause them.

    Averaged weights have moments of their own, unlike the averages of moments; a pass
    over many inputs finds them ("standing statistics" in Brock et al., "Large scale GAN
    training for high fidelity natural image synthesis", 2019).
    """
    layers = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momentum = layers[0].momentum
    for layer in layers:
        layer.momentum = 0.0  # the last batch counts alone
    network(inputs, training=True)
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
        self._added, self._steps = 0, steps
        self._bar: Any = None

    def add(self, told: Mapping[str, Any]) -> None:
        if self._bar is None:
            self._bar = keras.utils.Progbar(
                self._steps,
                stateful_metrics=tuple(told),
                verbose=1 if sys.stdout.isatty() else 2,
            )
        for name, scalar in told.items():
            value, mean = float(scalar), self.values.get(name, 0.0)
            if not math.isfinite(value):
                raise Diverged(f"{name}: expected a finite number, received {value}")
            self.values[name] = mean + (value - mean) / (self._added + 1)
        self._added += 1
        self._bar.update(self._added, list(self.values.items()))
