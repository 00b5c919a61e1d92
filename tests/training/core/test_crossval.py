"""Folds, and networks side by side: by properties and by hand."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from training.core import crossval
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Penalty, Table, fit_ensembles, log_odds


@dataclass(frozen=True)
class Recipe:
    ensemble: Ensemble
    plan: crossval.Plan = field(default_factory=crossval.Plan)


SHORT = Ensemble((Penalty(1e-3), Penalty(1e-2)), hidden=4, steps=40)


@pytest.fixture(scope="module")
def table() -> Table:
    """Three fields of one feature; the label is mostly the sign of the first."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 3)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * rng.normal(size=80) > 0).astype(np.int64)
    return Table(features, labels, np.arange(3))


@given(
    ones=st.integers(10, 60),
    zeros=st.integers(10, 60),
    folds=st.integers(2, 10),
    seed=st.integers(0, 2**31 - 1),
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
    assignment = np.array([[0, 1, 2, 0]])

    masks = crossval.mask_learners(assignment, 3)

    np.testing.assert_array_equal(masks, [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]])


def test_each_row_gets_the_value_of_who_never_saw_it() -> None:
    assignment = np.array([[0, 1, 1, 0], [1, 0, 1, 0]])
    values = np.arange(16.0).reshape(4, 4)  # two repeats of two folds

    held_out = crossval.gather_held_out(values, assignment)

    np.testing.assert_array_equal(held_out, [[0, 5, 6, 3], [12, 9, 14, 11]])


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


def test_a_baseline_is_told_of_a_row_only_by_models_that_never_saw_it() -> None:
    table = Table(
        np.arange(40, dtype=np.float32)[:, None], np.arange(40) % 2, np.array([0])
    )
    assignment = crossval.assign_folds(table.labels, 4, 2, 1)

    memory = KNeighborsClassifier(1)  # who saw the row would know its label
    held_out = crossval.validate_baseline(memory, table, assignment)

    assert held_out.shape == (2, 40)
    assert held_out.dtype == np.float32
    for said, folds in zip(held_out, assignment, strict=True):
        for fold in range(4):
            seen = folds != fold
            expected = memory.fit(table.features[seen], table.labels[seen])
            np.testing.assert_array_equal(
                said[~seen], expected.predict_proba(table.features[~seen])[:, 1]
            )


@pytest.mark.parametrize(
    ("options", "repeats", "steps"),
    [
        pytest.param(RunOptions(), 10, 300, id="full"),
        pytest.param(RunOptions(quick=True), 1, 100, id="quick"),
        pytest.param(RunOptions(quick=True, epochs=7), 1, 7, id="quick, few steps"),
        pytest.param(RunOptions(epochs=7), 10, 7, id="few steps"),
    ],
)
def test_options_shorten_the_validation(
    options: RunOptions, repeats: int, steps: int
) -> None:
    recipe = crossval.shorten(Recipe(replace(SHORT, steps=300)), options)

    assert (recipe.plan.folds, recipe.plan.repeats) == (10, repeats)
    assert recipe.ensemble.steps == steps


def test_methods_are_compared_on_one_deal_and_find_what_there_is_to_find(
    table: Table,
) -> None:
    plan = crossval.Plan(folds=4, repeats=2, inner_folds=2)

    assignment, probabilities = crossval.compare_methods(SHORT, table, plan, 1)

    assert list(probabilities) == ["servery", "tuned_logistic_regression", "network"]
    np.testing.assert_array_equal(
        assignment, crossval.assign_folds(table.labels, 4, 2, 1)
    )
    for said in probabilities.values():
        assert said.shape == (2, 80)
        assert np.mean((said > 0.5) == table.labels) > 0.8
