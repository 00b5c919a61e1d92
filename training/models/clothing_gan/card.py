"""What the clothing GAN says of itself: the manifest's words, and the pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.contract.manifest import Training
from training.core.export import Card
from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.models.clothing.decoder import draw_latents
from training.models.clothing.drawing import draw_softly, spread_evenly, width
from training.models.clothing.words import say_errors
from training.models.clothing_gan.choice import Trained
from training.plots import classification as plots
from training.plots.generation import draw_epochs, draw_grid, draw_players

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_COLUMNS = 12
_ANIMATED_COLUMNS = 6  # for a file below 1 MB


def describe(ran: Training, metrics: Mapping[str, Any], temperature: float) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="clothing_gan",
        task="image generation",
        description=(
            "Clothing that never was, 28×28 grey pixels, light on black, of any of ten "
            "categories or a mixture of two: the generator of a conditional GAN "
            "(projection discriminator, relativistic loss, penalised gradient) trained "
            "on Fashion-MNIST, with its averaged weights rewritten in whole numbers, "
            "so that a latent gives the same bytes everywhere."
        ),
        intended_use=(
            "Pictures for demonstrations, tests and teaching, and figures beside those "
            "of another generator of the same data. Not as evidence of what people "
            "wear, nor to train a classifier that will meet real photographs."
        ),
        limits=(
            f"{say_errors(metrics['drawing'], metrics['floor'])} "
            "Prints and fastenings dissolve on a second look; some drawings are torn "
            "shapes, sandals above all. Knows the catalogue pictures of one shop in "
            "2017 as Fashion-MNIST has them: upright, shoes to the left, black behind. "
            "A mixture of categories was never trained on, nor measured. There is no "
            "way from an image to a latent: the VAE has one. The figures are those at "
            "the temperature in the constants."
        ),
        labels=CATEGORIES,
        batch_sizes=BATCH_SIZES,
        constants={"temperature": temperature},
        training=ran,
        metrics=metrics,
    )


def draw_reports(
    drawn: Rows,
    confusion: Sequence[Sequence[int]],
    history: Mapping[str, Sequence[float]],
    distances: Sequence[float],
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG.

    Args:
        drawn: images and the category asked for, as many of each, in order.
        confusion: rows by [asked, judged].
        history: name → value at each epoch.
        distances: Fréchet distance at each epoch.
    """
    each = len(drawn) // len(CATEGORIES)
    grid = drawn.inputs.reshape(len(CATEGORIES), each, 28, 28)[:, :_COLUMNS]
    curves = {**history, "Fréchet distance, validation": distances}
    return {
        "samples.png": draw_grid(grid, CATEGORIES),
        "players.png": draw_players(curves),
        "asked_and_judged.png": plots.draw_confusion_matrix(
            np.asarray(confusion), CATEGORIES
        ),
    }


def animate(trained: Trained, temperature: float) -> bytes:
    """Draw what the same latents became from epoch to epoch, as a GIF.

    The generator is left at the last epoch.
    """
    asked = spread_evenly(len(CATEGORIES) * _ANIMATED_COLUMNS)
    rng = np.random.default_rng(4)
    latents = draw_latents(rng, len(asked), width(trained.generator)) * temperature
    frames = {}
    for epoch in range(1, trained.ran.epochs + 1):
        trained.load(epoch)
        images = draw_softly(trained.generator, latents, asked)
        frames[epoch] = images.reshape(len(CATEGORIES), _ANIMATED_COLUMNS, 28, 28)
    return draw_epochs(frames, CATEGORIES)
