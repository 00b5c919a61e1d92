"""A sentiment model that is trained in seconds on a handful of made-up reviews."""

from pathlib import Path

import numpy as np

from service.manifest import Training
from training.core.export import DEFAULT_SIGNATURE, export_version
from training.datasets.imdb import Reviews
from training.models.sentiment import card as card
from training.models.sentiment.model import Reach
from training.models.sentiment.train import Recipe, fit

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
    model, _ = fit(make_reviews(128, 1), make_reviews(48, 2), RECIPE, seed=1)
    ran = Training(
        data=(),
        seed=1,
        epochs=RECIPE.epochs,
        seconds=0,
        hardware="",
        versions={},
        git_commit="",
        hyperparameters={},
    )
    return export_version(
        card.describe(ran, {}, Reach()),
        {DEFAULT_SIGNATURE: model.as_function([b"A great film.", b""])},
        artifacts,
        resources=[model.vocabulary.table],
    )
