"""The textbook's VAE, two latent dimensions and a KL weight of 3, to compare with.

It is trained and measured, and not shipped: two numbers cannot hold what a
garment looks like, but they can be drawn on a page.
"""

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best, stream_batches
from training.core.split import Splits
from training.models.clothing_vae.network import cross_entropy, divergence

LATENT_DIMS = 2
KL_WEIGHT = 3.0
WAVE_NUMBER = 2.0  # radians to a unit of the plane, at first


@dataclass(frozen=True, slots=True)
class ReferenceRecipe:
    """What decides the reference's weights, besides the seed and the textbook.

    Attributes:
        epochs: passes over the training images.
        batch_size: images in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        units: of each dense layer.
        blocks: residual layers in the encoder and in the decoder.
        warm_up: epochs in which the KL weight rises from nothing to the textbook's:
            with it from the first step, images never spread over the plane.
        measured_draws: latents drawn from each posterior for the figures; in
            training it is one.
    """

    epochs: int = 60
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    units: int = 512
    blocks: int = 2
    warm_up: int = 5
    measured_draws: int = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reference run gave.

    Attributes:
        metrics: JSON-ready; the textbook's loss and its two parts on each split.
        history: Keras's.
        plane: (rows, 2) float32, posterior means of the test images.
    """

    metrics: dict[str, Any]
    history: dict[str, list[float]]
    plane: npt.NDArray[np.float32]


class TextbookVae(keras.Model):  # type: ignore[misc] # Keras has no stubs
    """A VAE as in Kingma and Welling, 2014, with a weight on the divergence.

    Its loss is an image's binary cross-entropy, summed over the pixels, and three
    times the KL divergence, averaged over images.

    Args:
        recipe: for the size of the networks.
        warm_up_steps: in which the weight rises in training; it is 3 in all figures.
    """

    def __init__(self, recipe: ReferenceRecipe, warm_up_steps: int = 1):
        super().__init__()
        self.encoder, self.decoder = build_encoder(recipe), build_decoder(recipe)
        self._warm_up_steps = warm_up_steps
        names = ("loss", "reconstruction", "kl")
        self._means = {name: keras.metrics.Mean(name) for name in names}

    @property
    def metrics(self) -> list[Any]:
        """What Keras resets at each epoch."""
        return list(self._means.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step on pixels (rows, 28, 28), 0 to 1, alone in a tuple."""
        step = tf.cast(self.optimizer.iterations, tf.float32)
        weight = KL_WEIGHT * tf.minimum(1.0, step / self._warm_up_steps)
        with tf.GradientTape() as tape:
            parts = self.measure(data[0], training=True)
            loss = parts["reconstruction"] + weight * parts["kl"]
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._note(parts)

    def test_step(self, data: Any) -> dict[str, Any]:
        """The same without learning."""
        return self._note(self.measure(data[0], training=False))

    def measure(self, pixels: Any, *, training: bool) -> dict[str, Any]:
        """Loss, reconstruction and KL, averaged over images: nats."""
        mean, log_variance = self.encoder(pixels, training=training)
        noise = tf.random.normal(tf.shape(mean))
        latent = mean + noise * tf.exp(0.5 * log_variance)
        logits = self.decoder(latent, training=training)
        reconstruction = tf.reduce_mean(cross_entropy(pixels, logits))
        kl = tf.reduce_mean(divergence(mean, log_variance))
        loss = reconstruction + KL_WEIGHT * kl
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    def _note(self, parts: dict[str, Any]) -> dict[str, Any]:
        for name, value in parts.items():
            self._means[name].update_state(value)
        return {name: mean.result() for name, mean in self._means.items()}


def train_reference(pixels: Splits, recipe: ReferenceRecipe, seed: int) -> Reference:
    """Train on pixels (rows, 28, 28) float32, 0 to 1, and measure once at the end."""
    steps = len(pixels.train) // recipe.batch_size
    model = TextbookVae(recipe, warm_up_steps=recipe.warm_up * steps)
    model.compile(
        optimizer=build_adamw(
            recipe.learning_rate, recipe.weight_decay, recipe.epochs, steps
        )
    )
    stream = stream_batches((pixels.train.inputs,), recipe.batch_size, seed).prefetch(4)
    judged = tf.data.Dataset.from_tensor_slices((pixels.validation.inputs,)).batch(500)
    history = fit_best(model, stream, judged, recipe.epochs, steps)
    test = pixels.test
    parts = {"train": pixels.train.first(10_000), "validation": pixels.validation}
    measured = {
        name: measure(model, part.inputs, recipe.measured_draws)
        for name, part in {**parts, "test": test}.items()
    }
    plane = model.encoder.predict(test.inputs, batch_size=500, verbose=0)[0]
    facts = {"latent_dims": LATENT_DIMS, "kl_weight": KL_WEIGHT}
    return Reference(
        facts | measured | {"hyperparameters": asdict(recipe)}, history, plane
    )


def measure(
    model: TextbookVae, pixels: npt.NDArray[np.float32], draws: int
) -> dict[str, float]:
    """Loss, reconstruction and KL of (rows, 28, 28), by `draws` latents an image."""
    images = tf.data.Dataset.from_tensor_slices((pixels,)).batch(500).repeat(draws)
    means = model.evaluate(images, verbose=0, return_dict=True)
    rounded = {name: round(float(mean), 2) for name, mean in means.items()}
    return rounded | {"rows": len(pixels)}


def build_encoder(recipe: ReferenceRecipe) -> keras.Model:
    """Build pixels (rows, 28, 28) to mean and log variance, (rows, 2) each."""
    layers = keras.layers
    pixels = keras.Input((28, 28))
    x = _deepen(layers.Dense(recipe.units)(layers.Flatten()(pixels)), recipe)
    outputs = [layers.Dense(LATENT_DIMS)(x) for _ in range(2)]
    return keras.Model(pixels, outputs)


def build_decoder(recipe: ReferenceRecipe) -> keras.Model:
    """Build latents (rows, 2) to logits (rows, 28, 28), by way of waves on the plane.

    Tancik et al., "Fourier features let networks learn high frequency functions", 2020.
    """
    layers = keras.layers
    latent = keras.Input((LATENT_DIMS,))
    waves = layers.Dense(
        recipe.units,
        activation=keras.ops.sin,
        kernel_initializer=keras.initializers.RandomNormal(stddev=WAVE_NUMBER),
        bias_initializer=keras.initializers.RandomUniform(-np.pi, np.pi),
    )(latent)
    x = _deepen(layers.Dense(recipe.units)(waves), recipe)
    logits = layers.Reshape((28, 28))(layers.Dense(28 * 28)(x))
    return keras.Model(latent, logits)


def _deepen(x: Any, recipe: ReferenceRecipe) -> Any:
    layers = keras.layers
    x = layers.Activation("silu")(layers.BatchNormalization(momentum=0.95)(x))
    for _ in range(recipe.blocks):
        y = layers.Dense(recipe.units, use_bias=False)(x)
        y = layers.BatchNormalization(momentum=0.95)(y)
        x = layers.Add()([x, layers.Activation("silu")(y)])
    return x
