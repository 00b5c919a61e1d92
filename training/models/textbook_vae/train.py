"""Train the textbook's VAE: Fashion-MNIST → figures in the log, nothing else."""

import logging

import numpy as np

from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.split import Rows, Splits, split_images
from training.datasets import fashion_mnist
from training.models.textbook_vae.reference import ReferenceRecipe, train_reference

log = logging.getLogger(__name__)

TRAIN_ROWS, VALIDATION_ROWS = 55_000, 5_000
QUICK = ReferenceRecipe(epochs=2)


def train(options: RunOptions) -> None:
    """The textbook's VAE of clothing: a yardstick for the other, not shipped.

    About twenty minutes on one core. Its figures are logged: the loss, which is an
    image's cross-entropy and three times its KL divergence, and both parts.
    """
    recipe = options.choose_recipe(ReferenceRecipe(), QUICK)
    data = fashion_mnist.load(options.data_dir)
    splits = split_images(data, VALIDATION_ROWS, TRAIN_ROWS, options.seed)
    make_repeatable(options.seed)
    pixels = Splits(*map(to_pixels, (splits.train, splits.validation, splits.test)))
    reference = train_reference(pixels, recipe, options.seed)
    for name in ("train", "validation", "test"):
        log.info("%s: %s", name, reference.metrics[name])


def to_pixels(rows: Rows) -> Rows:
    """Bring (rows, 28, 28) uint8 to float32, 0 to 1."""
    return Rows(rows.inputs.astype(np.float32) / 255, rows.labels.astype(np.int32))
