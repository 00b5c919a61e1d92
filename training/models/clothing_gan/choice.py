"""What the clothing GAN ships: which epoch, and how far from the middle it draws."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.manifest import Training
from training.core.export import Function
from training.core.split import Rows
from training.metrics.generation import compare, frechet_distance
from training.models.clothing.decoder import CATEGORIES, draw_latents, one_hot
from training.models.clothing.integer_decoder import build_function
from training.models.clothing_gan.fitting import checkpoint, load, settle
from training.models.fashion_judge.train import Judge

log = logging.getLogger(__name__)

TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0)
ENOUGH, ENOUGH_OF_EACH = 0.92, 0.78  # a margin above what is promised
_CALIBRATION_ROWS = 2_000
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training leaves.

    Attributes:
        generator: of the shape whose weights are kept, with any of them.
        folder: with the checkpoint of each epoch.
        history: name → value at each epoch.
        ran: for the manifest.
    """

    generator: keras.Model
    folder: Path
    history: Mapping[str, Sequence[float]]
    ran: Training

    def load(self, epoch: int) -> None:
        """Give the generator its averaged weights after an epoch, moments settled."""
        load(self.generator, checkpoint(self.folder, epoch))
        settle(self.generator, width(self.generator), seed=0)


def choose_epoch(trained: Trained, judge: Judge, real: Rows) -> list[float]:
    """Leave the epoch nearest to real images in the generator, its moments settled.

    Args:
        trained: its generator gets the weights.
        judge: whose features the distance is measured in.
        real: images that nobody learnt from, and not those of the test either.

    Returns:
        The Fréchet distance of each epoch, at temperature 1.
    """
    asked = spread_evenly(len(real))
    latents = draw_latents(
        np.random.default_rng(1), len(asked), width(trained.generator)
    )
    reference, distances = judge.features(real.inputs), []
    for epoch in range(1, trained.ran.epochs + 1):
        trained.load(epoch)
        drawn = draw_softly(trained.generator, latents, asked)
        distances.append(frechet_distance(judge.features(drawn), reference))
    best = int(np.argmin(distances)) + 1
    log.info("Kept epoch %d of %d, the nearest to real images", best, len(distances))
    trained.load(best)
    return [round(distance, 4) for distance in distances]


def build_decode(generator: keras.Model) -> Function:
    """Write the generator in whole numbers, as it is served."""
    latents = draw_latents(
        np.random.default_rng(2), _CALIBRATION_ROWS, width(generator)
    )
    asked = one_hot(spread_evenly(_CALIBRATION_ROWS))
    return build_function(generator, {"latent": latents, "category": asked})


def choose_temperature(
    decode: Function, judge: Judge, real: Rows
) -> tuple[float, dict[str, dict[str, float]]]:
    """Try temperatures and pick one.

    Args:
        decode: as it is served.
        judge: who says what was drawn.
        real: images that nobody learnt from, and not those of the test either.

    Returns:
        The temperature, and the figures at each that was tried.
    """
    tried = {}
    for temperature in TEMPERATURES:
        found = compare(judge, draw_evenly(decode, len(real), temperature, 3), real)
        tried[temperature] = {
            "category_accuracy": found["category_accuracy"]["mean"],
            "lowest_category_accuracy": found["category_accuracy"]["lowest"],
            "frechet_distance": found["frechet_distance"],
            "coverage": found["coverage"],
            "diversity": found["diversity"]["features"]["mean"],
        }
    chosen = pick_temperature(tried)
    return chosen, {str(temperature): found for temperature, found in tried.items()}


def pick_temperature(tried: Mapping[float, Mapping[str, float]]) -> float:
    """Pick the highest temperature at which the generator draws what it is asked for.

    Higher is more varied, but far from the middle a category is missed more often. If
    none will do, the one whose worst category is the best.

    Args:
        tried: temperature → `category_accuracy` and `lowest_category_accuracy`.
    """
    good = [
        temperature
        for temperature, found in tried.items()
        if found["category_accuracy"] >= ENOUGH
        and found["lowest_category_accuracy"] >= ENOUGH_OF_EACH
    ]
    best = max(tried, key=lambda each: tried[each]["lowest_category_accuracy"])
    return max(good, default=best)


def draw_evenly(decode: Function, rows: int, temperature: float, seed: int) -> Rows:
    """Draw as many images of each category, and say which was asked for.

    Args:
        decode: as it is served.
        rows: how many; a multiple of ten.
        temperature: multiplier of the standard-normal latents.
        seed: of the latents.
    """
    dims = decode.inputs[0].shape[1]
    assert dims is not None  # noqa: S101 — for mypy: only the rows are free
    asked = spread_evenly(rows)
    latents = draw_latents(np.random.default_rng(seed), rows, dims) * temperature
    return Rows(draw(decode, latents, asked), asked)


def draw(
    decode: Function, latents: npt.NDArray[np.float32], asked: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint8]:
    """Draw (rows, 28, 28) uint8 from latents (rows, dims) and categories (rows,)."""
    category = one_hot(asked)
    parts = []
    for start in range(0, len(asked), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        latent = tf.constant(latents[rows].astype(np.float32))
        parts.append(decode.call(latent=latent, category=tf.constant(category[rows])))
    return np.concatenate([part["image"].numpy() for part in parts])


def draw_softly(
    generator: keras.Model,
    latents: npt.NDArray[np.float32],
    asked: npt.NDArray[np.integer],
) -> npt.NDArray[np.uint8]:
    """Draw with the Keras generator, to see how it learns; what is served is `draw`."""
    inputs = [latents, one_hot(asked)]
    logits = generator.predict(inputs, batch_size=_ROWS_AT_ONCE, verbose=0)
    images = 255 / (1 + np.exp(-logits[..., 0].astype(np.float64)))
    return np.asarray(np.rint(images), np.uint8)


def spread_evenly(rows: int) -> npt.NDArray[np.int64]:
    """(rows,) categories in order, as many of each."""
    return np.repeat(np.arange(CATEGORIES), rows // CATEGORIES)


def width(generator: keras.Model) -> int:
    """Length of the latents that a generator takes."""
    return int(generator.inputs[0].shape[1])
