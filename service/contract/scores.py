"""A model's numbers to the scores of its classes, for whoever answers or counts."""

from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def score(outputs: npt.NDArray[Any], function: str) -> Scores:
    """A model's output to the scores of its classes.

    Args:
        outputs: (rows, classes); or (rows,), (rows, 1), of the second of two classes.
        function: none, softmax or sigmoid; softmax of one number is its sigmoid.

    Returns:
        float64 (rows, classes).
    """
    numbers = np.asarray(outputs, np.float64).reshape(len(outputs), -1)
    if numbers.shape[1] == 1:
        second = numbers if function == "none" else _sigmoid(numbers)
        return np.concatenate([1 - second, second], axis=1)
    if function == "sigmoid":
        return _sigmoid(numbers)
    if function == "softmax":
        powers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
        shares: Scores = powers / powers.sum(axis=1, keepdims=True)
        return shares
    return numbers


def _sigmoid(numbers: Scores) -> Scores:
    shares: Scores = 0.5 * (1 + np.tanh(0.5 * numbers))  # which never overflows
    return shares
