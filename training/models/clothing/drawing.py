"""Drawing with a clothing decoder as it is served, and the temperature to do it at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.core.export import Function
from training.core.prediction import predict
from training.core.split import Rows
from training.models.clothing.decoder import CATEGORIES, draw_latents, one_hot
from training.models.clothing.measures import compare
from training.models.fashion_judge.judge import Judge

TEMPERATURES = (1.0, 0.9, 0.8, 0.7, 0.6)


@dataclass(frozen=True, slots=True)
class Goal:
    """How well drawn categories must be recognised, as shares from 0 to 1.

    Attributes:
        mean: of all drawings.
        lowest: of the drawings of the worst category.
    """

    mean: float
    lowest: float

    def is_met(self, found: Mapping[str, float]) -> bool:
        """Tell by the figures of `measure_temperature`."""
        mean, lowest = found["category_accuracy"], found["lowest_category_accuracy"]
        return mean >= self.mean and lowest >= self.lowest


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
        "frechet_distance": found["frechet_distance"],
        "coverage": found["coverage"],
        "diversity": found["diversity"]["features"]["mean"],
    }


def choose_temperature(
    measure: Callable[[float], dict[str, Any]], goal: Goal
) -> tuple[float, dict[str, Any]]:
    """Choose the highest temperature at which the decoder draws what it is asked for.

    Higher is more varied, but far from the middle a category is missed more often. If
    none will do, it is the one whose worst category is the best.

    Args:
        measure: gives the figures at a temperature; see `measure_temperature`.
        goal: what is good enough.

    Returns:
        The temperature, and the figures at each that was tried.
    """
    tried: dict[float, dict[str, Any]] = {}
    for temperature in TEMPERATURES:
        tried[temperature] = measure(temperature)
        if goal.is_met(tried[temperature]):
            break
    else:
        temperature = max(tried, key=lambda t: tried[t]["lowest_category_accuracy"])
    return temperature, {str(each): found for each, found in tried.items()}
