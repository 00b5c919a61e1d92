"""What the sentiment model's manifest says: figures, pictures, use and limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.manifest import Training
from training.core.export import Card
from training.datasets.imdb import Imdb, Reviews
from training.metrics import classification
from training.models.sentiment import report as figures
from training.models.sentiment.corpus import Integers
from training.models.sentiment.model import (
    NGRAM_WORDS,
    Reach,
    SentimentModel,
    as_strings,
)
from training.models.sentiment.short_sentences import SENTENCES
from training.models.sentiment.text import split_tokens
from training.plots import classification as plots

LABELS = ("negative", "positive")
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
Floats = npt.NDArray[np.floating]


def measure(
    model: SentimentModel,
    validation: tuple[Reviews, Floats],
    test: tuple[Reviews, Floats],
) -> dict[str, Any]:
    """Collect what the model did on reviews and sentences that it was not trained on.

    Args:
        model: to ask about the short sentences.
        validation: reviews and (rows,) probabilities; the blend was fitted on them.
        test: likewise, looked at for the first time.
    """
    reviews, probabilities = test
    correct = (probabilities > 0.5) == (reviews.labels == 1)
    return {
        "test": summarise(reviews.labels, probabilities)
        | {"by_tokens": figures.accuracy_by_length(correct, count_tokens(reviews))},
        "validation": summarise(validation[0].labels, validation[1]),
        "short_sentences": measure_sentences(model),
    }


def summarise(labels: Integers, probabilities: Floats) -> dict[str, Any]:
    """Figures of (rows,) probabilities of positive, with the accuracy's spread."""
    both = np.column_stack([1 - probabilities, probabilities])
    found = classification.summarise_classifier(labels, both, LABELS)
    accuracy = classification.accuracy(labels, both.argmax(axis=1))
    error = float(np.sqrt(accuracy * (1 - accuracy) / len(labels)))
    area = figures.area_under_roc(labels, probabilities)
    return found | {
        "accuracy_standard_error": round(error, 6),
        "area_under_roc": round(area, 6),
    }


def measure_sentences(model: SentimentModel) -> dict[str, Any]:
    """Ask the forty sentences, and say which were answered wrongly."""
    texts = tf.constant(as_strings([text.encode() for text, _ in SENTENCES]))
    given = model.classify(texts)["probability"].numpy()
    labels = np.array([label for _, label in SENTENCES])
    correct = (given > 0.5) == (labels == 1)
    return {
        "what": "forty sentences with negation and contrast, labelled by hand "
        "before any model answered them",
        "accuracy": round(float(correct.mean()), 4),
        "rows": len(SENTENCES),
        "wrong": {
            SENTENCES[row][0]: round(float(given[row]), 3)
            for row in np.nonzero(~correct)[0]
        },
    }


def count_tokens(reviews: Reviews) -> npt.NDArray[np.int64]:
    """(rows,) int64: tokens in each review."""
    parts = [
        split_tokens(tf.constant(list(reviews.texts[start : start + 500])))
        for start in range(0, len(reviews), 500)
    ]
    lengths: npt.NDArray[np.int64] = np.concatenate(
        [part.row_lengths().numpy() for part in parts]
    )
    return lengths


def count_shared(data: Imdb) -> int:
    """Count test reviews whose text also stands in the training half."""
    train = set(data.train.texts)
    return sum(text in train for text in data.test.texts)


def draw_reports(
    test: Reviews, probabilities: Floats, history: Mapping[str, list[float]]
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    correct = (probabilities > 0.5) == (test.labels == 1)
    lengths = count_tokens(test)
    return {
        "learning_curves.png": plots.draw_learning_curves(history),
        "roc.png": figures.draw_roc(test.labels, probabilities),
        "reliability.png": plots.draw_reliability(
            correct, np.maximum(probabilities, 1 - probabilities)
        ),
        "accuracy_by_length.png": figures.draw_accuracy_by_length(correct, lengths),
    }


def describe(ran: Training, metrics: dict[str, Any], reach: Reach) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="sentiment",
        task="text classification",
        description=(
            "Whether an English film review likes its film. A bidirectional LSTM over "
            f"a convolution reads the first {reach.head} and the last {reach.tail} "
            "tokens of a text and pools over all steps; beside it, logistic "
            f"regression on naive Bayes features reads all runs of 1 to {NGRAM_WORDS} "
            "words of the whole text; a blend that knows the text's length weighs "
            "both and is calibrated on held-out reviews and short pieces of them."
        ),
        intended_use=(
            "Sorting reviews and remarks about films, in English, from a sentence to "
            "some thousand words, where a person reads the doubtful ones."
        ),
        limits=(
            "Trained on clearly liked and clearly disliked films only (no neutral "
            "reviews), by IMDB's users before 2011: other subjects, irony, newer slang "
            "and other languages were not measured. Names of films, actors and "
            "directors sway it. Texts of mostly unknown words say nothing; see "
            "unknown_tokens. Short sentences were measured on forty only. Of long "
            f"texts the LSTM skips all between the first {reach.head} and the last "
            f"{reach.tail} tokens."
        ),
        labels=LABELS,
        batch_sizes=BATCH_SIZES,
        training=ran,
        metrics=metrics,
        constants={
            "truncation": {
                "lstm_first_tokens": reach.head,
                "lstm_last_tokens": reach.tail,
                "ngrams": "all tokens",
            },
            "threshold": 0.5,
        },
    )
