"""What the field's plain methods reach on the same folds, to be compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from training.core.crossval import Folds, gather_held_out, mask_learners
from training.core.tabular import Logits, Table

Maker = Callable[[], Any]


def make_logistic_regression() -> Any:
    """scikit-learn's own settings: a penalty of C = 1."""
    return LogisticRegression(max_iter=1000)


def make_forest(seed: int, least_in_leaf: int = 1) -> Any:
    """200 trees, otherwise scikit-learn's own settings."""
    return RandomForestClassifier(
        200, min_samples_leaf=least_in_leaf, random_state=seed
    )


def validate_baseline(make: Maker, table: Table, assignment: Folds) -> Logits:
    """Give each row's probability of 1 by the model that never saw it.

    Args:
        make: gives a new, untrained scikit-learn classifier.
        table: all rows; what is unknown is 0 in every feature, as for the networks.
        assignment: (repeats, rows) int64, the fold in which each row is held out.

    Returns:
        (repeats, rows) float32.
    """
    learns = mask_learners(assignment, int(assignment.max()) + 1)
    probabilities = np.zeros(learns.shape)
    for found, mask in zip(probabilities, learns, strict=True):
        model = make().fit(table.features[mask], table.labels[mask])
        found[~mask] = model.predict_proba(table.features[~mask])[:, 1]
    return gather_held_out(probabilities, assignment)
