"""How good the photo model is, from its probabilities: pure functions, JSON-ready."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from training.metrics.classification import (
    expected_calibration_error,
    fit_temperature,
    reliability,
)

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

BINS = 10
LEAST = 1e-12  # below which a probability's logarithm says nothing more


def count_right(right: Mask) -> dict[str, Any]:
    """How many of (rows,) are right, and their share with Wilson's 95 % interval.

    The interval is for other photos of the same classes. At least one row.
    """
    found = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {
        "right": int(right.sum()),
        "rows": len(right),
        "share": round(float(right.mean()), 4),
        "interval": [round(float(found.low), 4), round(float(found.high), 4)],
    }


def is_among_best(labels: Labels, probabilities: Probabilities, count: int) -> Mask:
    """Whether the true class is one of the `count` most probable: (rows,) bool."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    among: Mask = (best == labels[:, None]).any(axis=1)
    return among


def measure_calibration(labels: Labels, probabilities: Probabilities) -> dict[str, Any]:
    """How far confidence is from accuracy, as it is and with a temperature.

    The temperature is fitted on every other row and measured on the rest, both ways.

    Args:
        labels: (rows,) true class, rows of a class side by side.
        probabilities: (rows, classes).
    """
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float64))
    halves = np.arange(len(labels)) % 2
    scaled, temperatures = np.empty_like(logits), []
    for half in (0, 1):
        temperature = fit_temperature(labels[halves != half], logits[halves != half])
        scaled[halves == half] = logits[halves == half] / temperature
        temperatures.append(round(temperature, 3))
    right = is_among_best(labels, probabilities, 1)
    return {
        "confidence": round(float(probabilities.max(axis=1).mean()), 4),
        **_judge(labels, softmax(logits, axis=1)),
        "temperature": {
            "fitted": temperatures,
            **_judge(labels, softmax(scaled, axis=1)),
        },
        "reliability": [
            {"rows": int(rows), "confidence": round(sure, 3), "right": round(share, 3)}
            for rows, sure, share in reliability(right, probabilities.max(1), BINS)
        ],
    }


def measure_warning(
    labels: Labels, probabilities: Probabilities, below: float
) -> dict[str, Any]:
    """Say what a warning below a confidence is worth.

    Args:
        labels: (rows,) true class.
        probabilities: (rows, classes), some best ones below it, some not.
        below: the confidence, 0 to 1.
    """
    right = is_among_best(labels, probabilities, 1)
    is_warned = probabilities.max(axis=1) < below
    return {
        "below": below,
        "warned": count_right(right[is_warned]),
        "others": count_right(right[~is_warned]),
        "wrong_warned": round(float(is_warned[~right].mean()), 4),
        "right_warned": round(float(is_warned[right].mean()), 4),
    }


def count_confusion(
    labels: Labels, probabilities: Probabilities, names: tuple[str, ...]
) -> dict[str, dict[str, int]]:
    """True class → what it is taken for → photos, by names; the most frequent first."""
    taken = probabilities.argmax(axis=1)
    found: dict[str, dict[str, int]] = {}
    for label in np.unique(labels):
        classes, counts = np.unique(taken[labels == label], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        found[names[label]] = {names[classes[k]]: int(counts[k]) for k in order}
    return found


def _judge(labels: Labels, probabilities: npt.NDArray[np.float64]) -> dict[str, float]:
    right = probabilities.argmax(axis=1) == labels
    classes = np.arange(probabilities.shape[1])
    error = expected_calibration_error(right, probabilities.max(axis=1), BINS)
    return {
        "expected_calibration_error": round(error, 4),
        "log_loss": round(float(log_loss(labels, probabilities, labels=classes)), 4),
    }
