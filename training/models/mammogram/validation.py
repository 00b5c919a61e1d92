"""How the mammogram model is validated: networks, scaling and threshold together.

all 961 ──▶ 10 × 10 folds ─▶ nine learn ─▶ inner folds ─▶ scaling, threshold
│                │                              │
└─ one held out ─▶ logit ──────────────▶ probability, label
│
accuracy, AUC, calibration, sensitivity, specificity ◀──┘
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from training.core.crossval import (
    Plan,
    Validated,
    gather_held_out,
    predict_inner,
    validate,
    validate_baselines,
)
from training.core.tabular import Ensemble, Logits, Masks, Penalty, Table
from training.metrics import calibration
from training.metrics.calibration import Scaling

PENALISED = Ensemble(
    tuple(Penalty(decay) for decay in (0.001, 0.003, 0.01)) * 2,
    activation="tanh",
    blanking=0.2,
)
TEN_TIMES_TEN = Plan()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights and the figures become.

    Attributes:
        ensemble: six networks, from lax to strict.
        plan: of the cross-validation.
        goal: sensitivity that the operating point is to have.
        trees: of the random forest, to compare with.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN
    goal: float = 0.95
    trees: int = 200


@dataclass(frozen=True, slots=True)
class Decided:
    """What is decided on inner folds, from which the model did not learn.

    Attributes:
        scaling: from logits to probabilities.
        threshold: the operating point, a probability.
    """

    scaling: Scaling
    threshold: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the cross-validation over all rows gave; all by models that never saw them.

    Attributes:
        table: all rows.
        validated: the folds and the raw logits.
        scaled: (repeats, rows) calibrated log-odds.
        is_called: (repeats, rows) bool, called malignant at the fold's own threshold.
        baselines: method → (repeats, rows) probability.
    """

    table: Table
    validated: Validated
    scaled: Logits
    is_called: npt.NDArray[np.bool_]
    baselines: dict[str, Logits]


def measure(recipe: Recipe, table: Table, seed: int) -> HeldOut:
    """Cross-validate the whole procedure, and the baselines on the same folds."""
    validated = validate(recipe.ensemble, table, recipe.plan, seed)
    decided = decide(recipe, table, validated.learns, seed)
    by_model = np.array(
        [(d.scaling.slope, d.scaling.intercept, d.threshold) for d in decided]
    )
    slopes, intercepts, thresholds = (
        gather_held_out(np.tile(values[:, None], len(table)), validated.assignment)
        for values in by_model.T
    )
    scaled = slopes * validated.logits + intercepts
    return HeldOut(
        table,
        validated,
        scaled,
        expit(scaled) >= thresholds,
        _validate_baselines(recipe, table, validated, seed),
    )


def measure_textbook(recipe: Recipe, table: Table, seed: int) -> HeldOut:
    """Cross-validate on complete rows alone, as textbooks do; nothing is scaled."""
    validated = validate(recipe.ensemble, table, recipe.plan, seed)
    return HeldOut(
        table,
        validated,
        validated.logits,
        validated.logits > 0,
        _validate_baselines(recipe, table, validated, seed),
    )


def _validate_baselines(
    recipe: Recipe, table: Table, validated: Validated, seed: int
) -> dict[str, Logits]:
    """A forest whose leaves were single rows would be too sure of itself."""
    return validate_baselines(
        table, validated.assignment, recipe.trees, least_in_leaf=10, seed=seed
    )


def decide(recipe: Recipe, table: Table, learns: Masks, seed: int) -> list[Decided]:
    """Decide scaling and threshold for each model on inner folds of what it learns.

    Args:
        recipe: the ensemble, the inner folds and the goal.
        table: all rows.
        learns: (models, rows) bool.
        seed: of the inner folds.
    """
    inner = predict_inner(recipe.ensemble, table, learns, recipe.plan.inner_folds, seed)
    decided = []
    for logits, mask in zip(inner, learns, strict=True):
        labels = table.labels[mask]
        scaling = calibration.fit_scaling(labels, logits[mask])
        probabilities = scaling.apply(logits[mask])
        threshold = calibration.choose_threshold(labels, probabilities, recipe.goal)
        decided.append(Decided(scaling, threshold))
    return decided
