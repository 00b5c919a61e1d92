"""Logistic regression that adds what each field says to how common a class is.

    log-odds of 1 = log-odds among the rows learnt from + Σ weight × feature

What a feature adds can be read off, and one that is unknown, 0, adds nothing.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from training.core.tabular import log_odds

_STEPS = 20  # of Newton's method, which doubles the digits in each; it ends in seven

Floats = npt.NDArray[np.floating]


class AdditiveLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn classifier of 0 and 1 whose intercept is given, not learnt.

    A row in which nothing is known is all zeros, so its probability is the share of
    ones, and a feature's product with its weight is exactly what knowing it changes.
    A normal prior of variance 1 keeps the weights small (a ridge of 1, scikit-learn's
    own default): nothing is chosen, so no row has a say in a choice.

    Attributes:
        prior_: log-odds of 1 among the rows learnt from.
        weights_: (features,) float64, in log-odds.
    """

    def fit(self, features: Floats, labels: npt.NDArray[np.int64]) -> Self:
        """Find the most probable weights; there is one best answer.

        Args:
            features: (rows, features), 0 where unknown.
            labels: (rows,) 0 or 1, some of each.
        """
        inputs = features.astype(np.float64)
        self.classes_ = np.array([0, 1])
        self.prior_ = log_odds(labels)
        self.weights_ = np.zeros(inputs.shape[1])
        for _ in range(_STEPS):
            said = self.predict_proba(inputs)[:, 1]
            slope = inputs.T @ (said - labels) + self.weights_
            weighted = inputs * (said * (1 - said))[:, None]
            curvature = inputs.T @ weighted + np.eye(inputs.shape[1])
            self.weights_ = self.weights_ - np.linalg.solve(curvature, slope)
        return self

    def decision_function(self, features: Floats) -> Any:
        """(rows,) float64, log-odds of 1."""
        return self.prior_ + features @ self.weights_

    def predict_proba(self, features: Floats) -> Any:
        """(rows, 2) float64, of 0 and of 1."""
        ones = expit(self.decision_function(features))
        return np.column_stack([1 - ones, ones])

    def predict(self, features: Floats) -> Any:
        """(rows,) int64, the likelier class."""
        return (self.decision_function(features) > 0).astype(np.int64)
