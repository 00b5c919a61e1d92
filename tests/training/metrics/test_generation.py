"""The measures of drawn images, on clouds whose figures are known beforehand."""

import numpy as np
import numpy.typing as npt
import pytest

from training.metrics.generation import (
    frechet_distance,
    mean_distance,
    measure_neighbours,
)

Points = npt.NDArray[np.float64]


def normal(rows: int, features: int, seed: int = 0) -> Points:
    return np.random.default_rng(seed).normal(size=(rows, features))


def whitened(rows: int, features: int) -> Points:
    """Points of mean 0 and covariance 1, not nearly but exactly."""
    points = normal(rows, features)
    points -= points.mean(axis=0)
    root = np.linalg.cholesky(np.cov(points, rowvar=False))
    return points @ np.linalg.inv(root).T


def test_the_frechet_distance_of_a_cloud_from_itself_is_nothing() -> None:
    cloud = normal(500, 30)

    assert frechet_distance(cloud, cloud) == pytest.approx(0, abs=1e-6)


def test_a_cloud_that_moved_is_as_far_as_its_square() -> None:
    cloud = normal(200, 4)

    moved = cloud + np.array([3, 0, -4, 0])

    assert frechet_distance(cloud, moved) == pytest.approx(25)


def test_the_frechet_distance_of_axis_parallel_clouds_is_the_closed_form() -> None:
    cloud = whitened(300, 3)
    first, second = cloud * [1, 2, 3], cloud * [2, 2, 7]

    # Σ (σ₁ − σ₂)² where the covariances commute
    assert frechet_distance(first, second) == pytest.approx(1 + 0 + 16)


def test_the_frechet_distance_of_turned_clouds_is_the_root_of_their_product() -> None:
    first = whitened(400, 2) * [1, 5]
    angle = 0.7
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    second = first @ np.array(turn)

    # In two dimensions tr √M = √(tr M + 2 √det M).
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    product = one @ other
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = np.trace(one) + np.trace(other) - 2 * root
    assert expected > 1
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    cloud = normal(100, 5) * [1, 1, 0, 1, 0]

    assert frechet_distance(cloud, cloud + 1) == pytest.approx(5)


def test_a_cloud_lies_wholly_within_its_own_reach() -> None:
    found = measure_neighbours(normal(300, 8), normal(300, 8))

    assert found["precision"] == found["recall"] == found["coverage"] == 1
    # By itself and, on average, five others, one at the edge where rounding decides.
    assert 1 <= found["density"] <= 6 / 5


def test_clouds_far_apart_share_nothing() -> None:
    found = measure_neighbours(normal(60, 3) + 100, normal(80, 3, seed=1))

    assert set(found.values()) == {0.0}


def test_a_collapsed_generator_is_precise_and_covers_nothing_else() -> None:
    real = np.concatenate([normal(100, 2), normal(100, 2, seed=1) + 100])
    drawn = normal(150, 2, seed=2) * 0.5

    found = measure_neighbours(drawn, real)

    assert found["precision"] == 1
    assert found["density"] > 0.9
    assert found["recall"] <= 0.5
    assert found["coverage"] <= 0.5


def test_half_of_the_drawn_being_nonsense_halves_the_precision() -> None:
    real = normal(200, 2)
    nonsense = normal(100, 2, seed=1) + 100

    found = measure_neighbours(np.concatenate([real[:100], nonsense]), real)

    assert found["precision"] == 0.5
    assert found["coverage"] > 0.9


def test_neighbours_are_counted_as_the_papers_write_it() -> None:
    drawn, real = normal(70, 3, seed=3) + 0.7, normal(90, 3, seed=4)
    apart = np.linalg.norm(real[:, None] - drawn[None], axis=2)

    def reach(cloud: Points) -> Points:
        own = np.linalg.norm(cloud[:, None] - cloud[None], axis=2)
        found: Points = np.sort(own, axis=1)[:, 3]  # the nearest is the point itself
        return found

    within = apart <= reach(real)[:, None]
    found = measure_neighbours(drawn, real, neighbours=3)

    assert found["precision"] == pytest.approx(within.any(axis=0).mean())
    assert found["recall"] == pytest.approx((apart <= reach(drawn)).any(axis=1).mean())
    assert found["density"] == pytest.approx(within.sum() / (3 * 70))
    assert found["coverage"] == pytest.approx(within.any(axis=1).mean())


def test_the_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, real = normal(300, 3) + 0.5, normal(400, 3, seed=1)
    whole = measure_neighbours(drawn, real)
    monkeypatch.setattr("training.metrics.generation._CHUNK_MIB", 0.01)

    assert measure_neighbours(drawn, real) == whole


def test_the_mean_distance_leaves_a_point_to_itself_out() -> None:
    assert mean_distance(np.array([[0.0, 0.0], [3.0, 4.0]])) == 5
    assert mean_distance(np.array([[0], [1], [3]])) == 2


def test_one_point_has_no_distance() -> None:
    with pytest.raises(ValueError, match="expected at least two, received 1"):
        mean_distance(np.zeros((1, 3)))
