"""Train the sentiment model: IMDB → LSTMs and n-grams → artifacts/sentiment/<version>.

reviews ─▶ tokens ─┬─▶ n-grams ─▶ logistic regression ─────────────┐
           │       └─▶ LSTMs, on windows of reviews, on pieces,    │
           │           on sentences turned round and made-up ones ─┼─▶ blend ─▶ test
           └── neighbouring reviews, other made-up words ──────────┘
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf

from training.core import provenance
from training.core.export import DEFAULT_SIGNATURE, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.prediction import predict, slice_rows
from training.datasets import imdb
from training.models.sentiment import card, lexicon, lstm, shorts
from training.models.sentiment.caution import Caution, calibrate
from training.models.sentiment.corpus import (
    Corpus,
    as_ragged,
    as_rows,
    cut_pieces,
    cut_windows,
    mark_blocks,
    truncate_rows,
)
from training.models.sentiment.earlier import Earlier, load_earlier
from training.models.sentiment.familiarity import Familiarity
from training.models.sentiment.linear import Linear, fit_blend, fit_linear
from training.models.sentiment.model import (
    NGRAM_WORDS,
    Reach,
    SentimentModel,
    describe_rows,
)
from training.models.sentiment.recipe import QUICK, Recipe
from training.models.sentiment.text import (
    Vocabulary,
    choose_vocabulary,
    count_words,
    number_ngrams,
    split_tokens,
)
from training.models.sentiment.word_vectors import (
    learn_word_vectors,
    place_signs,
)

log = logging.getLogger(__name__)

_NOTHINGS = 420  # rows by which the blend learns to leave unknown words undecided
_CHUNK = 250  # reviews handled by the graph at a time
_STOPS = (b".", b"!", b"?")
_SIGNS = tuple(sign.encode() for sign in lexicon.EMOJI.good + lexicon.EMOJI.bad)


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
    model, history, caution, both = fit(training, validation, recipe, options.seed)
    on_validation = answer(model, validation)
    log.info("Validation: %s", card.summarise(validation, on_validation))
    model.take_ngrams(_fit_ngrams(both, recipe))
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
    on_test = answer(model, data.test)  # the only look at the test reviews
    metrics = card.measure(
        model, caution, (validation, on_validation), (data.test, on_test)
    )
    metrics["texts_in_both_halves"] = card.count_shared(data)
    folder = export_version(
        card.describe(ran, metrics, Reach(recipe.head, recipe.tail), caution),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=card.draw_reports(data.test, on_test, history),
        resources=[model.vocabulary.table],
    )
    log.info("Wrote %s", folder)


def fit(
    training: imdb.Reviews, validation: imdb.Reviews, recipe: Recipe, seed: int
) -> tuple[SentimentModel, dict[str, list[float]], Caution, Corpus]:
    """Fit both branches on `training`, their blend on `validation`.

    Returns:
        The model, the LSTMs' figures at each epoch, where the model is in doubt, and
        the reviews of both as tokens.
    """
    random = np.random.default_rng(seed)
    before = load_earlier() if recipe.earlier else None
    words = _choose_words(training, recipe, before)
    vocabulary = Vocabulary(words)
    stops = np.array([vocabulary.table.lookup(tf.constant(w)).numpy() for w in _STOPS])
    whole, chosen_by = read(training, vocabulary), read(validation, vocabulary)
    counts = _count_ids(whole.rows, vocabulary)
    opinions, others = (shorts.Opinions.of(some, words) for some in (whole, chosen_by))
    log.info(
        "Sentences of opinion: %s",
        [[len(part) for part in some.sentences] for some in (opinions, others)],
    )

    def with_pieces(corpus: Corpus, pieces_of: Corpus) -> Corpus:
        number, weight = recipe.piece_sentences, recipe.short_weight
        return corpus.join(cut_pieces(pieces_of, stops, number, weight, random))

    def with_shorts(corpus: Corpus, part: str, some: shorts.Opinions) -> Corpus:
        share = len(whole) / recipe.train_rows if part == lexicon.TRAINING else 0.2
        weight = recipe.made_weight if part == lexicon.TRAINING else recipe.short_weight
        variants = some.vary(max(int(recipe.variants * share), 64), weight, random)
        made = max(int(recipe.made_up * share), 64)
        return corpus.join(variants).join(
            shorts.make_up(part, made, weight, vocabulary, random)
        )

    def prepare_epoch() -> Corpus:
        some = random.permutation(len(whole))[: int(len(whole) * recipe.shown)]
        windows = cut_windows(whole.select(some), recipe.windows, random)
        shown = with_shorts(windows, lexicon.TRAINING, opinions)
        number, weight = recipe.polar_words, recipe.made_weight
        alone = shorts.stand_alone(polar, number, weight, random)
        return with_pieces(shown.join(alone), whole.select(some[::2]))

    polar = shorts.choose_polar_words(*_count_by_label(whole, vocabulary), words)
    log.info("Words that reviews have in one label: %s", [len(some) for some in polar])
    network = _build_network(whole, vocabulary, before, recipe, seed)
    epochs = [prepare_epoch() for _ in range(recipe.epochs)]
    log.info("Rows in an epoch: %d", len(epochs[0]))
    history = lstm.fit_network(
        network,
        epochs,
        truncate_rows(chosen_by, recipe.head, recipe.tail),
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        averaged=recipe.averaged,
        seed=seed,
    )
    model = SentimentModel(
        vocabulary,
        network,
        _fit_ngrams(whole, recipe),
        Reach(recipe.head, recipe.tail),
        Familiarity(words, counts),
    )
    pieces = with_pieces(chosen_by.select(np.arange(0)), chosen_by)
    shown = with_shorts(chosen_by, lexicon.FITTING, others)
    nothing = shorts.say_nothing(_NOTHINGS, recipe.short_weight)
    blend(model, shown.join(pieces).join(nothing))
    caution = calibrate(model, chosen_by, pieces, stops)
    return model, history, caution, whole.join(chosen_by)


def _choose_words(
    training: imdb.Reviews, recipe: Recipe, before: Earlier | None
) -> tuple[bytes, ...]:
    """The vocabulary, with emoji behind it."""
    if before is not None:
        return tuple(dict.fromkeys(before.words + _SIGNS))
    counts = count_words(map(split_tokens, _chunks(training)))
    return choose_vocabulary(counts, recipe.vocabulary, _SIGNS)


def _build_network(
    whole: Corpus,
    vocabulary: Vocabulary,
    before: Earlier | None,
    recipe: Recipe,
    seed: int,
) -> Any:
    """The LSTM, as version 1's or with word vectors of the reviews to begin with."""
    body = lstm.build_body(recipe.width, recipe.filters, recipe.units, recipe.dropout)
    if before is not None:
        before.fill(body)
        vectors = np.zeros((vocabulary.size, recipe.width), np.float32)
        vectors[: len(before.vectors)] = before.vectors
    else:
        vectors = learn_word_vectors(
            np.concatenate(whole.rows), vocabulary.size, recipe.width, seed=seed
        )
    vectors = place_signs(
        vectors,
        shorts.polar_ids(vocabulary, lexicon.EMOJI),
        shorts.polar_ids(vocabulary, lexicon.ADJECTIVES),
    )
    return lstm.build_network(vectors, body, recipe.word_dropout, seed)


