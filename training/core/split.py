"""Labelled rows, and the cut of a validation split out of those to train on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs and their labels.

    Attributes:
        inputs: (rows, …) of any dtype.
        labels: (rows,) integers, 0 to classes - 1.
    """

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Rows":
        """The first `count` rows, or all if there are fewer."""
        return Rows(self.inputs[:count], self.labels[:count])


def split_evenly(whole: Rows, held_out: int, seed: int) -> tuple[Rows, Rows]:
    """Cut out a validation split with equally many rows of each class.

    Args:
        whole: at least `held_out` / classes rows of each class.
        held_out: rows of the validation split, a multiple of the number of classes.
        seed: of the shuffle.

    Returns:
        The rows to train on, shuffled, and those to validate on; none in both.
    """
    order = np.random.default_rng(seed).permutation(len(whole))
    classes = np.unique(whole.labels)
    each = held_out // len(classes)
    chosen = np.concatenate(
        [order[whole.labels[order] == label][:each] for label in classes]
    )
    return _pick(whole, order[~np.isin(order, chosen)]), _pick(whole, chosen)


def _pick(whole: Rows, indices: npt.NDArray[np.int64]) -> Rows:
    return Rows(whole.inputs[indices], whole.labels[indices])
