"""Which training images are the judge's, and which are left to those it judges.

A judge that learnt from a generator's images knows them by heart, and takes what is
like them for good. So the 60,000 are divided once, by a seed that no option reaches,
and both sides take their part from here.
"""

from dataclasses import replace

import numpy as np

from training.core.split import Rows, split_evenly
from training.datasets.idx import ImageSet

SHARE = 4  # one image in so many is the judge's: 15,000 of 60,000
_SEED = 2  # fixed: trainings with other seeds must not meet the judge's images either


def take_judges_part(data: ImageSet) -> ImageSet:
    """Leave only the judge's own images to train on, as many of each category."""
    return _with_training(data, _divide(data)[1])


def take_generators_part(data: ImageSet) -> ImageSet:
    """Leave only images to train on that the judge did not learn from or choose by."""
    return _with_training(data, _divide(data)[0])


def _divide(data: ImageSet) -> tuple[Rows, Rows]:
    whole = Rows(data.train_images, data.train_labels)
    return split_evenly(whole, len(whole) // SHARE, _SEED)


def _with_training(data: ImageSet, rows: Rows) -> ImageSet:
    labels = rows.labels.astype(np.uint8)
    return replace(data, train_images=rows.inputs, train_labels=labels)
