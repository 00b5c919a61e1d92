"""The networks of the clothing VAE, and what they are trained to make small."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from training.core.layers import convolve, normalise
from training.models.clothing.decoder import CATEGORIES


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of the loss counts, beside one nat of reconstruction.

    Attributes:
        kl: of the posterior's divergence from the prior.
        category: of the cross-entropy of the encoder's own guess of the category.
        consistency: of the cross-entropy of its guess for clothes that never were,
            drawn from the prior: what was asked for should be seen.
    """

    kl: float = 1.0
    category: float = 10.0
    consistency: float = 10.0


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


def draw(mean: Any, log_variance: Any) -> Any:
    """Draw a latent from each posterior, so that gradients pass through it."""
    noise = tf.random.normal(tf.shape(mean))
    return mean + noise * tf.exp(0.5 * log_variance)


class ConditionalVae(keras.Model):  # type: ignore[misc] # Keras has no stubs
    """A VAE whose decoder is told the category and whose encoder guesses it.

    Kingma et al., "Semi-supervised learning with deep generative models", 2014 (M2),
    but that the posterior does not see the category. In training it also draws from
    the prior, and the encoder's guess for what came is held against what was asked
    for. That gradient passes through the image into the decoder, not into the guess,
    which would learn to see what is not there. (A trace of it reaches the posterior,
    since the decoder normalises over all rows of a batch.)

    Args:
        encoder: as `build_encoder` makes it.
        decoder: as `training.models.clothing.decoder.build_decoder` makes it.
        weights: of the loss's parts.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model, weights: Weights):
        super().__init__()
        self.encoder, self.decoder, self.weigh = encoder, decoder, weights
        names = ("loss", "reconstruction", "kl", "category", "consistency")
        self._means = {name: keras.metrics.Mean(name) for name in names}

    @property
    def metrics(self) -> list[Any]:
        """What Keras resets at each epoch."""
        return list(self._means.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step on pixels (rows, 28, 28), 0 to 1, and labels (rows,)."""
        with tf.GradientTape() as tape:
            parts, push = self._measure(*data, training=True)
            loss = self._add(parts)
            pushed = loss + push
        variables = self.trainable_variables
        gradients = tape.gradient(pushed, variables)
        self.optimizer.apply(gradients, variables)
        return self._note(parts, loss)

    def test_step(self, data: Any) -> dict[str, Any]:
        """The same without learning."""
        parts, _ = self._measure(*data, training=False)
        return self._note(parts, self._add(parts))

    def _measure(
        self, pixels: Any, labels: Any, *, training: bool
    ) -> tuple[dict[str, Any], Any]:
        rows = tf.shape(pixels)[0]
        mean, log_variance, guess = self.encoder(pixels, training=training)
        asked = tf.random.uniform((rows // 4,), 0, CATEGORIES, tf.int32)
        never = tf.random.normal((rows // 4, mean.shape[1]))
        latent = tf.concat([draw(mean, log_variance), never], axis=0)
        category = tf.concat([tf.cast(labels, tf.int32), asked], axis=0)
        logits = self.decoder(
            [latent, tf.one_hot(category, CATEGORIES)], training=training
        )
        consistency, push = self._judge(logits[rows:, :, :, 0], asked)
        each = {
            "reconstruction": cross_entropy(pixels, logits[:rows]),
            "kl": divergence(mean, log_variance),
            "category": _surprise(labels, guess),
            "consistency": consistency,
        }
        parts = {name: tf.reduce_mean(values) for name, values in each.items()}
        return parts, self.weigh.consistency * push

    def _judge(self, logits: Any, asked: Any) -> tuple[Any, Any]:
        """The surprise at drawn images, and what has its gradient in them alone."""
        drawn = tf.stop_gradient(tf.sigmoid(logits))
        with tf.GradientTape() as tape:
            tape.watch(drawn)
            surprise = _surprise(asked, self.encoder(drawn, training=False)[2])
        slope = tf.stop_gradient(tape.gradient(surprise, drawn))
        rows = tf.cast(tf.shape(drawn)[0], tf.float32)
        return surprise, tf.reduce_sum(slope * tf.sigmoid(logits)) / rows

    def _add(self, parts: dict[str, Any]) -> Any:
        return (
            parts["reconstruction"]
            + self.weigh.kl * parts["kl"]
            + self.weigh.category * parts["category"]
        )

    def _note(self, parts: dict[str, Any], loss: Any) -> dict[str, Any]:
        for name, value in {**parts, "loss": loss}.items():
            self._means[name].update_state(value)
        return {name: mean.result() for name, mean in self._means.items()}


def _surprise(labels: Any, logits: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.cast(labels, tf.int32), logits=logits
    )
