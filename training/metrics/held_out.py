"""Figures of a cross-validation, and how they spread over folds and repeats."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from training.metrics.classification import expected_calibration_error

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Figure = Callable[[Labels, Floats], float]


def summarise_held_out(
    labels: Labels, probabilities: Floats, assignment: Labels, among: Mask, bins: int
) -> dict[str, Any]:
    """Collect a method's figures for the manifest, each with its mean and spread.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (repeats, rows) of 1, each row's by a model that never saw it.
        assignment: (repeats, rows), the fold in which each row was held out.
        among: (rows,) bool, which rows count.
        bins: of the calibration error.
    """
    some, rows = labels[among], probabilities[:, among].astype(np.float64)

    def find_accuracy(labels: Labels, values: Floats) -> float:
        return float(accuracy_score(labels, values > 0.5))

    return {
        "accuracy": measure_folds(
            find_accuracy, labels, probabilities, assignment, among
        ),
        "auc": measure_folds(roc_auc_score, labels, probabilities, assignment, among),
        "log_loss": describe_spread(
            [log_loss(some, row, labels=[0, 1]) for row in rows]
        ),
        "expected_calibration_error": describe_spread(
            [expected_calibration_error(some == 1, row, bins) for row in rows]
        ),
    }


def measure_folds(
    figure: Figure, labels: Labels, values: Floats, assignment: Labels, among: Mask
) -> dict[str, float]:
    """Compute a figure on each held-out fold and say how it spreads.

    Args:
        figure: takes labels and values of some rows, gives a number.
        labels: (rows,) class of each row.
        values: (repeats, rows), each row's by the model that never saw it.
        assignment: (repeats, rows), the fold in which each row was held out.
        among: (rows,) bool, which rows count.

    Returns:
        `mean`; `sd` of the repeats' means; `sd_of_folds`, of the single folds.
    """
    found = np.array(
        [
            [
                figure(labels[held_out & among], row[held_out & among])
                for held_out in (folds == number for number in range(folds.max() + 1))
            ]
            for row, folds in zip(values, assignment, strict=True)
        ]
    )
    spread = describe_spread(found.mean(axis=1))
    return spread | {"sd_of_folds": describe_spread(found)["sd"]}


def describe_spread(values: npt.ArrayLike) -> dict[str, float]:
    """Give mean and standard deviation (n - 1) of a figure, ready for JSON."""
    numbers = np.asarray(values, np.float64)
    deviation = numbers.std(ddof=1) if numbers.size > 1 else 0.0
    return {"mean": round(float(numbers.mean()), 5), "sd": round(float(deviation), 5)}
