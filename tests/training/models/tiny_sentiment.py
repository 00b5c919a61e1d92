"""A sentiment model that is trained in seconds on a handful of made-up reviews."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.trainers import trainer

from training.core.options import RunOptions
from training.datasets import imdb
from training.datasets.imdb import Imdb, Reviews
from training.models.sentiment import train as sentiment
from training.models.sentiment.recipe import Recipe

RECIPE = Recipe(
    epochs=3,
    vocabulary=100,
    width=8,
    filters=8,
    units=4,
    batch_size=16,
    learning_rate=2e-2,
    dropout=0.1,
    ngram_steps=5,
    variants=400,
    made_up=400,
    polar_words=20,
    earlier=False,
    validation_share=4,
    block=5,
)
GOOD = ("wonderful", "great", "superb", "moving", "funny")
BAD = ("awful", "boring", "terrible", "dull", "stupid")
THINGS = ("film", "movie", "story", "plot", "cast", "script", "music", "ending")


def make_reviews(rows: int, seed: int) -> Reviews:
    """Reviews of one to three sentences in which everything speaks for the label."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    texts = np.empty(rows, dtype=object)
    for row, label in enumerate(labels):
        words = GOOD if label else BAD
        texts[row] = " ".join(
            f"A{'n' * (1 - label)} {random.choice(words)} {random.choice(THINGS)}"
            f"{random.choice(['.', '!', ', really.'])}"
            for _ in range(random.integers(1, 4))
        ).encode()
    return Reviews(texts, labels.astype(np.int64))


def export_tiny(artifacts: Path) -> Path:
    """Train it and write it to `artifacts/sentiment/1`."""
    data = Imdb(train=make_reviews(240, 1), test=make_reviews(40, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentiment, "QUICK", RECIPE)
        patch.setattr(sentiment, "make_repeatable", keras.utils.set_random_seed)
        patch.setattr(trainer, "model_supports_jit", lambda model: False)  # no XLA
        patch.setattr(imdb, "load", lambda folder: data)
        sentiment.train(RunOptions(quick=True, artifacts_dir=artifacts))
    return artifacts / "sentiment" / "1"
