"""How good drawn clothing is, in figures: pure functions of the judge's features.

None of them looks at a single image and calls it good; each compares a thousand images
of each category with as many real ones, and real against real is the yardstick.
`docs/models/clothing-measures.md` says what each means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.datasets.idx import ImageSet
from training.metrics import classification
from training.models.fashion_judge.train import Judge, Look

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]

NEIGHBOURS = 5  # Naeem et al. 2020, section 4.3
PER_CATEGORY = 1_000
_CHUNK_MIB = 64


def measure_generator(
    judge: Judge, images: npt.NDArray[np.uint8], asked: Integers, data: ImageSet
) -> dict[str, Any]:
    """Compare drawn images with the real test images, for a manifest.

    The figures of the manifests are of 10,000 images, 1,000 of each category. To
    choose between networks use `compare`, with real images other than the test's.

    Args:
        judge: who looks at both.
        images: (rows, 28, 28) uint8, at least six of each category.
        asked: (rows,) index into `CATEGORIES` that each was drawn for.
        data: Fashion-MNIST.

    Returns:
        What `compare` returns, and who judged.
    """
    real = Rows(data.test_images, data.test_labels)
    return {
        "judge_sha256": judge.sha256,
        "reference": "the test images of Fashion-MNIST",
    } | compare(judge, Rows(images, asked), real)


def measure_floor(judge: Judge, data: ImageSet, seed: int = 1) -> dict[str, Any]:
    """Compare real training images with the real test images: no drawing does better.

    The judge learnt from nearly all training images, and so is surer of them than of
    others: `real_category_accuracy` is the yardstick of category accuracy.

    Args:
        judge: who looks at both.
        data: Fashion-MNIST.
        seed: of the choice of 1,000 training images of each category.
    """
    images = sample_evenly(Rows(data.train_images, data.train_labels), seed)
    return measure_generator(judge, images.inputs, images.labels, data)


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
        "category_accuracy": _summarise(classification.recall_per_class(confusion)),
        "real_category_accuracy": _summarise(classification.recall_per_class(truth)),
        "confusion": confusion.tolist(),
        "categories_covered": count_covered(confusion),
        "frechet_distance": round(distance, 4),
        **{name: round(value, 4) for name, value in neighbourhood.items()},
        "diversity": {
            "features": _summarise(measure_diversity(features, real_features)),
            "pixels": _summarise(measure_diversity(flat, real_flat)),
        },
    }


def sample_evenly(whole: Rows, seed: int, each: int = PER_CATEGORY) -> Rows:
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


def frechet_distance(first: Floats, second: Floats) -> float:
    """Measure how far apart two clouds are, as if both were normal distributions.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), after Heusel et al., "GANs trained by a two
    time-scale update rule converge to a local Nash equilibrium", 2017, with our judge
    in the place of Inception: comparable with nothing but itself. The root's trace is
    taken by the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which are real and stay so in floats.

    Args:
        first: (rows, features).
        second: (rows, features), as many or not; fewer rows, larger distance.

    Returns:
        0 for the same mean and covariance, and above.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    apart = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    distance = apart @ apart + np.trace(one) + np.trace(other) - 2 * shared
    return float(max(0.0, distance))


def measure_neighbours(
    drawn: Floats, real: Floats, neighbours: int = NEIGHBOURS
) -> dict[str, float]:
    """Measure how much of each cloud lies within the reach of the other's points.

    A point reaches as far as the k-th nearest of its own cloud. After Kynkäänniemi et
    al., "Improved precision and recall metric for assessing generative models", 2019,
    and Naeem et al., "Reliable fidelity and diversity metrics for generative models",
    2020, who count all reaching points where the former ask for one, and trust the
    reach of real points only.

    Args:
        drawn: (rows, features), more than `neighbours`.
        real: (rows, features), likewise.
        neighbours: k.

    Returns:
        `precision`: share of drawn points within reach of a real one.
        `recall`: share of real points within reach of a drawn one.
        `density`: real points reaching a drawn one, on average, over k; may exceed 1.
        `coverage`: share of real points that reach a drawn one.
    """
    reach, real_reach = (_find_reach(cloud, neighbours) for cloud in (drawn, real))
    reaching = np.zeros(len(drawn), np.int64)
    recalled, covered, start = 0, 0, 0
    for apart in pairwise_distances_chunked(real, drawn, working_memory=_CHUNK_MIB):
        reached = apart <= real_reach[start : start + len(apart), None]
        reaching += reached.sum(axis=0)
        covered += int(reached.any(axis=1).sum())
        recalled += int((apart <= reach).any(axis=1).sum())
        start += len(apart)
    return {
        "precision": float(np.mean(reaching > 0)),
        "recall": recalled / len(real),
        "density": float(np.mean(reaching)) / neighbours,
        "coverage": covered / len(real),
    }


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


def mean_distance(points: Floats) -> float:
    """Mean Euclidean distance of two different rows of (rows, features), two or more.

    Raises:
        ValueError: There are fewer.
    """
    if len(points) < 2:
        raise ValueError(f"points: expected at least two, received {len(points)}")
    points = points.astype(np.float64)
    return float(pairwise_distances(points).sum() / (len(points) * (len(points) - 1)))


def _find_reach(cloud: Floats, neighbours: int) -> npt.NDArray[np.float64]:
    """Distance of each point to the k-th nearest other one: (rows,)."""
    nearest = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(cloud)
    distances: npt.NDArray[np.float64] = nearest.kneighbors()[0][:, -1]
    return distances


def _confuse(asked: Rows, seen: Look) -> npt.NDArray[np.int64]:
    judged = seen.probabilities.argmax(axis=1)
    return classification.confusion_matrix(asked.labels, judged, len(CATEGORIES))


def _flatten(images: Rows) -> Rows:
    return Rows(images.inputs.reshape(len(images), -1), images.labels)


def _summarise(
    values: npt.NDArray[np.float64], names: Sequence[str] = CATEGORIES
) -> Mapping[str, Any]:
    by_category = {
        name: round(float(value), 4) for name, value in zip(names, values, strict=True)
    }
    return {
        "mean": round(float(values.mean()), 4),
        "lowest": round(float(values.min()), 4),
        "by_category": by_category,
    }
