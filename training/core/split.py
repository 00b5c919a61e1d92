"""Labelled rows, and the cut of a validation split out of those to train on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.datasets.idx import ImageSet


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

    def pick(self, rows: Any) -> "Rows":
        """The rows of an index, a mask or a slice."""
        return Rows(self.inputs[rows], self.labels[rows])

    def first(self, count: int) -> "Rows":
        """The first `count` rows, or all if there are fewer."""
        return self.pick(slice(count))


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows to learn from, to choose by, and to look at once, at the end."""

    train: Rows
    validation: Rows
    test: Rows

    def count(self) -> dict[str, int]:
        """Rows of each split, for the manifest."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: len(part) for name, part in parts.items()}


def split_images(
    data: ImageSet, validation_rows: int, train_rows: int, seed: int
) -> Splits:
    """Cut the validation split out of the training images; the test images stay.

    Args:
        data: images and labels.
        validation_rows: see `split_evenly`.
        train_rows: of the others, use so many at most.
        seed: of the shuffle.
    """
    whole = Rows(data.train_images, data.train_labels)
    train, validation = split_evenly(whole, validation_rows, seed)
    test = Rows(data.test_images, data.test_labels)
    return Splits(train.first(train_rows), validation, test)


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
    return whole.pick(order[~np.isin(order, chosen)]), whole.pick(chosen)
