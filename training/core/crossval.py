"""Cross-validation: who is held out when, and what is predicted of them.

    rows ──▶ 10 folds, 10 times over ──▶ 100 times: learn from nine, hold out one
                                            │
                inner folds of those nine ◀─┘ choose ridge and threshold

Whatever is chosen is chosen inside, so the rows held out outside have no say in it.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    cross_val_predict,
)

from training.core.linear import AdditiveLogisticRegression
from training.core.options import RunOptions
from training.core.tabular import Ensemble, Logits, Masks, Table, fit_ensembles

Folds = npt.NDArray[np.int64]
_Recipe = TypeVar("_Recipe")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is validated.

    Attributes:
        folds: outer ones.
        repeats: how often the outer folds are drawn anew.
        inner_folds: of the rows learnt from.
    """

    folds: int = 10
    repeats: int = 10
    inner_folds: int = 5


@dataclass(frozen=True, slots=True)
class Validated:
    """What came of a cross-validation.

    Attributes:
        assignment: (repeats, rows) int64, the fold in which each row was held out.
        logits: (repeats, rows) float32, each row's by the ensemble that never saw it.
    """

    assignment: Folds
    logits: Logits


def assign_folds(
    labels: npt.NDArray[np.int64], folds: int, repeats: int, seed: int
) -> Folds:
    """Deal rows out into folds, stratified by class.

    Args:
        labels: (rows,) class of each row; at least `folds` rows of each.
        folds: how many.
        repeats: how often to deal anew.
        seed: of the shuffles.

    Returns:
        (repeats, rows) int64, 0 to `folds` - 1.
    """
    dealer = RepeatedStratifiedKFold(
        n_splits=folds, n_repeats=repeats, random_state=seed
    )
    assignment = np.empty((repeats, len(labels)), np.int64)
    for number, (_, held_out) in enumerate(dealer.split(labels, labels)):
        assignment[number // folds, held_out] = number % folds
    return assignment


def mask_learners(assignment: Folds, folds: int) -> Masks:
    """Say for each repeat and fold who is learnt from: all but the fold.

    Args:
        assignment: (repeats, rows), 0 to `folds` - 1.
        folds: how many.

    Returns:
        (repeats × folds, rows) bool, repeat by repeat.
    """
    numbers = np.arange(folds)[:, None]
    masks: Masks = np.not_equal(assignment[:, None, :], numbers)
    return masks.reshape(-1, assignment.shape[1])


def gather_held_out(values: npt.NDArray[np.floating], assignment: Folds) -> Logits:
    """Take for each row the value by the model that did not learn from it.

    Args:
        values: (repeats × folds, rows), as `mask_learners` orders them.
        assignment: (repeats, rows).

    Returns:
        (repeats, rows) float32.
    """
    repeats, rows = assignment.shape
    by_fold = values.reshape(repeats, -1, rows)
    held_out = np.take_along_axis(by_fold, assignment[:, None, :], axis=1)[:, 0]
    return held_out.astype(np.float32)


def validate(ensemble: Ensemble, table: Table, plan: Plan, seed: int) -> Validated:
    """Cross-validate an ensemble.

    Args:
        ensemble: the model.
        table: all rows.
        plan: folds and repeats.
        seed: of everything random.
    """
    assignment = assign_folds(table.labels, plan.folds, plan.repeats, seed)
    learns = mask_learners(assignment, plan.folds)
    logits = fit_ensembles(ensemble, table, learns, seed)
    return Validated(assignment, gather_held_out(logits, assignment))


def compare_methods(
    network: Ensemble, table: Table, plan: Plan, seed: int
) -> tuple[Folds, dict[str, Logits]]:
    """Validate the linear model that is served, and what might beat it, on one deal.

    Args:
        network: small networks whose logits are averaged.
        table: all rows; what is unknown is 0 in every feature.
        plan: folds and repeats.
        seed: of everything random.

    Returns:
        (repeats, rows), the fold in which each row was held out; and method →
        (repeats, rows) float32, each row's probability of 1 by the model that never
        saw it. `tuned_logistic_regression` has an intercept of its own, and a ridge
        chosen on inner folds by their log loss.
    """
    validated = validate(network, table, plan, seed)
    estimators = {
        "servery": AdditiveLogisticRegression(),
        "tuned_logistic_regression": GridSearchCV(
            LogisticRegression(solver="newton-cholesky"),  # few features
            {"C": np.logspace(-2, 1, 7).tolist()},
            scoring="neg_log_loss",
            cv=plan.inner_folds,
        ),
    }
    probabilities = {
        name: validate_baseline(estimator, table, validated.assignment)
        for name, estimator in estimators.items()
    }
    return validated.assignment, probabilities | {"network": expit(validated.logits)}


def validate_baseline(estimator: Any, table: Table, assignment: Folds) -> Logits:
    """The same for one scikit-learn classifier: (repeats, rows) float32."""
    held_out = [
        cross_val_predict(
            estimator,
            table.features,
            table.labels,
            cv=PredefinedSplit(folds),
            method="predict_proba",
        )[:, 1]
        for folds in assignment
    ]
    return np.array(held_out, np.float32)


def shorten(recipe: _Recipe, options: RunOptions) -> _Recipe:
    """Apply `--quick`, which repeats nothing, and `--epochs`: here, steps.

    Args:
        recipe: a dataclass with an `ensemble` and a `plan`.
        options: of the run.
    """
    given: Any = recipe
    plan, steps = given.plan, options.epochs or given.ensemble.steps
    if options.quick:
        plan, steps = replace(plan, repeats=1), min(steps, 100)
    shorter: _Recipe = replace(
        given, ensemble=replace(given.ensemble, steps=steps), plan=plan
    )
    return shorter
