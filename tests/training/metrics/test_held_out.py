"""Figures of a cross-validation, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.metrics.held_out import (
    FIGURES,
    bootstrap,
    compare_held_out,
    measure_auc,
    measure_figures,
    measure_groups,
)

LABELS = np.array([1, 1, 0, 0])
SAID = np.array([[0.75, 0.25, 0.5, 0.25]] * 2, np.float32)


def test_figures_by_hand() -> None:
    found = dict(zip(FIGURES, measure_figures(LABELS, SAID, bins=2), strict=True))

    assert found["accuracy"] == 0.75
    assert found["auc"] == pytest.approx(2.5 / 4)  # two pairs won, one tied, one lost
    surprise = -np.log([0.75, 0.25, 0.5, 0.75]).mean()
    assert found["log_loss"] == pytest.approx(surprise)
    assert found["brier_score"] == pytest.approx((0.0625 * 2 + 0.5625 + 0.25) / 4)
    # Up to 0.5: three rows, one third said, one third true; above: 0.75 said, 1 true.
    assert found["expected_calibration_error"] == pytest.approx(0.25 / 4)


def test_a_wrong_certainty_has_a_loss() -> None:
    said = np.array([[1.0, 0.0, 0.0, 0.0]])

    assert np.isfinite(measure_figures(LABELS, said, bins=2)).all()


def test_the_area_is_scikit_learns_of_each_repeat() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 50)
    scores = rng.integers(0, 9, (3, 50)).astype(np.float64)  # with ties

    expected = np.mean([roc_auc_score(labels, row) for row in scores])

    assert measure_auc(labels == 1, scores) == pytest.approx(expected)


def test_the_standard_error_is_that_of_the_rows_and_not_of_the_repeats() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(400) % 2
    is_right = rng.random(400) < 0.8
    said = np.where(is_right == (labels == 1), 0.9, 0.1)
    everyone = np.ones(400, np.bool_)

    found = compare_held_out(labels, {"ours": np.array([said] * 3)}, everyone, 10)

    accuracy = found["methods"]["ours"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(is_right.mean(), abs=1e-5)
    assert accuracy["standard_error"] == pytest.approx(np.sqrt(0.16 / 400), rel=0.25)


def test_a_difference_is_between_methods_on_the_same_rows_that_count() -> None:
    some = np.array([True, True, True, False])
    other = SAID.copy()
    other[:, 3] = 0.99  # does not count

    found = compare_held_out(LABELS, {"ours": SAID, "theirs": other}, some, 2)

    assert found["rows"] == 3
    assert found["methods"]["ours"] == found["methods"]["theirs"]
    assert list(found["differences"]) == ["theirs"]
    for figure in found["differences"]["theirs"].values():
        assert figure == {"mean": 0, "standard_error": 0}


def test_rows_are_drawn_again_class_by_class() -> None:
    drawn = bootstrap(lambda rows: LABELS[rows], LABELS)

    assert (drawn.sum(axis=1) == 2).all()
    np.testing.assert_array_equal(drawn, bootstrap(lambda rows: LABELS[rows], LABELS))


def test_groups_say_who_is_missed_and_who_is_falsely_alarmed() -> None:
    groups = {"ones": LABELS == 1, "first and last": np.array([1, 0, 0, 1], np.bool_)}

    found = measure_groups(LABELS, SAID, SAID > 0.2, groups)

    assert found["ones"] == {
        "rows": 2,
        "share_of_ones": 1,
        "mean_probability": 0.5,
        "accuracy": 1,
        "missed": 0,
        "false_alarms": None,
    }
    assert found["first and last"]["false_alarms"] == 1
    assert found["first and last"]["accuracy"] == 0.5
