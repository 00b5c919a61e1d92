"""The discriminator of the clothing GAN, and the losses of both players."""

from typing import Any

import keras
import tensorflow as tf

from training.models.clothing.decoder import CATEGORIES

_LEAK = 0.1


def build_discriminator(widths: tuple[int, int, int, int]) -> keras.Model:
    """Build the discriminator: images and categories to a score.

    Spectral normalisation (Miyato et al., "Spectral normalization for generative
    adversarial networks", 2018) keeps each layer from stretching its input, so that
    the discriminator cannot run away from the generator. A projection (Miyato and
    Koyama, "cGANs with projection discriminator", 2018) judges an image as one of a
    category.

    Inputs are images (rows, 28, 28) float32, 0 to 1, and categories (rows, 10) float32,
    one-hot. The score (rows, 1) is higher for what seems real.

    Args:
        widths: channels at 14×14, 7×7, 7×7 and 4×4.
    """
    layers = keras.layers
    image = keras.Input((28, 28), name="image")
    category = keras.Input((CATEGORIES,), name="category")
    x = layers.Rescaling(2.0, offset=-1.0, name="scale")(image)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    for number, (width, size, stride) in enumerate(
        zip(widths, (5, 4, 3, 3), (2, 2, 1, 2), strict=True), start=1
    ):
        convolution = layers.Conv2D(width, size, stride, "same", name=f"conv{number}")
        x = layers.SpectralNormalization(convolution, name=f"spectral{number}")(x)
        x = layers.LeakyReLU(_LEAK, name=f"leak{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Rescaling(16.0, name="sum")(x)
    real = layers.SpectralNormalization(layers.Dense(1), name="real")(x)
    embedding = layers.Dense(widths[-1], use_bias=False, name="embedding")
    asked = layers.SpectralNormalization(embedding, name="asked")(category)
    fits = layers.Dot(axes=1, name="fits")([x, asked])
    score = layers.Add(name="score")([real, fits])
    return keras.Model([image, category], score, name="discriminator")


def discriminator_hinge(real: Any, drawn: Any) -> Any:
    """What the discriminator pays: real images below 1, drawn ones above -1.

    The hinge of Lim and Ye, "Geometric GAN", 2017; the mean over both batches.

    Args:
        real: scores of real images, float32 (rows, 1).
        drawn: scores of drawn images, likewise.
    """
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(
        tf.nn.relu(1.0 + drawn)
    )


def generator_hinge(drawn: Any) -> Any:
    """What the generator pays: less for images of higher score, float32 (rows, 1)."""
    return -tf.reduce_mean(drawn)
