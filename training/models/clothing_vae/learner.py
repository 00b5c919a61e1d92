"""How the clothing VAE learns: from what it brings back, and from an adversary."""

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from training.models.clothing.adversary import Adversary, AdversaryRecipe, build_adam
from training.models.clothing.decoder import build_decoder, emphasise_category
from training.models.clothing.fitting import take_average
from training.models.clothing_vae.network import (
    build_encoder,
    cross_entropy,
    divergence,
    draw,
    join,
    surprise,
)

_SMALL = AdversaryRecipe(widths=(24, 48, 64, 96), features=96)


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of the loss counts, beside the adversary's.

    Attributes:
        likelihood: of a nat of the three parts below.
        kl: of the posterior's divergence from the prior, beside the reconstruction.
        category: of the cross-entropy of the encoder's guess, likewise.
    """

    likelihood: float = 0.02
    kl: float = 1.0
    category: float = 10.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes over the training images.
        train_rows: how many of the generators' images to use at most.
        validation_rows: cut from those, a tenth of them of each category.
        batch_size: images in one step, an even number.
        rate: learning rate of encoder and decoder.
        latent_dims: length of a latent.
        widths: of the encoder's convolutions.
        hidden: units of the dense layer in the encoder and in the decoder.
        decoder_widths: channels at 7×7, 14×14 and 28×28.
        dropout: share of features hidden from the encoder's guess of the category.
        weights: of the loss's parts.
        adversary: the discriminator.
        averaging: share of the averaged weights that each step keeps.
        measured_each: drawn images of each category for the figures.
    """

    epochs: int = 40
    train_rows: int = 40_000
    validation_rows: int = 5_000
    batch_size: int = 32
    rate: float = 4e-4
    latent_dims: int = 20
    widths: tuple[int, int, int] = (24, 48, 48)
    hidden: int = 256
    decoder_widths: tuple[int, int, int] = (48, 24, 12)
    dropout: float = 0.3
    weights: Weights = field(default_factory=Weights)
    adversary: AdversaryRecipe = _SMALL
    averaging: float = 0.999
    measured_each: int = 1_000


class AdversarialVae:
    """A VAE whose decoder is told the category and whose encoder guesses it.

    Kingma et al., "Semi-supervised learning with deep generative models", 2014 (M2),
    but that the posterior does not see the category. Pixels alone teach to blur what
    is not known, so an adversary looks on, as in Larsen et al., "Autoencoding beyond
    pixels using a learned similarity metric", 2016: in each step half of the images
    are brought back, and in the place of the other half clothes are drawn from the
    prior; both are held against real ones of their categories.

    Args:
        recipe: of the networks and of a step.
        seed: of latents; other seeds must be set before.

    Attributes:
        encoder: as `build_encoder` makes it.
        decoder: as `build_decoder` makes it.
        average_encoder: for the moving averages of the encoder's weights, which it has
            after `update_average`, all but the moments of its normalisation.
        average_decoder: likewise.
        average: both of these in one.
    """

    def __init__(self, recipe: Recipe, seed: int):
        self.encoder, self.decoder = _build(recipe)
        self.average_encoder, self.average_decoder = _build(recipe)
        self.average = join(self.average_encoder, self.average_decoder)
        self.adversary = Adversary(recipe.adversary)
        self._recipe, self._seed = recipe, seed
        self._both = join(self.encoder, self.decoder)
        self._optimizer = build_adam(recipe.rate, self._both, recipe.averaging)

    def step(self, number: Any, images: Any, category: Any) -> dict[str, Any]:
        """Let encoder, decoder and adversary learn once.

        Args:
            number: int64 scalar, which step it is, from 0.
            images: float32 (batch_size, 28, 28), 0 to 1, real ones.
            category: float32 (batch_size, 10), one-hot, theirs.

        Returns:
            Scalars: those of `Adversary.meet`, and `reconstruction`, `kl` and
            `category` in nats an image.
        """
        variables = [v.value for v in self._both.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            drawn, parts = self._draw(number, images, category)
            likelihood = self._weigh(parts)
        slope, told = self.adversary.meet(number, images, drawn, category)
        targets, slopes = [drawn, likelihood], [slope, tf.ones(())]
        self._optimizer.apply(tape.gradient(targets, variables, slopes))
        return told | parts

    def update_average(self) -> None:
        """Copy Adam's moving averages of the weights to `average`."""
        take_average(self._optimizer, self._both, self.average)

    def _draw(
        self, number: Any, images: Any, category: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Bring the first half of the images back, and draw as many from the prior."""
        half = self._recipe.batch_size // 2
        seed = tf.stack([tf.constant(self._seed, tf.int64), number])
        seeds = tf.unstack(tf.random.split(seed, 2), num=2)
        mean, log_variance, guess = self.encoder(images, training=True)
        known = draw(mean[:half], log_variance[:half], seeds[0])
        never = tf.random.stateless_normal((half, self._recipe.latent_dims), seeds[1])
        latent = tf.concat([known, never], 0)
        logits = self.decoder([latent, category], training=True)[..., 0]
        each = {
            "reconstruction": cross_entropy(images[:half], logits[:half]),
            "kl": divergence(mean, log_variance),
            "category": surprise(category, guess),
        }
        parts = {name: tf.reduce_mean(nats) for name, nats in each.items()}
        return tf.sigmoid(logits), parts

    def _weigh(self, parts: dict[str, Any]) -> Any:
        weigh = self._recipe.weights
        return weigh.likelihood * (
            parts["reconstruction"]
            + weigh.kl * parts["kl"]
            + weigh.category * parts["category"]
        )


def _build(recipe: Recipe) -> tuple[Any, Any]:
    encoder = build_encoder(
        recipe.latent_dims, recipe.widths, recipe.hidden, recipe.dropout
    )
    decoder = build_decoder(recipe.latent_dims, recipe.hidden, recipe.decoder_widths)
    emphasise_category(decoder, recipe.latent_dims)
    return encoder, decoder
