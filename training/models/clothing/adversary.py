"""The discriminator that teaches both clothing generators, and how it learns itself."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from training.models.clothing.decoder import CATEGORIES

_LEAK = 0.2
_LARGEST_LEAD = 20.0  # beyond, the slope is nothing, and its factor without bounds


@dataclass(frozen=True, slots=True)
class AdversaryRecipe:
    """What decides the discriminator, besides the seed.

    Attributes:
        widths: channels at 14×14, 7×7, 7×7 and 4×4.
        features: units of the dense layer that is held against the category.
        rate: learning rate.
        penalty: weight of the squared gradient; see `Adversary`.
        penalty_every: steps from one penalty to the next, which weighs as many times.
        naming: weight of the cross-entropy, in nats, with which it learns to name the
            category of real images.
        named: weight of the same at drawn ones, which the generator pays.
    """

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    features: int = 128
    rate: float = 4e-4
    penalty: float = 0.05
    penalty_every: int = 16
    naming: float = 0.3
    named: float = 0.05


class Adversary:
    """A discriminator that compares each drawn image with a real one of its category.

    The loss is relativistic (Jolicoeur-Martineau, "The relativistic discriminator",
    2019): how much more real the real one of a pair seems. A generator that leaves out
    a kind of garment loses every pair with one of it, so that it cannot rest on few.
    The gradient at real and at drawn images is penalised (R1 and R2: Mescheder et al.,
    "Which training methods for GANs do actually converge?", 2018; both together: Huang
    et al., "The GAN is dead; long live the GAN!", 2024), every few steps, which serves
    as well (Karras et al., "Analyzing and improving the image quality of StyleGAN",
    2020).

    It may name the category too, by the logits that the projection has anyway: what
    learns that a shirt is no coat can say so to the generator (Odena et al.,
    "Conditional image synthesis with auxiliary classifier GANs", 2017).

    Args:
        recipe: of the network and of its steps.

    Attributes:
        network: as `build_discriminator` makes it.
    """

    def __init__(self, recipe: AdversaryRecipe):
        self.network = build_discriminator(recipe.widths, recipe.features)
        self._recipe = recipe
        self._optimizer = build_adam(recipe.rate, self.network)

    def meet(
        self, number: Any, real: Any, drawn: Any, category: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Learn a step to tell real from drawn, and say what would make it harder.

        Both from one pass: what a pair costs the generator has the slope of what it
        costs the discriminator, but for a factor.

        Args:
            number: int64 scalar, which step it is, from 0.
            real: images (rows, 28, 28) float32, 0 to 1.
            drawn: likewise; image i is to be of the category of real image i.
            category: (rows, 10) float32, one-hot, of both.

        Returns:
            The slope of the generator's loss at `drawn`, of its shape; and scalars:
            `generator` and `discriminator`, what each of them pays for the pairs, ln 2
            for both if nothing can be told; `named_real` and `named_drawn`, the
            cross-entropy of the categories it names.
        """
        variables = [v.value for v in self.network.trainable_variables]
        images = tf.stop_gradient(tf.concat([real, drawn], 0))
        categories = tf.concat([category, category], 0)
        with tf.GradientTape(True, watch_accessed_variables=False) as tape:
            tape.watch([images, *variables])
            scores, logits = self.network([images, categories])
            lead = tf.subtract(*tf.split(scores, 2))
            loss = tf.reduce_mean(tf.nn.softplus(-lead))
            nats = tf.nn.softmax_cross_entropy_with_logits(categories, logits)
            named_real, named_drawn = map(tf.reduce_mean, tf.split(nats, 2))
            whole = loss + self._recipe.naming * named_real
        at_images, *slopes = tape.gradient(whole, [images, *variables])
        self._improve(number, images, categories, slopes)
        factor = -tf.exp(tf.minimum(lead, _LARGEST_LEAD))  # σ(lead) / σ(−lead)
        slope = tf.split(at_images, 2)[1] * factor[..., None]
        if self._recipe.named:
            at_drawn = tf.split(tape.gradient(named_drawn, images), 2)[1]
            slope += self._recipe.named * at_drawn
        return slope, {
            "generator": tf.reduce_mean(tf.nn.softplus(lead)),
            "discriminator": loss,
            "named_real": named_real,
            "named_drawn": named_drawn,
        }

    def _improve(self, number: Any, images: Any, categories: Any, slopes: Any) -> None:
        variables = [v.value for v in self.network.trainable_variables]
        penalties = tf.cond(
            tf.equal(number % self._recipe.penalty_every, 0),
            lambda: self._penalise(images, categories, variables),
            lambda: [tf.zeros_like(variable) for variable in variables],
        )
        self._optimizer.apply(
            [one + other for one, other in zip(slopes, penalties, strict=True)]
        )

    def _penalise(self, images: Any, categories: Any, variables: list[Any]) -> Any:
        """Gradients of the penalty, real and drawn images together, for `variables`."""
        weight = self._recipe.penalty * self._recipe.penalty_every
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(variables)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(images)
                score = tf.reduce_sum(self.network([images, categories])[0])
            squares = tf.square(inner.gradient(score, images))
            penalty = weight * tf.reduce_mean(tf.reduce_sum(squares, (1, 2)))
        return outer.gradient(
            penalty, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )


def build_discriminator(
    widths: tuple[int, int, int, int], features: int
) -> keras.Model:
    """Build the discriminator: images and categories to a score, and to logits.

    A projection (Miyato and Koyama, "cGANs with projection discriminator", 2018)
    judges an image as one of a category. Nothing is normalised: the penalty on its
    gradient holds it back.

    Inputs are images (rows, 28, 28) float32, 0 to 1, and categories (rows, 10) float32,
    one-hot. The score (rows, 1) is higher for what seems real; the logits (rows, 10)
    say what it would be for each category, but for an addend.

    Args:
        widths: channels at 14×14, 7×7, 7×7 and 4×4.
        features: units of the dense layer that is held against the category.
    """
    layers = keras.layers
    image = keras.Input((28, 28), name="image")
    category = keras.Input((CATEGORIES,), name="category")
    x = layers.Rescaling(2.0, offset=-1.0, name="scale")(image)
    x = layers.Reshape((28, 28, 1), name="channel")(x)
    for number, (width, size, stride) in enumerate(
        zip(widths, (5, 4, 3, 3), (2, 2, 1, 2), strict=True), start=1
    ):
        x = layers.Conv2D(width, size, stride, "same", name=f"conv{number}")(x)
        x = layers.LeakyReLU(_LEAK, name=f"leak{number}")(x)
    x = layers.Dense(features, name="features")(layers.Flatten(name="flatten")(x))
    x = layers.LeakyReLU(_LEAK, name="leak_features")(x)
    logits = layers.Dense(CATEGORIES, use_bias=False, name="categories")(x)
    fits = layers.Dot(axes=1, name="fits")([logits, category])
    score = layers.Add(name="score")([layers.Dense(1, name="real")(x), fits])
    return keras.Model([image, category], [score, logits], name="discriminator")


def build_adam(rate: float, player: keras.Model, averaging: float | None = None) -> Any:
    """Build Adam without momentum, at one rate: more epochs begin as fewer do.

    Args:
        rate: learning rate.
        player: whose variables it changes.
        averaging: share of a moving average of the weights that a step keeps; None =
            there is no average.
    """
    optimizer = keras.optimizers.Adam(
        rate,
        beta_1=0.0,
        beta_2=0.99,
        use_ema=averaging is not None,
        ema_momentum=averaging or 0.0,
    )
    optimizer.build(player.trainable_variables)
    return optimizer
