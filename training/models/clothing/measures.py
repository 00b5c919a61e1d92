"""How good drawn clothing is, in figures of what the judge sees in it.

None of them looks at a single image and calls it good; each compares a thousand images
of each category with as many real ones, and real against real is the yardstick.
`docs/models/clothing-measures.md` says what each means.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.metrics.classification import name_values
from training.metrics.generation import (
    NEIGHBOURS,
    frechet_distance,
    mean_distance,
    measure_neighbours,
)
from training.models.fashion_judge.judge import Judge, Look

Integers = npt.NDArray[np.integer]

PER_CATEGORY = 1_000


def measure_generator(
    judge: Judge, images: npt.NDArray[np.uint8], asked: Integers, test: Rows
) -> dict[str, Any]:
    """Compare drawn images with the real test images, for a manifest.

    The figures of the manifests are of 10,000 images, 1,000 of each category. To
    choose between networks use `compare`, with real images other than the test's.

    Args:
        judge: who looks at both.
        images: (rows, 28, 28) uint8, at least six of each category.
        asked: (rows,) index into `CATEGORIES` that each was drawn for.
        test: the test images of Fashion-MNIST.

    Returns:
        What `compare` returns, and who judged.
    """
    return {
        "judge_sha256": judge.sha256,
        "reference": "the test images of Fashion-MNIST",
    } | compare(judge, Rows(images, asked), test)


def measure_floor(
    judge: Judge, unseen: Rows, test: Rows, each: int = PER_CATEGORY
) -> dict[str, Any]:
    """Compare real images with the real test images: no drawing should do better.

    Args:
        judge: who looks at both.
        unseen: real images that the judge did not learn from.
        test: the test images of Fashion-MNIST.
        each: of those images of each category, as many as are drawn.
    """
    images = sample_evenly(unseen, 1, each)
    return measure_generator(judge, images.inputs, images.labels, test)


def compare(judge: Judge, drawn: Rows, real: Rows) -> dict[str, Any]:
    """Compare drawn with real images by every measure here.

    Args:
        judge: who looks at both.
        drawn: inputs (rows, 28, 28) uint8; labels the category asked for, at least
            six of each.
        real: likewise, labels the true category; other images than the judge's own.

    Returns:
        JSON-ready: sizes of the samples, `category_accuracy` (overall, lowest, by
        category), `confusion` [asked, judged], `categories_covered`,
        `frechet_distance`, `precision`, `recall`, `density`, `coverage`, and
        `diversity` in features and pixels as share of real (mean, lowest, by category).
    """
    seen_drawn, seen_real = judge.look(drawn.inputs), judge.look(real.inputs)
    confusion, truth = _confuse(drawn, seen_drawn), _confuse(real, seen_real)
    features = Rows(seen_drawn.features, drawn.labels)
    real_features = Rows(seen_real.features, real.labels)
    flat, real_flat = _flatten(drawn), _flatten(real)
    distance = frechet_distance(features.inputs, real_features.inputs)
    neighbourhood = measure_neighbours(features.inputs, real_features.inputs)
    return {
        "images": len(drawn),
        "reference_images": len(real),
        "neighbours": NEIGHBOURS,
        "category_accuracy": _summarise(_measure_recall(confusion)),
        "real_category_accuracy": _summarise(_measure_recall(truth)),
        "confusion": confusion.tolist(),
        "categories_covered": count_covered(confusion),
        "frechet_distance": round(distance, 4),
        **{name: round(value, 4) for name, value in neighbourhood.items()},
        "diversity": {
            "features": _summarise(measure_diversity(features, real_features)),
            "pixels": _summarise(measure_diversity(flat, real_flat)),
        },
    }


def sample_evenly(whole: Rows, seed: int, each: int) -> Rows:
    """Choose `each` rows of each category at random, the categories in order."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(whole.labels == label), each, replace=False)
            for label in range(len(CATEGORIES))
        ]
    )
    return Rows(whole.inputs[chosen], whole.labels[chosen])


def count_covered(confusion: npt.NDArray[np.int64]) -> int:
    """Count the categories that are drawn, however they were asked for.

    One counts if at least half an even share of all images is judged to be of it.

    Args:
        confusion: (categories, categories) rows by [asked, judged].
    """
    even = confusion.sum() / len(confusion)
    return int(np.sum(confusion.sum(axis=0) >= even / 2))


def measure_diversity(drawn: Rows, real: Rows) -> npt.NDArray[np.float64]:
    """Compare how unlike each other the images of a category are, drawn to real.

    Args:
        drawn: inputs (rows, features), labels the category asked for.
        real: likewise, labels the true category.

    Returns:
        (categories,) float64: mean distance of two different drawn images, as share
        of that of two real ones; 0 = all the same, 1 = as real.
    """
    return np.array(
        [
            mean_distance(drawn.inputs[drawn.labels == label])
            / mean_distance(real.inputs[real.labels == label])
            for label in range(len(CATEGORIES))
        ]
    )


def _confuse(asked: Rows, seen: Look) -> npt.NDArray[np.int64]:
    judged = seen.probabilities.argmax(axis=1)
    return np.asarray(
        confusion_matrix(asked.labels, judged, labels=range(len(CATEGORIES)))
    )


def _flatten(images: Rows) -> Rows:
    return Rows(images.inputs.reshape(len(images), -1), images.labels)


def _measure_recall(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    recall: npt.NDArray[np.float64] = np.diag(confusion) / confusion.sum(axis=1)
    return recall


def _summarise(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {
        "mean": round(float(values.mean()), 4),
        "lowest": round(float(values.min()), 4),
        "by_category": name_values(CATEGORIES, values, 4),
    }
