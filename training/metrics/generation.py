"""How alike drawn and real images are: pure functions of clouds of features."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

Floats = npt.NDArray[np.floating]

NEIGHBOURS = 5  # Naeem et al. 2020, section 4.3
_CHUNK_MIB = 64


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
