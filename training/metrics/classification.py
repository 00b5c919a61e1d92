"""Quality figures of classifiers as pure functions: arrays in, numbers out."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss, precision_recall_fscore_support

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


def reliability(
    correct: npt.NDArray[np.bool_], confidence: Floats, bins: int = 15
) -> npt.NDArray[np.float64]:
    """Compare how sure a model was with how often it was right, by confidence.

    scikit-learn's `calibration_curve` does not tell how many rows a bin has, which the
    calibration error needs.

    Args:
        correct: (rows,) bool, the prediction was right.
        confidence: (rows,) probability of the predicted class, 0 to 1.
        bins: equal parts of 0 to 1; the upper edge belongs to its bin.

    Returns:
        (filled bins, 3) float64: rows, mean confidence, share correct.
    """
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    sure = np.bincount(bin_of, weights=confidence, minlength=bins)
    right = np.bincount(bin_of, weights=correct.astype(np.float64), minlength=bins)
    filled = rows > 0
    counted = rows[filled].astype(np.float64)
    return np.column_stack([counted, sure[filled] / counted, right[filled] / counted])


def expected_calibration_error(
    correct: npt.NDArray[np.bool_], confidence: Floats, bins: int = 15
) -> float:
    """Mean distance of confidence from accuracy over confidence bins, by rows.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    2017, equation 3, with their 15 bins. 0 is calibrated, 1 the worst.

    Args:
        correct: (rows,) bool, the prediction was right.
        confidence: (rows,) probability of the predicted class, 0 to 1.
        bins: equal parts of 0 to 1.
    """
    rows, sure, right = reliability(correct, confidence, bins).T
    return float(np.sum(rows * np.abs(sure - right)) / np.sum(rows))


def fit_temperature(labels: Integers, logits: Floats) -> float:
    """Find the temperature that makes softmax(logits / temperature) calibrated.

    Minimises the log loss, which has one minimum in 1 / temperature (Guo et al. 2017,
    section 4.2). It changes no prediction.

    Args:
        labels: (rows,) true class, of rows that were not trained on.
        logits: (rows, classes).

    Returns:
        A temperature from 0.1 to 10; above 1 the model was too sure.
    """
    classes = np.arange(logits.shape[1])

    def measure(inverse: float) -> float:
        probabilities = softmax(logits.astype(np.float64) * inverse, axis=1)
        return float(log_loss(labels, probabilities, labels=classes))

    found = minimize_scalar(measure, bounds=(0.1, 10), options={"xatol": 1e-4})
    return float(1 / found.x)


def summarise_classifier(
    labels: Integers, probabilities: Floats, names: tuple[str, ...]
) -> dict[str, Any]:
    """Collect, for a manifest, what a classifier did on rows it never saw.

    Args:
        labels: (rows,) true class.
        probabilities: (rows, classes), each row adding up to 1.
        names: the name of each class, by its index.

    Returns:
        JSON-ready figures: accuracy, errors, rows, log loss, expected calibration
        error, and precision and recall by the class's name, 0 where a class was never
        predicted or has no rows.
    """
    predictions, classes = probabilities.argmax(axis=1), np.arange(len(names))
    correct = predictions == labels
    precision, recall, _, _ = precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    calibration_error = expected_calibration_error(correct, probabilities.max(axis=1))
    return {
        "accuracy": round(float(correct.mean()), 6),
        "errors": int(np.sum(~correct)),
        "rows": len(labels),
        "log_loss": round(float(log_loss(labels, probabilities, labels=classes)), 6),
        "expected_calibration_error": round(calibration_error, 6),
        "precision": name_values(names, precision, 6),
        "recall": name_values(names, recall, 6),
    }


def name_values(
    names: tuple[str, ...], values: npt.NDArray[np.float64], digits: int
) -> dict[str, float]:
    """Class name → rounded value, for JSON."""
    return {
        name: round(float(value), digits)
        for name, value in zip(names, values, strict=True)
    }
