"""How the mammogram model is validated: model and threshold together.

    all 961 ──▶ 10 × 10 folds ─▶ nine learn ─▶ inner folds ─▶ threshold
                     │                │                          │
                     └─ one held out ─▶ probability ──────────▶ label

Whatever is chosen is chosen on inner folds, so the mass held out has no say in it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from training.core.crossval import (
    Folds,
    Plan,
    assign_folds,
    compare_methods,
    validate_baseline,
)
from training.core.linear import AdditiveLogisticRegression
from training.core.tabular import Ensemble, Logits, Penalty, Table
from training.metrics.calibration import choose_threshold

PENALISED = Ensemble(
    tuple(Penalty(decay) for decay in (0.001, 0.003, 0.01)) * 2,
    activation="tanh",
    blanking=0.2,
)
TEN_TIMES_TEN = Plan()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the figures become; the weights have no choices.

    Attributes:
        ensemble: six networks, from lax to strict, to compare with: version 1.
        plan: of the cross-validation.
        goal: sensitivity that the operating point is to have.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN
    goal: float = 0.95


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the cross-validation gave; all by models that never saw the rows.

    Attributes:
        labels: (rows,) 1 for malignant.
        probabilities: method → (repeats, rows) of malignant.
        is_called: (repeats, rows) bool, called malignant at the fold's own threshold.
    """

    labels: npt.NDArray[np.int64]
    probabilities: dict[str, Logits]
    is_called: npt.NDArray[np.bool_]

    @property
    def log_odds(self) -> npt.NDArray[np.floating]:
        """(repeats, rows) of malignant, by the model that is served."""
        values: npt.NDArray[np.floating] = logit(self.probabilities["servery"])
        return values


def measure(recipe: Recipe, table: Table, seed: int) -> HeldOut:
    """Cross-validate the whole procedure, and other methods on the same folds."""
    assignment, probabilities = compare_methods(
        recipe.ensemble, table, recipe.plan, seed
    )
    thresholds = find_thresholds(recipe, table, assignment, seed)
    is_called = probabilities["servery"] >= thresholds
    return HeldOut(table.labels, probabilities, is_called)


def find_thresholds(
    recipe: Recipe, table: Table, assignment: Folds, seed: int
) -> Logits:
    """(repeats, rows), each row's by the folds in which it is not held out."""
    thresholds = np.empty(assignment.shape, np.float32)
    for repeat, folds in enumerate(assignment):
        for fold in range(recipe.plan.folds):
            learnt = table.pick(folds != fold)
            thresholds[repeat, folds == fold] = choose_point(recipe, learnt, seed)
    return thresholds


def choose_point(recipe: Recipe, table: Table, seed: int) -> float:
    """Choose the threshold on inner folds of the rows that are learnt from."""
    folds = assign_folds(table.labels, recipe.plan.inner_folds, 1, seed)
    (said,) = validate_baseline(AdditiveLogisticRegression(), table, folds)
    return choose_threshold(table.labels, said, recipe.goal)
