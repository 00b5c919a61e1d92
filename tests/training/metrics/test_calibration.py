"""Threshold and wobble, by hand."""

import numpy as np

from training.metrics import calibration


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
