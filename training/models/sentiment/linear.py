"""The n-gram branch: logistic regression on naive Bayes features, and the blend.

Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic
classification", 2012: each n-gram enters with the logarithm of how much more often it
stands in positive reviews than in negative ones, and logistic regression weighs them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.models.sentiment.text import BUCKETS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objective = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True, slots=True)
class Linear:
    """score = bias + sum of the weights of a text's n-grams / sqrt(their number).

    Attributes:
        weights: (BUCKETS,) float64.
        bias: what an empty text scores.
    """

    weights: Floats
    bias: float


def fit_linear(
    rows: Integers, buckets: Integers, labels: Integers, strength: float, steps: int
) -> Linear:
    """Fit the n-gram branch.

    Args:
        rows: (found,) rising row numbers; every row has at least one n-gram.
        buckets: (found,) the n-gram's bucket, once in each row.
        labels: (rows,) 0 or 1.
        strength: inverse of the L2 penalty; greater trusts the data more.
        steps: of L-BFGS.
    """
    ratios = log_ratios(buckets, labels[rows])
    starts = np.searchsorted(rows, np.arange(len(labels)))
    scale = 1 / np.sqrt(np.diff(np.append(starts, len(rows))))
    values = ratios[buckets] * scale[rows]

    def measure(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:-1], parameters[-1]
        scores = np.add.reduceat(weights[buckets] * values, starts) + bias
        loss, slope = logistic_loss(scores, labels)
        gradient = np.bincount(buckets, slope[rows] * values, BUCKETS)
        penalty = weights @ weights / (2 * strength)
        slopes = np.append(gradient + weights / strength, slope.sum())
        return float(loss + penalty), slopes

    found = minimise(measure, np.zeros(BUCKETS + 1), steps)
    return Linear(found[:-1] * ratios, float(found[-1]))


def log_ratios(buckets: Integers, labels: Integers) -> Floats:
    """Logarithm of how much more often each n-gram is in positive texts.

    Args:
        buckets: (found,) n-grams.
        labels: (found,) the label of the text that each stands in.

    Returns:
        (BUCKETS,) float64; 0 for n-grams in fewer than two texts.
    """
    seen = np.bincount(buckets, minlength=BUCKETS)
    positive = np.bincount(buckets, labels, BUCKETS) + 1
    negative = seen + 2 - positive
    ratios = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    return np.where(seen >= 2, ratios, 0.0)


def logistic_loss(
    scores: Floats, labels: Integers, weights: npt.NDArray[np.floating] | float = 1.0
) -> tuple[float, Floats]:
    """Sum of log losses of (rows,) scores, in nats, and its slope in each score."""
    losses = np.logaddexp(0, scores) - labels * scores
    slope = (_sigmoid(scores) - labels) * weights
    return float(np.sum(losses * weights)), slope


def minimise(measure: Objective, start: Floats, steps: int, memory: int = 8) -> Floats:
    """Minimise a convex function by L-BFGS (Nocedal and Wright 2006, algorithm 7.4).

    Args:
        measure: parameters → value and gradient.
        start: parameters to begin with.
        steps: at most so many.
        memory: steps that the curvature is guessed from.
    """
    point, (value, gradient) = start, measure(start)
    past: list[tuple[Floats, Floats]] = []
    for _ in range(steps):
        direction = -_scale_by_curvature(gradient, past)
        descent = float(gradient @ direction)
        step = 1.0 if past else 1 / max(1.0, float(np.linalg.norm(gradient)))
        for _ in range(30):
            after = point + step * direction
            new_value, new_gradient = measure(after)
            if new_value <= value + 1e-4 * step * descent:
                break
            step /= 2
        else:
            return point
        moved, changed = after - point, new_gradient - gradient
        if moved @ changed > 0:
            past = [*past, (moved, changed)][-memory:]
        point, value, gradient = after, new_value, new_gradient
    return point


def fit_blend(
    features: Floats, labels: Integers, weights: npt.NDArray[np.floating]
) -> Floats:
    """Fit a small logistic regression whose output is then a calibrated probability.

    Args:
        features: (rows, features) of rows that neither branch was trained on.
        labels: (rows,) 0 or 1.
        weights: (rows,) how much each row counts.

    Returns:
        (features,) float64.
    """

    def measure(parameters: Floats) -> tuple[float, Floats]:
        loss, slope = logistic_loss(features @ parameters, labels, weights)
        penalty = 0.5 * parameters @ parameters
        return float(loss + penalty), features.T @ slope + parameters

    return minimise(measure, np.zeros(features.shape[1]), 200)


def _scale_by_curvature(gradient: Floats, past: list[tuple[Floats, Floats]]) -> Floats:
    if not past:
        return gradient
    result, taken = gradient.copy(), []
    for moved, changed in reversed(past):
        share = (moved @ result) / (moved @ changed)
        result -= share * changed
        taken.append(share)
    moved, changed = past[-1]
    result *= (moved @ changed) / (changed @ changed)
    for (moved, changed), share in zip(past, reversed(taken), strict=True):
        result += moved * (share - (changed @ result) / (moved @ changed))
    return result


def _sigmoid(scores: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(scores / 2))
    return result
