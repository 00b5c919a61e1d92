"""Logistic regression with a given intercept, against scikit-learn and by hand."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from training.core.linear import AdditiveLogisticRegression


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    """(60, 3) float32 and (60,) labels, as many of each."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 3)).astype(np.float32)
    noisy = features[:, 0] - features[:, 1] + rng.normal(size=60)
    return features, (noisy > np.median(noisy)).astype(np.int64)


def test_among_as_many_ones_as_zeros_it_is_that_of_scikit_learn_without_intercept(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    found = AdditiveLogisticRegression().fit(*rows)
    expected = LogisticRegression(C=1, fit_intercept=False, tol=1e-10).fit(*rows)

    assert found.prior_ == pytest.approx(0)
    np.testing.assert_allclose(found.weights_, expected.coef_[0], atol=1e-5)


def test_a_row_of_which_nothing_is_known_has_the_share_of_ones() -> None:
    features = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    found = AdditiveLogisticRegression().fit(features, np.array([1, 1, 0, 1]))

    assert found.predict_proba(np.zeros((1, 2)))[0] == pytest.approx([0.25, 0.75])


def test_a_feature_changes_the_log_odds_by_its_weight_and_no_other(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    found = AdditiveLogisticRegression().fit(*rows)
    row, without = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 0.0, 3.0]])

    change = logit(found.predict_proba(row)[0, 1]) - logit(
        found.predict_proba(without)[0, 1]
    )

    assert change == pytest.approx(2 * found.weights_[1])


def test_the_best_weights_are_found_of_rows_that_can_be_told_apart_too() -> None:
    features = np.linspace(-5, 5, 40)[:, None] * np.array([1.0, 0.5, 20.0])
    labels = (features[:, 0] > 1).astype(np.int64)

    found = AdditiveLogisticRegression().fit(features, labels)

    said = expit(found.decision_function(features))
    slope = features.T @ (said - labels) + found.weights_
    np.testing.assert_allclose(slope, 0, atol=1e-6)
