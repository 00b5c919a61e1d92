"""What the clothing VAE is measured by, on the functions that are exported."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from training.core.export import Function
from training.core.prediction import predict
from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.metrics.classification import summarise_classifier
from training.models.clothing.decoder import one_hot


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
    seen = predict(functions["encode"].call, {"image": real.inputs})
    summary = summarise_classifier(real.labels, seen["category"], CATEGORIES)
    kl = np.exp(seen["log_variance"]) + seen["latent"] ** 2 - 1 - seen["log_variance"]
    kl_by_dimension = 0.5 * kl.mean(axis=0)
    weights = {"guessed": seen["category"], "told": one_hot(real.labels)}
    errors = {}
    for name, category in weights.items():
        inputs = {"latent": seen["latent"], "category": category}
        back = predict(functions["decode"].call, inputs)["image"]
        errors[name] = _compare_pixels(real.inputs, back)
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
