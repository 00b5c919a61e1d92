"""Each figure against a value worked out by hand."""

import numpy as np
import pytest
from scipy.special import softmax

from training.metrics import classification

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 0, 0])


def test_calibration_error_is_weighted_by_rows() -> None:
    # One bin of four rows, 80 % sure and 50 % right; one of one row, 100 % and right.
    confidence = np.array([0.8, 0.8, 0.8, 0.8, 1.0])
    correct = np.array([True, True, False, False, True])

    error = classification.expected_calibration_error(correct, confidence, bins=10)

    assert error == pytest.approx((4 * 0.3 + 1 * 0) / 5)


def test_a_bins_upper_edge_belongs_to_it() -> None:
    confidence = np.array([0.0, 0.5, 0.51, 1.0])

    table = classification.reliability(np.ones(4, bool), confidence, bins=2)

    np.testing.assert_allclose(table[:, 0], [2, 2])
    np.testing.assert_allclose(table[:, 1], [0.25, 0.755])


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoiled_the_logits_is_found(truth: float) -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(20_000, 3)) * 2
    draws = random.random((len(logits), 1))
    labels = (draws > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1).clip(max=2)

    found = classification.fit_temperature(labels, logits * truth)

    assert found == pytest.approx(truth, rel=0.05)


def test_a_summary_is_ready_for_json_and_named_by_class() -> None:
    probabilities = np.eye(3)[PREDICTIONS] * 0.7 + 0.1

    summary = classification.summarise_classifier(
        LABELS, probabilities, ("a", "b", "c")
    )

    assert summary["accuracy"] == 0.5
    assert (summary["errors"], summary["rows"]) == (3, 6)
    assert summary["expected_calibration_error"] == pytest.approx(0.8 - 0.5)
    assert summary["precision"] == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert summary["recall"] == {"a": 0.666667, "b": 0.5, "c": 0.0}
    assert summary["log_loss"] == pytest.approx(-np.log([0.8, 0.1]).mean(), abs=1e-6)


def test_a_truth_that_was_ruled_out_leaves_the_log_loss_finite() -> None:
    summary = classification.summarise_classifier(
        np.array([1]), np.array([[1.0, 0.0]], np.float32), ("a", "b")
    )

    assert np.isfinite(summary["log_loss"])
