"""The branch of phrases: what it learns, and that the graph reads it as NumPy does."""

import numpy as np
import pytest
import tensorflow as tf

from training.models.sentiment.corpus import Corpus, Tokens
from training.models.sentiment.phrases import (
    PLACES,
    Phrases,
    find_strongest,
    fit_phrases,
    pack_tables,
)
from training.models.sentiment.text import FIRST_WORD, PADDING, UNKNOWN

NOT, GOOD, BAD, FILM, RARE = range(FIRST_WORD, FIRST_WORD + 5)
WORDS = RARE  # ids from here on are rare


def fit(corpus: Corpus, epochs: int = 40, seed: int = 1) -> Phrases:
    return fit_phrases(
        corpus,
        words=WORDS,
        filters=16,
        epochs=epochs,
        learning_rate=0.1,
        decay=1e-4,
        seed=seed,
    )


def tokens(*ids: int) -> Tokens:
    return np.array(ids, np.int32)


@pytest.fixture(scope="module")
def opinions() -> Corpus:
    """The order of words says which is which; each word stands in both."""
    random = np.random.default_rng(0)
    kinds = [
        ((GOOD, FILM, NOT, BAD), 1),
        ((BAD, FILM, NOT, GOOD), 0),
    ]
    rows, labels = [], []
    for _ in range(40):
        for kind, label in kinds:
            around = random.choice([FILM, UNKNOWN, RARE], (2, 3)).astype(np.int32)
            rows.append(np.concatenate([around[0], tokens(*kind), around[1]]))
            labels.append(label)
    return Corpus(rows, np.array(labels), np.ones(len(rows), np.float32))


@pytest.fixture(scope="module")
def fitted(opinions: Corpus) -> Phrases:
    return fit(opinions)


def test_it_learns_what_the_order_of_words_says(fitted: Phrases) -> None:
    assert fitted.score(tokens(FILM, GOOD, FILM, NOT, BAD)) > 1
    assert fitted.score(tokens(FILM, BAD, FILM, NOT, GOOD)) < -1


def test_the_same_seed_gives_the_same_weights(opinions: Corpus) -> None:
    first, second, other = (fit(opinions, 2, seed) for seed in (1, 1, 2))

    assert np.array_equal(first.tables, second.tables)
    assert not np.array_equal(first.tables, other.tables)


def test_a_row_counts_as_much_as_its_weight(opinions: Corpus) -> None:
    turned = Corpus(opinions.rows, 1 - opinions.labels, opinions.weights * 0)

    both = fit(opinions.join(turned))

    assert both.score(tokens(GOOD, FILM, NOT, BAD)) > 1


def test_rare_and_unknown_words_say_nothing(fitted: Phrases) -> None:
    assert not fitted.tables[:, :FIRST_WORD].any()
    empty = fitted.score(tokens())
    assert fitted.score(tokens(RARE, RARE + 1, UNKNOWN)) == empty
    strongest = float(np.maximum(fitted.biases, 0) @ fitted.output) + fitted.bias
    assert empty == pytest.approx(strongest)


def test_the_graph_finds_what_training_finds(fitted: Phrases) -> None:
    random = np.random.default_rng(3)
    rows = [
        random.integers(UNKNOWN, RARE + 3, length).astype(np.int32)
        for length in (0, 1, 2, 7, 20)
    ]
    tables, steps = pack_tables(fitted)
    assert np.abs(tables.astype(int)).max(axis=(0, 1)).sum() * PLACES < 128 * 16
    rounded = Phrases(tables * steps, fitted.biases, fitted.output, fitted.bias)
    ids = tf.ragged.constant([row.tolist() for row in rows], tf.int64)
    padded = ids.to_tensor(PADDING, shape=(len(rows), 32))

    found = find_strongest(tf.constant(tables), padded).numpy()

    active = np.maximum(found * steps + fitted.biases, 0)
    scores = active @ fitted.output + fitted.bias
    assert scores == pytest.approx([rounded.score(row) for row in rows], abs=1e-5)
    assert scores == pytest.approx([fitted.score(row) for row in rows], abs=0.2)
