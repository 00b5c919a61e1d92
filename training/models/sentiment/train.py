"""Train the sentiment model: IMDB → LSTM and n-grams → artifacts/sentiment/<version>.

reviews ─▶ tokens ─┬─▶ n-grams ─▶ logistic regression ─┐
           │       └─▶ LSTM, on reviews and pieces ────┼─▶ blend ─▶ test, once
           └── neighbouring reviews to choose by ──────┘
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from training.core import provenance
from training.core.export import DEFAULT_SIGNATURE, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.prediction import predict, slice_rows
from training.datasets import imdb
from training.models.sentiment import card, lstm
from training.models.sentiment.corpus import (
    Corpus,
    as_ragged,
    as_rows,
    cut_pieces,
    mark_blocks,
    truncate_rows,
)
from training.models.sentiment.linear import fit_blend, fit_linear
from training.models.sentiment.model import (
    NGRAM_WORDS,
    Reach,
    SentimentModel,
    describe_rows,
)
from training.models.sentiment.text import (
    Vocabulary,
    bucket_numbers,
    choose_vocabulary,
    count_words,
    split_tokens,
)
from training.models.sentiment.word_vectors import learn_word_vectors

log = logging.getLogger(__name__)

_CHUNK = 250  # reviews handled by the graph at a time
_STOPS = (b".", b"!", b"?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes of the LSTM over the training reviews and a piece of each.
        train_rows: how many training reviews to use at most.
        validation_share: every so manieth block of neighbours validates.
        block: reviews in a block.
        vocabulary: words with an id.
        width: of a word vector.
        filters: of the convolution.
        units: of the LSTM in each direction.
        dropout: see `sentiment_lstm.build_body`.
        word_dropout: share of words made unknown in training.
        batch_size: rows in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        piece_sentences: the most sentences in a piece of a review.
        piece_weight: of a piece, where a whole review counts 1.
        ngram_strength: inverse of the L2 penalty of the n-gram branch.
        ngram_steps: of its L-BFGS.
        head: tokens of a review's beginning that the LSTM reads.
        tail: of its end.
    """

    epochs: int = 7
    train_rows: int = 25_000
    validation_share: int = 10
    block: int = 125
    vocabulary: int = 30_000
    width: int = 96
    filters: int = 128
    units: int = 96
    dropout: float = 0.5
    word_dropout: float = 0.15
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    piece_sentences: int = 3
    piece_weight: float = 0.3
    ngram_strength: float = 30.0
    ngram_steps: int = 25
    head: int = 96
    tail: int = 288


QUICK = Recipe(
    epochs=1, train_rows=2_500, vocabulary=10_000, width=32, filters=32, units=16
)


