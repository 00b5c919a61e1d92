"""From scores to probabilities that mean what they say, and to a point to act at."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

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
        scaled = self.slope * logits.astype(np.float64) + self.intercept
        return np.asarray(expit(scaled))


def fit_scaling(labels: Labels, logits: Floats) -> Scaling:
    """Find the scaling with the lowest log loss: logistic regression, no penalty.

    Platt, "Probabilistic outputs for support vector machines", 1999, without his
    priors: there are hundreds of rows. The loss has one minimum.

    Args:
        labels: (rows,) 0 or 1, of rows that the logits' model did not learn from.
        logits: (rows,) log-odds.

    Returns:
        At the minimum, the probabilities add up to the number of ones.
    """
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-9)
    model.fit(logits.astype(np.float64)[:, None], labels)
    return Scaling(float(model.coef_[0, 0]), float(model.intercept_[0]))


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
