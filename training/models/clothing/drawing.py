"""Drawing with a clothing decoder as it is served, and the temperature to do it at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from training.core.export import Function
from training.core.prediction import predict
from training.core.split import Rows
from training.models.clothing.decoder import CATEGORIES, draw_latents, one_hot
from training.models.clothing.integer_decoder import build_function
from training.models.clothing.measures import compare
from training.models.fashion_judge.judge import Judge

TEMPERATURES = (*(each / 50 for each in range(15, 40)), 0.8, 0.9, 1.0, 1.1, 1.2)
_NEIGHBOURHOOD = ("precision", "recall", "coverage")
_CALIBRATION_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Goal:
    """How good drawings must be at least, as shares from 0 to 1.

    Attributes:
        lowest: of the drawings of the worst category, those that are recognised.
        precision: see `training.metrics.generation.measure_neighbours`.
        recall: likewise.
    """

    lowest: float
    precision: float
    recall: float

    def is_met(self, found: Mapping[str, float]) -> bool:
        """Tell by the figures of `measure_temperature`."""
        return (
            found["lowest_category_accuracy"] >= self.lowest
            and found["precision"] >= self.precision
            and found["recall"] >= self.recall
        )


def spread_evenly(rows: int) -> npt.NDArray[np.int64]:
    """(rows,) categories in order, as many of each; a multiple of ten."""
    return np.repeat(np.arange(CATEGORIES), rows // CATEGORIES)


def draw_evenly(decode: Function, rows: int, temperature: float, seed: int) -> Rows:
    """Draw as many images of each category, in order.

    Args:
        decode: as it is served.
        rows: how many; a multiple of ten.
        temperature: multiplier of the standard-normal latents.
        seed: of the latents.

    Returns:
        Images (rows, 28, 28) uint8 and the categories asked for.
    """
    asked, dims = spread_evenly(rows), decode.sample["latent"].shape[1]
    latents = draw_latents(np.random.default_rng(seed), rows, dims)
    return Rows(draw(decode, latents * np.float32(temperature), asked), asked)


def draw(
    decode: Function, latents: npt.NDArray[np.float32], asked: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint8]:
    """Draw (rows, 28, 28) uint8 from latents (rows, dims) and categories (rows,)."""
    inputs = {"latent": latents, "category": one_hot(asked)}
    return predict(decode.call, inputs)["image"]


def draw_softly(
    generator: keras.Model,
    latents: npt.NDArray[np.float32],
    asked: npt.NDArray[np.integer],
) -> npt.NDArray[np.uint8]:
    """Draw with the Keras generator, to see how it learns.

    What is served is the same in whole numbers.
    """
    inputs = [latents, one_hot(asked)]
    logits = generator.predict(inputs, batch_size=500, verbose=0)
    images = 255 * expit(logits[..., 0].astype(np.float64))
    return np.asarray(np.rint(images), np.uint8)


def width(generator: keras.Model) -> int:
    """Length of the latents that a generator takes."""
    return int(generator.inputs[0].shape[1])


def build_decode(decoder: keras.Model) -> Function:
    """Write a decoder in whole numbers, as it is served."""
    rng = np.random.default_rng(2)
    latents = draw_latents(rng, _CALIBRATION_ROWS, width(decoder))
    asked = one_hot(spread_evenly(_CALIBRATION_ROWS))
    return build_function(decoder, {"latent": latents, "category": asked})


def measure_temperature(
    decode: Function, judge: Judge, real: Rows, temperature: float
) -> dict[str, Any]:
    """Draw as many images as there are real ones, and compare.

    Args:
        decode: as it is served.
        judge: who says what was drawn.
        real: images that nobody learnt from, and not those of the test either.
        temperature: to draw at.
    """
    found = compare(judge, draw_evenly(decode, len(real), temperature, seed=1), real)
    return {
        "category_accuracy": found["category_accuracy"]["mean"],
        "lowest_category_accuracy": found["category_accuracy"]["lowest"],
        "diversity": found["diversity"]["features"]["mean"],
        **{name: found[name] for name in ("frechet_distance", *_NEIGHBOURHOOD)},
    }


def choose_temperature(
    measure: Callable[[float], dict[str, Any]], goal: Goal
) -> tuple[float, dict[str, Any]]:
    """Choose the temperature at which drawings are nearest to real images.

    Higher is more varied, but far from the middle a category is missed more often. So
    those at which the goal is met come first, and all others only if there is none.

    Args:
        measure: gives the figures at a temperature; see `measure_temperature`.
        goal: what is good enough.

    Returns:
        The temperature, and the figures at each.
    """
    tried = {temperature: measure(temperature) for temperature in TEMPERATURES}
    good = [each for each, found in tried.items() if goal.is_met(found)]
    temperature = min(good or tried, key=lambda t: tried[t]["frechet_distance"])
    return temperature, {str(each): found for each, found in tried.items()}
