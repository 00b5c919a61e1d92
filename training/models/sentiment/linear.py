"""The n-gram branch: logistic regression on naive Bayes features, and the blend.

Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic
classification", 2012: each n-gram enters with the logarithm of how much more often it
stands in positive reviews than in negative ones, and logistic regression weighs them.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from training.models.sentiment.text import BUCKETS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


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
        rows: (found,) rising row numbers.
        buckets: (found,) the n-gram's bucket, once in each row.
        labels: (rows,) 0 or 1.
        strength: inverse of the L2 penalty; greater trusts the data more.
        steps: of L-BFGS.
    """
    ratios = log_ratios(buckets, labels[rows])
    scale = 1 / np.sqrt(np.maximum(np.bincount(rows, minlength=len(labels)), 1))
    values = ratios[buckets] * scale[rows]
    features = csr_array((values, (rows, buckets)), shape=(len(labels), BUCKETS))
    model = LogisticRegression(C=strength, max_iter=steps)
    with warnings.catch_warnings():  # it is stopped early, on purpose
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    return Linear(model.coef_[0] * ratios, float(model.intercept_[0]))


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
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=200)
    blend: Floats = model.fit(features, labels, sample_weight=weights).coef_[0]
    return blend
