"""What the clothing VAE is measured by, on the functions that are exported."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.export import Function
from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.datasets.idx import ImageSet
from training.metrics import classification
from training.metrics.generation import compare, measure_generator
from training.models.clothing.decoder import draw_latents, one_hot
from training.models.fashion_judge.train import Judge

TEMPERATURES = (1.0, 0.9, 0.8, 0.7, 0.6)
ENOUGH, ENOUGH_EACH = 0.90, 0.75  # the goals
_CHUNK = 500


def call(
    function: Function, inputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Call a signature on many rows: input name → array, output name → array."""
    rows = len(next(iter(inputs.values())))
    parts = [
        function.call(
            **{
                name: tf.constant(array[start : start + _CHUNK])
                for name, array in inputs.items()
            }
        )
        for start in range(0, rows, _CHUNK)
    ]
    return {
        name: np.concatenate([part[name].numpy() for part in parts])
        for name in parts[0]
    }


def draw_clothes(decode: Function, temperature: float, each: int, seed: int) -> Rows:
    """Draw `each` images of each category, the categories in order.

    Returns:
        Images (rows, 28, 28) uint8 and the categories asked for.
    """
    asked = np.repeat(np.arange(len(CATEGORIES)), each)
    dims = decode.sample["latent"].shape[1]
    latent = draw_latents(np.random.default_rng(seed), len(asked), dims)
    inputs = {"latent": latent * np.float32(temperature), "category": one_hot(asked)}
    return Rows(call(decode, inputs)["image"], asked)


def choose_temperature(
    judge: Judge, decode: Function, validation: Rows
) -> tuple[float, dict[str, Any]]:
    """Choose the highest temperature at which the categories can be told apart.

    The higher, the more diverse, and the more doubtful.

    Returns:
        The temperature; if none is good enough, the one best in its worst category.
        And for each that was tried, the figures against the validation images.
    """
    tried: dict[float, Any] = {}
    each = len(validation) // len(CATEGORIES)
    for temperature in TEMPERATURES:
        drawn = draw_clothes(decode, temperature, each, seed=1)
        tried[temperature] = compare(judge, drawn, validation)
        tried[temperature].pop("confusion")
        if _is_enough(tried[temperature]["category_accuracy"]):
            chosen = temperature
            break
    else:
        chosen = max(tried, key=lambda t: tried[t]["category_accuracy"]["lowest"])
    return chosen, {f"{temperature:.1f}": tried[temperature] for temperature in tried}


def _is_enough(accuracy: Mapping[str, float]) -> bool:
    return accuracy["mean"] >= ENOUGH and accuracy["lowest"] >= ENOUGH_EACH


def measure_drawing(
    judge: Judge, decode: Function, temperature: float, data: ImageSet, each: int
) -> dict[str, Any]:
    """Measure `each` drawn images of each category against the real test images."""
    drawn = draw_clothes(decode, temperature, each, seed=2)
    return measure_generator(judge, drawn.inputs, drawn.labels, data)


def measure_reconstruction(
    functions: Mapping[str, Function], real: Rows
) -> dict[str, Any]:
    """Measure what comes back of images that go through `encode` and `decode`.

    Args:
        functions: both signatures.
        real: images (rows, 28, 28) uint8, and their categories.

    Returns:
        How often the encoder's guess of the category is right, and the errors of the
        posterior means decoded with that guess and with the true category: per pixel,
        of pixels from 0 to 1; `cross_entropy_per_image` is in nats.
    """
    seen = call(functions["encode"], {"image": real.inputs})
    summary = classification.summarise_classifier(
        real.labels, seen["category"], CATEGORIES
    )
    kl = np.exp(seen["log_variance"]) + seen["latent"] ** 2 - 1 - seen["log_variance"]
    kl_by_dimension = 0.5 * kl.mean(axis=0)
    weights = {"guessed": seen["category"], "told": one_hot(real.labels)}
    errors = {
        name: _compare_pixels(
            real.inputs,
            call(functions["decode"], {"latent": seen["latent"], "category": category})[
                "image"
            ],
        )
        for name, category in weights.items()
    }
    return {
        "rows": len(real),
        "encoder_category": summary,
        "kl_nats": round(float(kl_by_dimension.sum()), 3),
        "dimensions_used": int((kl_by_dimension > 0.05).sum()),
        **errors,
    }


def _compare_pixels(
    real: npt.NDArray[np.uint8], drawn: npt.NDArray[np.uint8]
) -> dict[str, float]:
    """An image of 8 bits never says 0 or 1 for sure: half a step is kept from both."""
    x, p = real / 255.0, drawn / 255.0
    likely = p.clip(0.5 / 255, 1 - 0.5 / 255)
    nats = -(x * np.log(likely) + (1 - x) * np.log(1 - likely))
    return {
        "squared_error": round(float(((x - p) ** 2).mean()), 5),
        "absolute_error": round(float(np.abs(x - p).mean()), 5),
        "cross_entropy": round(float(nats.mean()), 5),
        "cross_entropy_per_image": round(float(nats.mean() * 28 * 28), 2),
    }
