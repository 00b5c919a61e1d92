"""Scaling and threshold: by properties and by hand."""

import numpy as np
import pytest
from scipy.special import expit

from training.metrics import calibration
from training.metrics.calibration import Scaling


def test_scaling_finds_what_spoiled_the_logits() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 50_000)
    labels = (rng.random(50_000) < expit(logits)).astype(np.int64)

    found = calibration.fit_scaling(labels, 3 * logits + 1)

    assert found.slope == pytest.approx(1 / 3, rel=0.03)
    assert found.intercept == pytest.approx(-1 / 3, abs=0.04)


def test_scaled_probabilities_add_up_to_the_number_of_ones() -> None:
    labels = np.array([0, 0, 1, 0, 1, 1, 1])
    logits = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])

    scaling = calibration.fit_scaling(labels, logits)
    missing = scaling.apply(logits) - labels

    assert missing.sum() == pytest.approx(0, abs=1e-6)
    assert (missing * logits).sum() == pytest.approx(0, abs=1e-6)


def test_scaling_by_hand() -> None:
    probability = Scaling(2.0, np.log(3)).apply(np.array([0.0, 0.5]))

    np.testing.assert_allclose(probability, [0.75, 3 * np.e / (1 + 3 * np.e)])


def test_the_threshold_is_the_highest_that_catches_enough() -> None:
    # 100 ones at 0.01, 0.02 … 1.00; a goal of 0.9 has a standard error of 0.03, so
    # the aim is 0.93, seven may be missed, and the eighth must be caught.
    probabilities = np.append(np.arange(1, 101) / 100, [0.5] * 20)
    labels = np.repeat([1, 0], [100, 20])

    threshold = calibration.choose_threshold(labels, probabilities, 0.9)

    assert threshold == 0.08
    caught = probabilities >= threshold
    assert caught[labels == 1].mean() == 0.93
    assert caught[labels == 0].all()


def test_wobble_is_the_usual_distance_from_a_rows_own_mean() -> None:
    logits = np.array([[1.0, 5.0], [3.0, 5.0]])  # moves of 1, 1, 0 and 0

    assert calibration.measure_wobble(logits, 0.5) == 0.5
    assert calibration.measure_wobble(logits, 1.0) == 1.0