def _fit_ngrams(whole: Corpus, recipe: Recipe) -> Linear:
    rows, keys = _number_ngrams(whole)
    fitted = fit_linear(
        rows, keys, whole.labels, recipe.ngram_strength, recipe.ngram_steps
    )
    log.info("Fitted %d n-grams on %d reviews", len(fitted.keys), len(whole))
    return fitted


def _count_by_label(whole: Corpus, vocabulary: Vocabulary) -> tuple[Any, Any]:
    """(ids,) int64 each: how often each id stands in likes, and in dislikes."""
    counts = [
        _count_ids(whole.select(np.flatnonzero(whole.labels == label)).rows, vocabulary)
        for label in (1, 0)
    ]
    return counts[0], counts[1]


def _count_ids(rows: list[Any], vocabulary: Vocabulary) -> Any:
    """(ids,) int64: how often each id stands in the rows."""
    return np.bincount(np.concatenate(rows), minlength=vocabulary.size)


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
    """Give (rows,) arrays of all that the model says; see `SentimentModel.answer`.

    Rows of about equal length share a batch.
    """
    order = np.argsort([len(text) for text in reviews.texts], kind="stable")
    run = tf.function(
        model.answer,
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
    """Rows and keys of all n-grams, by row."""
    rows, keys = [], []
    for part in slice_rows(len(corpus), _CHUNK):
        found, numbers = number_ngrams(as_ragged(corpus.rows[part]), NGRAM_WORDS)
        rows.append(found + part.start)
        keys.append(numbers)
    return np.concatenate(rows), np.concatenate(keys)


def _thin(reviews: imdb.Reviews, rows: int) -> imdb.Reviews:
    """At most `rows` of them, evenly from the whole."""
    picked = np.linspace(0, len(reviews) - 1, min(rows, len(reviews))).astype(np.int64)
    return reviews.select(picked)
