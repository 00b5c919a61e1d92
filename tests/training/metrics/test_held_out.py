"""Figures of a cross-validation, by hand."""

import numpy as np
import pytest

from training.metrics.held_out import measure_folds, summarise_held_out

EVERYONE = np.ones(4, np.bool_)
LABELS = np.array([1, 1, 0, 0])
ASSIGNMENT = np.array([[0, 1, 0, 1]] * 2)


def test_a_figure_is_averaged_over_folds_and_its_spread_told() -> None:
    values = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], np.float64)

    found = measure_folds(
        lambda some, said: float(np.mean(some == said)),
        LABELS,
        values,
        ASSIGNMENT,
        EVERYONE,
    )

    # By hand: folds of 1 and 0.5, then of 1 and 1.
    assert found["mean"] == pytest.approx(0.875)
    assert found["sd"] == pytest.approx(np.std([0.75, 1], ddof=1), abs=1e-5)
    assert found["sd_of_folds"] == pytest.approx(0.25)


def test_a_method_is_summarised_on_the_rows_that_count() -> None:
    said = np.array([[0.75, 0.25, 0.5, 0.25]] * 2, np.float32)

    found = summarise_held_out(LABELS, said, ASSIGNMENT, EVERYONE, bins=2)

    # By hand: fold 0 has 0.75 for a one and 0.5 for a zero, fold 1 0.25 for both.
    assert found["accuracy"]["mean"] == pytest.approx(0.75)
    assert found["auc"]["mean"] == pytest.approx(0.75)
    surprise = -np.log([0.75, 0.25, 0.5, 0.75]).mean()
    assert found["log_loss"]["mean"] == pytest.approx(surprise, abs=1e-5)
    # Up to 0.5: three rows, one third said, one third true; above: 0.75 said, 1 true.
    assert found["expected_calibration_error"]["mean"] == pytest.approx(0.25 / 4)
    some = np.array([True, True, True, False])
    other = said.copy()
    other[:, 3] = 0.99  # does not count
    for given in (said, other):
        with_some = summarise_held_out(
            np.array([1, 1, 0, 0]), given, np.array([[0, 0, 0, 1]] * 2) * 0, some, 2
        )
        assert with_some["accuracy"]["mean"] == pytest.approx(2 / 3, abs=1e-5)
