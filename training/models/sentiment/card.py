"""What the sentiment model's manifest says: figures, pictures, use and limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from service.contract.manifest import Training
from training.core.export import Card
from training.core.prediction import predict
from training.datasets.imdb import Imdb, Reviews
from training.metrics import classification
from training.models.sentiment.lengths import (
    accuracy_by_length,
    draw_accuracy_by_length,
)
from training.models.sentiment.model import (
    NGRAM_WORDS,
    Reach,
    SentimentModel,
    as_strings,
)
from training.models.sentiment.short_sentences import SENTENCES
from training.plots import binary
from training.plots import classification as plots

LABELS = ("negative", "positive")
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
Answers = Mapping[str, npt.NDArray[Any]]


def measure(
    model: SentimentModel,
    validation: tuple[Reviews, Answers],
    test: tuple[Reviews, Answers],
) -> dict[str, Any]:
    """Collect what the model did on reviews and sentences that it was not trained on.

    Args:
        model: to ask about the short sentences.
        validation: reviews and the model's outputs; the blend was fitted on them.
        test: likewise, looked at for the first time.
    """
    reviews, answers = test
    by_length = accuracy_by_length(is_correct(reviews, answers), answers["tokens"])
    return {
        "test": summarise(*test) | {"by_tokens": by_length},
        "validation": summarise(*validation),
        "short_sentences": measure_sentences(model),
    }


def summarise(reviews: Reviews, answers: Answers) -> dict[str, Any]:
    """Figures of (rows,) probabilities of positive, with the accuracy's spread."""
    labels, probability = reviews.labels, answers["probability"]
    both = np.column_stack([1 - probability, probability])
    accuracy = float(is_correct(reviews, answers).mean())
    error = float(np.sqrt(accuracy * (1 - accuracy) / len(labels)))
    return classification.summarise_classifier(labels, both, LABELS) | {
        "accuracy_standard_error": round(error, 6),
        "area_under_roc": round(float(roc_auc_score(labels, probability)), 6),
    }


def is_correct(reviews: Reviews, answers: Answers) -> npt.NDArray[np.bool_]:
    """(rows,) bool, whether each review was told rightly."""
    correct: npt.NDArray[np.bool_] = (answers["probability"] > 0.5) == reviews.labels
    return correct


def measure_sentences(model: SentimentModel) -> dict[str, Any]:
    """Ask the forty sentences, and say which were answered wrongly."""
    texts = as_strings([text.encode() for text, _ in SENTENCES])
    given = predict(model.classify, {"text": texts})["probability"]
    correct = (given > 0.5) == np.array([label for _, label in SENTENCES])
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


def count_shared(data: Imdb) -> int:
    """Count test reviews whose text also stands in the training half."""
    train = set(data.train.texts)
    return sum(text in train for text in data.test.texts)


def draw_reports(
    test: Reviews, answers: Answers, history: Mapping[str, list[float]]
) -> dict[str, bytes]:
    """Draw what is worth seeing: file name → PNG."""
    correct, probability = is_correct(test, answers), answers["probability"]
    return {
        "learning_curves.png": plots.draw_learning_curves(history),
        "roc.png": binary.draw_roc(test.labels, {"this model": probability[None]}),
        "reliability.png": plots.draw_reliability(
            correct, np.maximum(probability, 1 - probability)
        ),
        "accuracy_by_length.png": draw_accuracy_by_length(correct, answers["tokens"]),
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
            "both and is calibrated on validation reviews and short pieces of them."
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
