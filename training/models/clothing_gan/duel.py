"""The duel of the clothing GAN: what both players do in a step of training."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from training.models.clothing.decoder import CATEGORIES, build_decoder
from training.models.clothing_gan.discriminator import (
    build_discriminator,
    discriminator_hinge,
    generator_hinge,
)
from training.models.clothing_gan.recogniser import category_loss


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of the training images to use at most.
        validation_rows: cut from the training set, a tenth of them of each category.
        batch_size: real images in a step, and as many drawn ones.
        latent_dims: length of a latent.
        hidden: units in which latent and category meet.
        generator_widths: the generator's channels at 7×7, 14×14 and 28×28.
        discriminator_widths: the discriminator's at 14×14, 7×7, 7×7 and 4×4.
        generator_rate: its learning rate at first.
        discriminator_rate: likewise.
        recogniser_widths: the recogniser's at 28×28, 14×14 and 7×7.
        recogniser_epochs: passes over the training images before the duel.
        category_weight: of what the recogniser says, beside the hinge.
        averaging: share of the averaged weights that each step keeps.
        measured_each: drawn images of each category for the figures.
    """

    epochs: int = 14
    train_rows: int = 55_000
    validation_rows: int = 5_000
    batch_size: int = 64
    latent_dims: int = 64
    hidden: int = 256
    generator_widths: tuple[int, int, int] = (64, 48, 16)
    discriminator_widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    generator_rate: float = 4e-4
    discriminator_rate: float = 6e-4
    recogniser_widths: tuple[int, int, int] = (24, 48, 64)
    recogniser_epochs: int = 3
    category_weight: float = 0.05
    averaging: float = 0.999
    measured_each: int = 1_000


class Duel:
    """Generator against discriminator.

    Both learn by Adam without momentum, the discriminator faster (Heusel et al., "GANs
    trained by a two time-scale update rule converge to a local Nash equilibrium",
    2017), at rates that fall to nothing with the root of the steps that are left.

    Args:
        recipe: of the networks and of a step.
        recogniser: images (rows, 28, 28) float32, 0 to 1, to logits (rows, 10); it
            learns nothing here.
        steps: of the whole training.
        seed: of latents and of categories to draw; other seeds must be set before.

    Attributes:
        generator: as `build_decoder` makes it.
        discriminator: as `build_discriminator` makes it.
        average: a generator for the moving average of the other's weights; it has
            them after `update_average`, all but the moments of its normalisation.
    """

    def __init__(self, recipe: Recipe, recogniser: keras.Model, steps: int, seed: int):
        self.generator, self.average = (
            build_decoder(recipe.latent_dims, recipe.hidden, recipe.generator_widths)
            for _ in range(2)
        )
        emphasise_category(self.generator, recipe.latent_dims)
        self.discriminator = build_discriminator(recipe.discriminator_widths)
        self._recipe, self._seed = recipe, seed
        self._recogniser = recogniser
        self._learn_to_draw = _build_adam(
            recipe.generator_rate, steps, self.generator, recipe.averaging
        )
        self._learn_to_tell = _build_adam(
            recipe.discriminator_rate, steps, self.discriminator
        )

    def step(self, number: Any, images: Any, category: Any) -> dict[str, Any]:
        """Let each player learn once, from the same drawn images.

        Args:
            number: int64 scalar, which step it is, from 0.
            images: float32 (batch_size, 28, 28), 0 to 1, real ones.
            category: float32 (batch_size, 10), one-hot, theirs.

        Returns:
            Scalars: `generator` and `discriminator`, their hinge losses; `obeyed`, the
            share of drawn images in which the recogniser sees the category asked for.
        """
        latent, asked = self._draw_wishes(number)
        drawn, told = self._improve_generator(latent, asked)
        told |= self._improve_discriminator((images, drawn), (category, asked))
        return told

    def update_average(self) -> None:
        """Copy Adam's moving average of the generator's weights to `average`."""
        weights = self.generator.get_weights()
        self._learn_to_draw.finalize_variable_values(self.generator.trainable_variables)
        self.average.set_weights(self.generator.get_weights())
        self.generator.set_weights(weights)

    def _draw_wishes(self, number: Any) -> tuple[Any, Any]:
        seed = tf.stack([tf.constant(self._seed, tf.int64), number])
        seeds = tf.unstack(tf.random.split(seed, 2), num=2)
        rows = self._recipe.batch_size
        latent = tf.random.stateless_normal((rows, self._recipe.latent_dims), seeds[0])
        asked = tf.random.stateless_uniform((rows,), seeds[1], 0, CATEGORIES, tf.int32)
        return latent, tf.one_hot(asked, CATEGORIES)

    def _improve_generator(self, latent: Any, asked: Any) -> tuple[Any, dict[str, Any]]:
        variables = [v.value for v in self.generator.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            drawn = tf.sigmoid(self.generator([latent, asked], training=True)[..., 0])
            hinge = generator_hinge(self.discriminator([drawn, asked], training=False))
            seen = self._recogniser(drawn, training=False)
            loss = hinge + self._recipe.category_weight * category_loss(asked, seen)
        self._learn_to_draw.apply(tape.gradient(loss, variables))
        return drawn, {"generator": hinge, "obeyed": _share_right(asked, seen)}

    def _improve_discriminator(
        self, images: tuple[Any, Any], categories: tuple[Any, Any]
    ) -> dict[str, Any]:
        """Learn from (real, drawn); in one pass, for that is faster than two."""
        variables = [v.value for v in self.discriminator.trainable_variables]
        both = [tf.concat(images, 0), tf.concat(categories, 0)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            real, drawn = tf.split(self.discriminator(both, training=True), 2)
            loss = discriminator_hinge(real, drawn)
        self._learn_to_tell.apply(tape.gradient(loss, variables))
        return {"discriminator": loss}


def emphasise_category(generator: keras.Model, latent_dims: int) -> None:
    """Let ten categories weigh as much as all latents do, from the first step."""
    kernel = generator.get_layer("meet").kernel
    scale = [1.0] * latent_dims + [latent_dims**0.5] * CATEGORIES
    kernel.assign(kernel * tf.constant(scale)[:, None])


def _build_adam(
    rate: float, steps: int, player: keras.Model, averaging: float | None = None
) -> Any:
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0, power=0.5)
    optimizer = keras.optimizers.Adam(
        schedule,
        beta_1=0.0,
        beta_2=0.99,
        use_ema=averaging is not None,
        ema_momentum=averaging or 0.0,
    )
    optimizer.build(player.trainable_variables)
    return optimizer


def _share_right(category: Any, logits: Any) -> Any:
    right = tf.equal(tf.argmax(category, 1), tf.argmax(logits, 1))
    return tf.reduce_mean(tf.cast(right, tf.float32))
