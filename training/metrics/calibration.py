"""From probabilities to a point to act at, and how far they move."""

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


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