def train(options: RunOptions) -> None:
    """Film reviews, liked or not: a bidirectional LSTM beside n-grams, on IMDB.

    About half an hour on two cores.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    data = imdb.load(options.data_dir)
    repeated = imdb.mark_repeated(data.train, data.test)
    set_aside = mark_blocks(data.train.labels, recipe.validation_share, recipe.block)
    training = _thin(data.train.select(~repeated & ~set_aside), recipe.train_rows)
    validation = data.train.select(~repeated & set_aside)

    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model, history = fit(training, validation, recipe, options.seed)
    rows = {
        "train": len(training),
        "validation": len(validation),
        "test": len(data.test),
        "left_out_of_train_as_repeated": int(repeated.sum()),
    }
    ran = run.finish(
        (imdb.describe(rows),),
        recipe.epochs,
        asdict(recipe) | {"blend": [round(float(x), 5) for x in model.blend]},
    )

    function = model.as_function([*validation.texts[:60], b"", b"Loved it."])
    on_validation = answer(model, validation)
    on_test = answer(model, data.test)  # the only look at the test reviews
    metrics = card.measure(model, (validation, on_validation), (data.test, on_test))
    metrics["texts_in_both_halves"] = card.count_shared(data)
    folder = export_version(
        card.describe(ran, metrics, Reach(recipe.head, recipe.tail)),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=card.draw_reports(data.test, on_test, history),
        resources=[model.vocabulary.table],
    )
    log.info("Wrote %s", folder)


def fit(
    training: imdb.Reviews, validation: imdb.Reviews, recipe: Recipe, seed: int
) -> tuple[SentimentModel, dict[str, list[float]]]:
    """Fit both branches on `training`, their blend on `validation`.

    Returns:
        The model, and the LSTM's figures at each epoch.
    """
    random = np.random.default_rng(seed)
    words = choose_vocabulary(
        count_words(map(split_tokens, _chunks(training))), recipe.vocabulary
    )
    vocabulary = Vocabulary(words)
    stops = np.array([vocabulary.table.lookup(tf.constant(w)).numpy() for w in _STOPS])
    whole, chosen_by = read(training, vocabulary), read(validation, vocabulary)
    linear = fit_linear(
        *_number_ngrams(whole),
        whole.labels,
        recipe.ngram_strength,
        recipe.ngram_steps,
    )
    log.info("Fitted the n-gram branch")

    def with_pieces(corpus: Corpus) -> Corpus:
        return corpus.join(
            cut_pieces(
                corpus, stops, recipe.piece_sentences, recipe.piece_weight, random
            )
        )

    cut = truncate_rows(whole, recipe.head, recipe.tail)
    vectors = learn_word_vectors(
        np.concatenate(whole.rows), vocabulary.size, recipe.width, seed=seed
    )
    body = lstm.build_body(recipe.width, recipe.filters, recipe.units, recipe.dropout)
    network = lstm.build_network(vectors, body, recipe.word_dropout, seed)
    history = lstm.fit_network(
        network,
        [with_pieces(cut) for _ in range(recipe.epochs)],
        truncate_rows(chosen_by, recipe.head, recipe.tail),
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        seed=seed,
    )
    model = SentimentModel(vocabulary, network, linear, Reach(recipe.head, recipe.tail))
    blend(model, with_pieces(chosen_by))
    return model, history


def read(reviews: imdb.Reviews, vocabulary: Vocabulary) -> Corpus:
    """Tokenise reviews in the graph that serves."""
    parts = [as_rows(vocabulary.read(chunk)) for chunk in _chunks(reviews)]
    rows = [row for part in parts for row in part]
    return Corpus(rows, reviews.labels, np.ones(len(rows), np.float32))


def blend(model: SentimentModel, corpus: Corpus) -> None:
    """Fit the blend of the branches, which calibrates, on rows not trained on."""
    order = np.argsort([len(row) for row in corpus.rows], kind="stable")
    ordered, features = corpus.select(order), []
    for part in slice_rows(len(ordered), _CHUNK):
        ids = as_ragged(ordered.rows[part])
        ngrams, steps = model.read_branches(ids)
        features.append(describe_rows(ngrams, steps, ids.row_lengths()).numpy())
    model.blend = fit_blend(
        np.concatenate(features).astype(np.float64), ordered.labels, ordered.weights
    )


def answer(model: SentimentModel, reviews: imdb.Reviews) -> dict[str, Any]:
    """Give (rows,) arrays by output; rows of about equal length share a batch."""
    order = np.argsort([len(text) for text in reviews.texts], kind="stable")
    run = tf.function(
        model.classify,
        autograph=False,
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    found = predict(run, {"text": reviews.texts[order]}, _CHUNK)
    places = np.argsort(order)
    return {name: values[places] for name, values in found.items()}


def _chunks(reviews: imdb.Reviews) -> Iterator[Any]:
    for part in slice_rows(len(reviews), _CHUNK):
        yield tf.constant(reviews.texts[part])


def _number_ngrams(corpus: Corpus) -> tuple[Any, Any]:
    """Rows and buckets of all n-grams, by row."""
    rows, buckets = [], []
    for part in slice_rows(len(corpus), _CHUNK):
        found, numbers = bucket_numbers(as_ragged(corpus.rows[part]), NGRAM_WORDS)
        rows.append(found + part.start)
        buckets.append(numbers)
    return np.concatenate(rows), np.concatenate(buckets)


def _thin(reviews: imdb.Reviews, rows: int) -> imdb.Reviews:
    """At most `rows` of them, evenly from the whole."""
    picked = np.linspace(0, len(reviews) - 1, min(rows, len(reviews))).astype(np.int64)
    return reviews.select(picked)
