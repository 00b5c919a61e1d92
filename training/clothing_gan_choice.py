"""What the clothing GAN ships: which epoch, and how far from the middle it draws."""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.clothing_gan_fitting import checkpoint, settle
from training.decoder import CATEGORIES, draw_latents, one_hot
from training.exact import build_function
from training.export import Function
from training.fashion_judge import Judge
from training.generator_measures import compare, frechet_distance
from training.split import Rows

log = logging.getLogger(__name__)

TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0)
ENOUGH, ENOUGH_OF_EACH = 0.92, 0.78  # two and three points above what is promised
_CALIBRATION_ROWS = 2_000
_ROWS_AT_ONCE = 500


def choose_epoch(
    generator: keras.Model, folder: Path, epochs: int, judge: Judge, real: Rows
) -> list[float]:
    """Leave the epoch nearest to real images in the generator, its moments settled.

    Args:
        generator: of the shape whose weights are kept in `folder`.
        folder: with the checkpoints of all epochs.
        epochs: how many.
        judge: whose features the distance is measured in.
        real: images that nobody learnt from, and not those of the test either.

    Returns:
        The Fréchet distance of each epoch, at temperature 1.
    """
    asked = spread_evenly(len(real))
    latents = draw_latents(np.random.default_rng(1), len(asked), width(generator))
    reference, distances = judge.features(real.inputs), []
    for epoch in range(1, epochs + 1):
        load_epoch(generator, folder, epoch)
        drawn = draw_softly(generator, latents, asked)
        distances.append(frechet_distance(judge.features(drawn), reference))
    best = int(np.argmin(distances)) + 1
    log.info("Kept epoch %d of %d, the nearest to real images", best, epochs)
    load_epoch(generator, folder, best)
    return [round(distance, 4) for distance in distances]


def load_epoch(generator: keras.Model, folder: Path, epoch: int) -> None:
    """Give the generator the averaged weights after an epoch, its moments settled."""
    generator.load_weights(checkpoint(folder, epoch))
    settle(generator, width(generator), seed=0)


def build_decode(generator: keras.Model) -> Function:
    """Write the generator in whole numbers, as it is served."""
    latents = draw_latents(
        np.random.default_rng(2), _CALIBRATION_ROWS, width(generator)
    )
    asked = one_hot(spread_evenly(_CALIBRATION_ROWS))
    return build_function(generator, {"latent": latents, "category": asked})


def choose_temperature(
    decode: Function, judge: Judge, real: Rows
) -> tuple[float, dict[str, dict[str, Any]]]:
    """Find the highest temperature at which the generator draws what it is asked for.

    Higher is more varied; the tails of the latents are where categories are missed. If
    none will do, the most obedient.

    Args:
        decode: as it is served.
        judge: who says what was drawn.
        real: images that nobody learnt from, and not those of the test either.

    Returns:
        The temperature, and the figures at each that was tried.
    """
    tried = {}
    for temperature in TEMPERATURES:
        drawn = draw_evenly(decode, len(real), temperature, seed=3)
        found = compare(judge, drawn, real)
        tried[temperature] = {
            "category_accuracy": found["category_accuracy"]["mean"],
            "lowest_category_accuracy": found["category_accuracy"]["lowest"],
            "frechet_distance": found["frechet_distance"],
            "coverage": found["coverage"],
            "diversity": found["diversity"]["features"]["mean"],
        }
    good = [t for t, found in tried.items() if _is_enough(found)]
    obedient = max(tried, key=lambda t: float(tried[t]["lowest_category_accuracy"]))
    chosen = max(good, default=obedient)
    return chosen, {str(temperature): found for temperature, found in tried.items()}


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
