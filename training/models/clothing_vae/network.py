"""The networks of the clothing VAE, and what they are trained to make small."""

from typing import Any

import keras
import tensorflow as tf

from training.core.layers import convolve, normalise
from training.models.clothing.decoder import CATEGORIES


def build_encoder(
    latent_dims: int, widths: tuple[int, int, int], hidden: int, dropout: float
) -> keras.Model:
    """Build the encoder: pixels (rows, 28, 28) float32, 0 to 1, to three outputs.

    Mean and log variance of the latent's posterior, (rows, latent_dims) each, and the
    logits of the categories, (rows, 10).

    Args:
        latent_dims: length of a latent.
        widths: channels at 14×14, 7×7 and 7×7 again.
        hidden: units of the dense layer before the outputs.
        dropout: share of that layer hidden from the categories' logits.
    """
    layers = keras.layers
    pixels = keras.Input((28, 28), name="pixels")
    x = layers.Reshape((28, 28, 1), name="channel")(pixels)
    for number, (width, size, stride) in enumerate(
        zip(widths, (5, 3, 3), (2, 2, 1), strict=True), start=1
    ):
        x = convolve(x, width, size, f"conv{number}", stride=stride)
    x = layers.Flatten(name="flatten")(x)
    x = normalise(layers.Dense(hidden, use_bias=False, name="dense")(x), "dense")
    mean = layers.Dense(latent_dims, name="mean")(x)
    log_variance = layers.Dense(latent_dims, name="log_variance")(x)
    seen = layers.Dropout(dropout, name="dropout")(x)
    category = layers.Dense(CATEGORIES, name="category")(seen)
    return keras.Model(pixels, [mean, log_variance, category], name="encoder")


def divergence(mean: Any, log_variance: Any) -> Any:
    """KL divergence of normal posteriors from the standard normal: (rows,) nats.

    Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix B.
    """
    terms = tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance
    return 0.5 * tf.reduce_sum(terms, axis=-1)


def cross_entropy(pixels: Any, logits: Any) -> Any:
    """Binary cross-entropy summed over an image's pixels: (rows,) nats.

    Args:
        pixels: (rows, 28, 28), 0 to 1.
        logits: (rows, 28, 28, 1) or (rows, 28, 28).
    """
    logits = tf.reshape(logits, tf.shape(pixels))
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=pixels, logits=logits)
    return tf.reduce_sum(each, axis=(-2, -1))


def draw(mean: Any, log_variance: Any, seed: Any) -> Any:
    """Draw a latent from each posterior, so that gradients pass through it.

    Args:
        mean: (rows, latent_dims) float32.
        log_variance: likewise.
        seed: (2,) int64; the same one draws the same.
    """
    noise = tf.random.stateless_normal(tf.shape(mean), seed)
    return mean + noise * tf.exp(0.5 * log_variance)


def surprise(category: Any, logits: Any) -> Any:
    """Cross-entropy of a guess, both (rows, 10), one-hot and logits: (rows,) nats."""
    return tf.nn.softmax_cross_entropy_with_logits(labels=category, logits=logits)


def join(encoder: keras.Model, decoder: keras.Model) -> keras.Model:
    """Make one network of both, whose weights are the encoder's and then the decoder's.

    They are not connected; it is for what counts weights: an optimiser, a file.
    """
    pixels = keras.Input((28, 28), name="pixels")
    drawn_from = [keras.Input(each.shape[1:]) for each in decoder.inputs]
    outputs = [*encoder(pixels), decoder(drawn_from)]
    return keras.Model([pixels, *drawn_from], outputs, name="both")
