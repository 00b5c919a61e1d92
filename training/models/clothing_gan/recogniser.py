"""Who tells the clothing GAN whether a category can be recognised in its images."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.core.fitting import build_adamw
from training.core.layers import convolve
from training.core.split import Rows
from training.models.clothing.decoder import CATEGORIES

_NOISE = 0.1
_SMOOTHING = 0.05


def build_recogniser(widths: tuple[int, int, int]) -> keras.Model:
    """Build a small CNN: images (rows, 28, 28) float32, 0 to 1, to logits (rows, 10).

    It learns from noisy images: what it is shown later is drawn so as to please it,
    and noise covers what is too small for an eye to see.

    Args:
        widths: channels at 28×28, 14×14 and 7×7.
    """
    layers = keras.layers
    image = keras.Input((28, 28), name="image")
    x = layers.GaussianNoise(_NOISE, name="noise")(image)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    for number, width in enumerate(widths, start=1):
        if number > 1:
            x = layers.MaxPooling2D(name=f"pool{number}")(x)
        x = convolve(x, width, 3, f"conv{number}")
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras.Model(image, layers.Dense(CATEGORIES, name="logits")(x))


def fit_recogniser(recogniser: keras.Model, training: Rows, epochs: int) -> float:
    """Teach it the training images, and freeze it.

    Args:
        recogniser: as `build_recogniser` makes it.
        training: images (rows, 28, 28) uint8, and their categories.
        epochs: at least one.

    Returns:
        The share of them that it recognised in the last epoch, 0 to 1.
    """
    batch_size = 128
    recogniser.compile(
        build_adamw(2e-3, 0.05, epochs, -(-len(training) // batch_size)),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=_SMOOTHING
        ),
        metrics=["accuracy"],
    )
    history = recogniser.fit(
        training.inputs.astype(np.float32) / 255,
        tf.one_hot(training.labels, CATEGORIES),
        batch_size,
        epochs,
        verbose=2,
    ).history
    recogniser.trainable = False
    return float(history["accuracy"][-1])


def category_loss(category: Any, logits: Any) -> Any:
    """Mean cross-entropy in nats; both (rows, 10), one-hot and logits.

    As in Odena et al., "Conditional image synthesis with auxiliary classifier GANs",
    2017, but by a network apart: a discriminator held back by its normalisation knew
    shirts from coats too badly to teach them.
    """
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=category, logits=logits)
    )
