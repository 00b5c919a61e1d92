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

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """score = bias + sum of the weights of a text's n-grams / sqrt(their number).

    Attributes:
        keys: (known,) rising, the n-grams that have a weight.
        weights: (known,) float64.
        bias: what an empty text scores.
    """

    keys: Integers
    weights: Floats
    bias: float


def fit_linear(
    rows: Integers, keys: Integers, labels: Integers, strength: float, steps: int
) -> Linear:
    """Fit the n-gram branch.

    N-grams that stand in a single review count too: each says little, all together
    are worth about as much as the step from two words to three.

    Args:
        rows: (found,) rising row numbers.
        keys: (found,) the n-gram's key, once in each row.
        labels: (rows,) 0 or 1.
        strength: inverse of the L2 penalty; greater trusts the data more.
        steps: of L-BFGS.
    """
    known, columns = np.unique(keys, return_inverse=True)
    ratios = log_ratios(columns, labels[rows], len(known))
    scale = 1 / np.sqrt(np.maximum(np.bincount(rows, minlength=len(labels)), 1))
    values = (ratios[columns] * scale[rows]).astype(np.float32)
    features = csr_array((values, (rows, columns)), shape=(len(labels), len(known)))
    model = LogisticRegression(C=strength, max_iter=steps)
    with warnings.catch_warnings():  # it is stopped early, on purpose
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    return Linear(known, model.coef_[0] * ratios, float(model.intercept_[0]))


def log_ratios(columns: Integers, labels: Integers, width: int) -> Floats:
    """Logarithm of how much more often each n-gram is in positive texts.

    Args:
        columns: (found,) n-grams, below `width`.
        labels: (found,) the label of the text that each stands in.
        width: how many n-grams there are.
    """
    seen = np.bincount(columns, minlength=width)
    positive = np.bincount(columns, labels, width) + 1
    negative = seen + 2 - positive
    ratios: Floats = np.log(positive / positive.sum())
    ratios -= np.log(negative / negative.sum())
    return ratios


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
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500)
    blend: Floats = model.fit(features, labels, sample_weight=weights).coef_[0]
    return blend
