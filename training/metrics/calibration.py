"""From scores to probabilities that mean what they say, and to a point to act at."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Platt's scaling: probability = sigmoid(slope × logit + intercept).

    Attributes:
        slope: 1 where the logits were neither too sure nor too timid.
        intercept: 0 where they were right on average.
    """

    slope: float
    intercept: float

    def apply(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Turn logits of any shape into probabilities."""
        return sigmoid(self.slope * logits.astype(np.float64) + self.intercept)


def sigmoid(logits: Floats) -> npt.NDArray[np.float64]:
    """Turn log-odds into probabilities, without overflow."""
    halves: npt.NDArray[np.float64] = np.tanh(logits.astype(np.float64) / 2)
    return (1 + halves) / 2


def to_logit(probability: float) -> float:
    """Turn a probability, above 0 and below 1, into log-odds."""
    return float(np.log(probability / (1 - probability)))


def fit_scaling(labels: Labels, logits: Floats, steps: int = 50) -> Scaling:
    """Find the scaling with the lowest log loss, by Newton's method.

    Platt, "Probabilistic outputs for support vector machines", 1999, without his
    priors: there are hundreds of rows. The loss has one minimum.

    Args:
        labels: (rows,) 0 or 1, of rows that the logits' model did not learn from.
        logits: (rows,) log-odds.
        steps: at most; four or five will do.

    Returns:
        At the minimum, the probabilities add up to the number of ones.
    """
    inputs = np.column_stack([logits, np.ones(len(logits))]).astype(np.float64)
    weights = np.zeros(2)
    for _ in range(steps):
        probability = sigmoid(inputs @ weights)
        slope = inputs.T @ (probability - labels)
        curvature = (inputs.T * (probability * (1 - probability))) @ inputs
        change = np.linalg.solve(curvature + 1e-9 * np.eye(2), slope)
        while _loss(labels, inputs @ (weights - change)) > _loss(
            labels, inputs @ weights
        ):
            change /= 2  # too far: the loss is no parabola there
        weights -= change
        if np.abs(change).max() < 1e-9:
            break
    return Scaling(float(weights[0]), float(weights[1]))


def _loss(labels: Labels, logits: Floats) -> float:
    return float(np.mean(np.logaddexp(0, (1 - 2 * labels) * logits)))


def choose_threshold(labels: Labels, probabilities: Floats, goal: float) -> float:
    """Find the highest threshold at which enough of the ones are caught.

    Sensitivity on other rows misses its goal as often as not, so this aims one standard
    error of a share higher.

    Args:
        labels: (rows,) 0 or 1, of rows that the model did not learn from.
        probabilities: (rows,) of being 1.
        goal: sensitivity, above 0 and below 1.

    Returns:
        A threshold; rows at it or above it are called 1.
    """
    ones = np.sort(probabilities[labels == 1])
    aim = min(1.0, goal + float(np.sqrt(goal * (1 - goal) / len(ones))))
    may_miss = int(np.floor((1 - aim) * len(ones) + 1e-9))
    return float(ones[may_miss])


def measure_sensitivity(labels: Labels, is_called: npt.NDArray[np.bool_]) -> float:
    """Share of the ones that are called 1; both arrays (rows,)."""
    return float(np.mean(is_called[labels == 1]))


def measure_specificity(labels: Labels, is_called: npt.NDArray[np.bool_]) -> float:
    """Share of the zeros that are not called 1; both arrays (rows,)."""
    return float(np.mean(~is_called[labels == 0]))


def measure_wobble(logits: Floats, share: float = 0.95) -> float:
    """Say how far a row's log-odds moves when the model is trained on other rows.

    Args:
        logits: (repeats, rows), each row's in each repeat of a cross-validation.
        share: of rows and repeats that move no further.

    Returns:
        Distance from a row's mean over the repeats, in log-odds.
    """
    moves = np.abs(logits - logits.mean(axis=0))
    return float(np.quantile(moves, share))
