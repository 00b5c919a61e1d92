"""What the clothing VAE says of itself, in words and in pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.manifest import Training
from training.core.export import Card, Function
from training.core.prediction import predict
from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.models.clothing.decoder import one_hot
from training.models.clothing.drawing import draw_evenly
from training.models.clothing.words import say_errors
from training.plots import classification as plots
from training.plots.generation import draw_grid, draw_players

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
COLUMNS = 12
STEPS = 9
WAYS = ((0, 6), (1, 3), (2, 4), (5, 7), (7, 9), (8, 8), (3, 6), (0, 2))

Images = npt.NDArray[np.uint8]


def draw_reports(
    functions: Mapping[str, Function],
    temperature: float,
    metrics: Any,
    test: Rows,
    history: Mapping[str, Sequence[float]],
) -> dict[str, bytes]:
    """Draw what the exported functions do, and how they learnt: file name → PNG."""
    drawn = draw_evenly(functions["decode"], 10 * COLUMNS, temperature, seed=3)
    samples = drawn.inputs.reshape(len(CATEGORIES), COLUMNS, 28, 28)
    confusion = np.array(metrics["drawing"]["confusion"])
    return {
        "samples.png": draw_grid(samples, CATEGORIES),
        "reconstructions.png": _draw_reconstructions(functions, test),
        "interpolations.png": _draw_ways(functions, test),
        "asked_and_judged.png": plots.draw_confusion_matrix(confusion, CATEGORIES),
        "players.png": draw_players(history),
    }


def describe(ran: Training, metrics: dict[str, Any], temperature: float) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="clothing_vae",
        task="image generation",
        description=(
            "Draws clothing that never was, in ten categories, 28×28 grey pixels, "
            "light on black: a conditional variational auto-encoder trained on "
            "Fashion-MNIST with an adversary. decode: a standard-normal latent times "
            "the temperature, and weights of the categories, to an image, in "
            "whole-number arithmetic: the same bytes in every batch and on every "
            "machine. encode: an image to the latent's mean and log variance and the "
            "probabilities of its category."
        ),
        intended_use=(
            "Small pictures for demonstrations, load tests and teaching; bringing a "
            "garment to a few numbers and back; steps between two garments. Not as "
            "evidence of what people wear, nor to train a classifier that will meet "
            "real photographs."
        ),
        limits=(
            f"{say_errors(metrics['drawing'], metrics['floor'])} "
            "The encoder's guess of the category of a real garment is wrong for "
            f"{_count_wrong(metrics)} of 100. "
            "T-shirt, pullover, coat, dress and shirt shade into each other, in the "
            "photographs as in the drawings. Prints and fastenings are guessed at, and "
            "what comes back of a garment may have others than went in. Knows "
            "catalogue pictures of one shop in 2017 as Fashion-MNIST has them: fitted "
            "into 28×28, upright, shoes to the left, black behind. Mixtures of "
            "categories were looked at, not measured. The figures are those at the "
            "temperature in the constants."
        ),
        labels=CATEGORIES,
        batch_sizes=BATCH_SIZES,
        constants={"temperature": temperature},
        training=ran,
        metrics=metrics,
    )


def _count_wrong(metrics: Mapping[str, Any]) -> str:
    right = metrics["reconstruction"]["encoder_category"]["accuracy"]
    return f"{100 * (1 - right):.1f}"


def _draw_reconstructions(functions: Mapping[str, Function], test: Rows) -> bytes:
    """Real images, and under each what came back, the category guessed."""
    real = _choose(test, COLUMNS)
    seen = predict(functions["encode"].call, {"image": real})
    inputs = {"latent": seen["latent"], "category": seen["category"]}
    back = predict(functions["decode"].call, inputs)["image"]
    pairs = np.stack(
        [rows.reshape(len(CATEGORIES), COLUMNS, 28, 28) for rows in (real, back)], 1
    )
    names = [name for category in CATEGORIES for name in (category, "came back")]
    return draw_grid(pairs.reshape(-1, COLUMNS, 28, 28), names)


def _draw_ways(functions: Mapping[str, Function], test: Rows) -> bytes:
    """Steps from one real garment to another, latents and categories both."""
    real = _choose(test, 2).reshape(len(CATEGORIES), 2, 28, 28)
    ends = np.array([(real[one, 0], real[other, 1]) for one, other in WAYS])
    latent = predict(functions["encode"].call, {"image": ends.reshape(-1, 28, 28)})[
        "latent"
    ]
    dims = latent.shape[1]
    starts, stops = np.moveaxis(latent.reshape(-1, 2, dims), 1, 0)
    first, last = np.moveaxis(one_hot(np.array(WAYS)), 1, 0)
    inputs = {
        "latent": np.linspace(starts, stops, STEPS, axis=1).reshape(-1, dims),
        "category": np.linspace(first, last, STEPS, axis=1).reshape(-1, 10),
    }
    inputs = {name: array.astype(np.float32) for name, array in inputs.items()}
    steps = predict(functions["decode"].call, inputs)
    shown = steps["image"].reshape(len(WAYS), STEPS, 28, 28)
    strip = np.concatenate([ends[:, :1], shown, ends[:, 1:]], axis=1)
    return draw_grid(strip, [CATEGORIES[one] for one, _ in WAYS])


def _choose(test: Rows, each: int) -> Images:
    """The first `each` images of each category, the categories in order."""
    chosen = [
        test.inputs[test.labels == label][:each] for label in range(len(CATEGORIES))
    ]
    return np.concatenate(chosen)
