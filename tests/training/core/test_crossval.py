"""Folds, networks side by side, scaling and threshold: by properties and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core import crossval
from training.core.tabular import Ensemble, Penalty, Table, fit_ensembles, log_odds
from training.metrics import calibration
from training.metrics.calibration import Scaling

SHORT = Ensemble((Penalty(1e-3), Penalty(1e-2)), hidden=4, steps=40)


@pytest.fixture(scope="module")
def table() -> Table:
    """Three fields of one feature; the label is mostly the sign of the first."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 3)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * rng.normal(size=80) > 0).astype(np.int64)
    return Table(features, labels, np.arange(3))


@given(
    ones=st.integers(0, 60),
    zeros=st.integers(0, 60),
    folds=st.integers(2, 10),
    seed=st.integers(0, 2**31),
)
def test_folds_are_disjoint_whole_and_stratified(
    ones: int, zeros: int, folds: int, seed: int
) -> None:
    labels = np.repeat([1, 0], [ones, zeros])

    assignment = crossval.assign_folds(labels, folds, 2, seed)

    assert assignment.shape == (2, ones + zeros)
    for dealt in assignment:  # a row has one fold: it is held out once a repeat
        for members in (labels == 1, labels == 0, labels >= 0):
            sizes = np.bincount(dealt[members], minlength=folds)
            assert len(sizes) == folds
            assert sizes.max() - sizes.min() <= 1


def test_repeats_differ_and_a_seed_repeats() -> None:
    labels = np.arange(50) % 2

    once, again = (crossval.assign_folds(labels, 10, 2, 7) for _ in range(2))

    np.testing.assert_array_equal(once, again)
    assert (once[0] != once[1]).any()


def test_everybody_learns_from_all_folds_but_one() -> None:
    assignment = np.array([[0, 1, 2, -1]])

    masks = crossval.mask_learners(assignment, 3)

    np.testing.assert_array_equal(masks, [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0]])


def test_each_row_gets_the_value_of_who_never_saw_it() -> None:
    assignment = np.array([[0, 1, 1, -1], [1, 0, 1, 0]])
    values = np.arange(16.0).reshape(4, 4)  # two repeats of two folds

    held_out = crossval.gather_held_out(values, assignment)

    np.testing.assert_array_equal(held_out, [[0, 5, 6, np.nan], [12, 9, 14, 11]])


def test_inner_folds_are_of_the_rows_learnt_from_and_no_others() -> None:
    labels = np.arange(40) % 2
    learns = crossval.mask_learners(crossval.assign_folds(labels, 4, 1, 3), 4)

    inner = crossval.assign_inner_folds(labels, learns, 5, 3)

    np.testing.assert_array_equal(inner >= 0, learns)
    assert all(np.bincount(row[row >= 0]).tolist() == [6] * 5 for row in inner)


def test_a_figure_is_averaged_over_folds_and_its_spread_told() -> None:
    labels = np.array([1, 1, 0, 0])
    values = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], np.float64)
    assignment = np.array([[0, 1, 0, 1]] * 2)

    found = crossval.measure_folds(
        lambda some, said: float(np.mean(some == said)), labels, values, assignment
    )

    # By hand: folds of 1 and 0.5, then of 1 and 1.
    assert found["mean"] == pytest.approx(0.875)
    assert found["sd"] == pytest.approx(np.std([0.75, 1], ddof=1), abs=1e-5)
    assert found["sd_of_folds"] == pytest.approx(0.25)


def test_networks_side_by_side_learn_as_they_would_alone(table: Table) -> None:
    assignment = crossval.assign_folds(table.labels, 4, 1, 1)
    learns = crossval.mask_learners(assignment, 4)

    together = fit_ensembles(SHORT, table, learns, 1)
    held_out = crossval.gather_held_out(together, assignment)[0]

    assert np.mean((held_out > 0) == table.labels) > 0.8
    flipped = Table(table.features, table.labels.copy(), table.field_of)
    flipped.labels[~learns[0]] ^= 1  # what the first does not learn from
    others = fit_ensembles(SHORT, flipped, learns, 1)
    np.testing.assert_allclose(others[0], together[0], atol=1e-4)
    assert np.abs(others[1] - together[1]).max() > 0.1


def test_the_same_seed_gives_the_same_networks(table: Table) -> None:
    learns = np.ones((1, len(table)), np.bool_)
    blanking = replace(SHORT, blanking=0.3)

    once, again = (fit_ensembles(blanking, table, learns, 4) for _ in range(2))

    np.testing.assert_array_equal(once, again)
    assert np.abs(fit_ensembles(blanking, table, learns, 5) - once).max() > 1e-3


def test_sparsity_drops_the_fields_that_say_nothing(table: Table) -> None:
    strict = replace(SHORT, penalties=(Penalty(0, 0.05),), steps=200)
    learns = np.ones((1, len(table)), np.bool_)
    logits = fit_ensembles(strict, table, learns, 2)[0]

    silenced = table.features.copy()
    silenced[:, 1:] = 0
    others = fit_ensembles(
        strict, Table(silenced, table.labels, table.field_of), learns, 2
    )[0]

    assert np.corrcoef(logits, table.features[:, 0])[0, 1] > 0.9
    assert np.corrcoef(logits, others)[0, 1] > 0.98


def test_a_row_of_which_nothing_is_known_gets_the_log_odds(table: Table) -> None:
    features = table.features.copy()
    features[3] = 0
    blank = Table(features, table.labels, table.field_of)
    learns = np.ones((1, len(table)), np.bool_)

    logits = fit_ensembles(SHORT, blank, learns, 1)

    assert logits[0, 3] == pytest.approx(log_odds(table.labels))
    assert log_odds(np.array([1, 1, 1, 0])) == pytest.approx(np.log(3))


def test_scaling_finds_what_spoiled_the_logits() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 50_000)
    labels = (rng.random(50_000) < calibration.sigmoid(logits)).astype(np.int64)

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
    assert calibration.to_logit(0.75) == pytest.approx(np.log(3))


def test_the_threshold_is_the_highest_that_catches_enough() -> None:
    # 100 ones at 0.01, 0.02 … 1.00; a goal of 0.9 has a standard error of 0.03, so
    # the aim is 0.93, seven may be missed, and the eighth must be caught.
    probabilities = np.append(np.arange(1, 101) / 100, [0.5] * 20)
    labels = np.repeat([1, 0], [100, 20])

    threshold = calibration.choose_threshold(labels, probabilities, 0.9)

    assert threshold == 0.08
    caught = probabilities >= threshold
    assert calibration.measure_sensitivity(labels, caught) == 0.93
    assert calibration.measure_specificity(labels, caught) == 0


def test_wobble_is_the_usual_distance_from_a_rows_own_mean() -> None:
    logits = np.array([[1.0, 5.0], [3.0, 5.0]])  # moves of 1, 1, 0 and 0

    assert calibration.measure_wobble(logits, 0.5) == 0.5
    assert calibration.measure_wobble(logits, 1.0) == 1.0
