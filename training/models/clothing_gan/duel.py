"""The duel of the clothing GAN: what both players do in a step of training."""

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from training.models.clothing.adversary import Adversary, AdversaryRecipe, build_adam
from training.models.clothing.decoder import build_decoder, emphasise_category
from training.models.clothing.fitting import take_average


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of the generators' images to use at most.
        validation_rows: cut from those, a tenth of them of each category.
        batch_size: real images in a step, and as many drawn ones.
        latent_dims: length of a latent.
        hidden: units in which latent and category meet.
        generator_widths: the generator's channels at 7×7, 14×14 and 28×28.
        generator_rate: its learning rate.
        adversary: the discriminator.
        averaging: share of the averaged weights that each step keeps.
        measured_each: drawn images of each category for the figures.
    """

    epochs: int = 40
    train_rows: int = 40_000
    validation_rows: int = 5_000
    batch_size: int = 32
    latent_dims: int = 64
    hidden: int = 256
    generator_widths: tuple[int, int, int] = (64, 48, 16)
    generator_rate: float = 4e-4
    adversary: AdversaryRecipe = field(default_factory=AdversaryRecipe)
    averaging: float = 0.999
    measured_each: int = 1_000


class Duel:
    """Generator against discriminator.

    Args:
        recipe: of the networks and of a step.
        seed: of latents; other seeds must be set before.

    Attributes:
        generator: as `build_decoder` makes it.
        adversary: who tells it apart.
        average: a generator for the moving average of the other's weights; it has
            them after `update_average`, all but the moments of its normalisation.
    """

    def __init__(self, recipe: Recipe, seed: int):
        self.generator, self.average = (
            build_decoder(recipe.latent_dims, recipe.hidden, recipe.generator_widths)
            for _ in range(2)
        )
        emphasise_category(self.generator, recipe.latent_dims)
        self.adversary = Adversary(recipe.adversary)
        self._recipe, self._seed = recipe, seed
        self._optimizer = build_adam(
            recipe.generator_rate, self.generator, recipe.averaging
        )

    def step(self, number: Any, images: Any, category: Any) -> dict[str, Any]:
        """Let each player learn once, from the same drawn images.

        Args:
            number: int64 scalar, which step it is, from 0.
            images: float32 (batch_size, 28, 28), 0 to 1, real ones.
            category: float32 (batch_size, 10), one-hot, theirs.

        Returns:
            Scalars; see `Adversary.meet`.
        """
        seed = tf.stack([tf.constant(self._seed, tf.int64), number])
        rows = (self._recipe.batch_size, self._recipe.latent_dims)
        latent = tf.random.stateless_normal(rows, seed)
        variables = [v.value for v in self.generator.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = self.generator([latent, category], training=True)
            drawn = tf.sigmoid(logits[..., 0])
        slope, told = self.adversary.meet(number, images, drawn, category)
        self._optimizer.apply(tape.gradient(drawn, variables, slope))
        return told

    def update_average(self) -> None:
        """Copy Adam's moving average of the generator's weights to `average`."""
        take_average(self._optimizer, self.generator, self.average)
