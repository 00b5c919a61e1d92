"""The recurrent branch: word vectors, and bidirectional LSTMs that read them.

Each has a convolution before it and pooling behind it. Where there are several, each is
trained to answer alone, and their log-odds are averaged.

Johnson and Zhang, "Supervised and semi-supervised text categorization using LSTM for
region embeddings", 2016, showed that pooling over all steps, not the last state, is
what makes an LSTM good at long reviews. The convolution hands on each second step: that
halves what the LSTM costs.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best
from training.models.sentiment.block_lstm import BlockLSTM
from training.models.sentiment.corpus import Corpus, iterate_batches
from training.models.sentiment.text import PADDING, UNKNOWN

STRIDE = 2  # words to a step of the LSTM
SPANS = (3,)  # words that the convolution before each LSTM reads at a time
MULTIPLE = 16  # widths are multiples of it
SHORT = 64  # tokens; of texts with fewer, words are made unknown more rarely
CALM = 5.0  # words learn so much more slowly than the rest, lest rare ones overfit
_VALIDATION_BATCH = 128
_LEAST = -1e4  # below any activation: what padding gives to a maximum

ops, layers = keras.ops, keras.layers


class WordDropout(keras.layers.Layer):  # type: ignore[misc]
    """Makes words unknown at random while training, so that none is relied on.

    Where there are few, none can be spared: "good" is not what "not good" says.
    """

    def __init__(self, rate: float, seed: int, **options: Any):
        super().__init__(**options)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """(rows, width) int32 to the same with some ids made `UNKNOWN`."""
        if not training:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seeds)
        width = ops.cast(ops.shape(ids)[1], "float32")
        rate = self.rate * ops.minimum(width / SHORT, 1.0)
        return ops.where((drawn < rate) & (ids != PADDING), UNKNOWN, ids)


def build_body(width: int, filters: int, units: int, dropout: float) -> Any:
    """Build what comes after the word vectors.

    Args:
        width: of a word vector.
        filters: of each convolution.
        units: of each LSTM in each direction.
        dropout: share of vector channels, and of pooled features, dropped.

    Returns:
        Keras model: vectors (rows, steps, width) float32 and which of them are words
        (rows, steps) bool, steps a multiple of `STRIDE`, to logits (rows, readers).
    """
    vectors = keras.Input((None, width), name="vectors")
    words = keras.Input((None,), dtype="bool", name="words")
    logits = [
        _build_reader(vectors, words, span, filters, units, dropout) for span in SPANS
    ]
    joined = layers.Concatenate(name="logits")(logits)
    return keras.Model([vectors, words], joined, name="body")


def _build_reader(
    vectors: Any, words: Any, span: int, filters: int, units: int, dropout: float
) -> Any:
    """One LSTM over a convolution of `span` words: logits (rows, 1)."""
    name = f"span{span}"
    real = ops.cast(words, "float32")[:, :, None]
    x = layers.SpatialDropout1D(dropout, name=f"{name}_vectors_dropout")(vectors)
    x = layers.Conv1D(
        filters, span, padding="same", activation="relu", name=f"{name}_phrases"
    )(x * real)
    x = layers.MaxPooling1D(STRIDE, name=f"{name}_pairs")(x * real)
    phrases = layers.GlobalMaxPooling1D(name=f"{name}_phrases_max")(x)
    x = layers.Dropout(dropout / 2, name=f"{name}_phrases_dropout")(x)
    steps = words[:, ::STRIDE]
    count = ops.sum(ops.cast(steps, "int32"), axis=1)
    x = BlockLSTM(units, name=f"{name}_lstm")(x, count)
    real = ops.cast(steps, "float32")[:, :, None]
    mean = ops.sum(x * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
    most = ops.max(x * real + (1 - real) * _LEAST, axis=1)
    most = ops.maximum(most, -1.0)  # an empty text has none; no LSTM goes below -1
    x = layers.Concatenate(name=f"{name}_pooled")([most, mean, phrases])
    x = layers.Dropout(dropout, name=f"{name}_pooled_dropout")(x)
    return layers.Dense(1, name=f"{name}_logit")(x)


def build_network(
    word_vectors: npt.NDArray[np.float32], body: Any, word_dropout: float, seed: int
) -> Any:
    """Build what is trained: ids (rows, steps) int32 to logits (rows, readers).

    Args:
        word_vectors: (words, width) float32, to begin with.
        body: of `build_body`.
        word_dropout: share of words made unknown.
        seed: of the word dropout.
    """
    words, width = word_vectors.shape
    ids = keras.Input((None,), dtype="int32", name="ids")
    kept = WordDropout(word_dropout, seed, name="word_dropout")(ids)
    embedding = layers.Embedding(words, width, name="embedding")
    vectors = embedding(kept) / CALM
    embedding.set_weights([word_vectors * CALM])
    return keras.Model(ids, body([vectors, ids != PADDING]), name="network")


def word_vectors_of(network: Any) -> npt.NDArray[np.float32]:
    """The vectors (words, width) float32 that `network` has learned."""
    learned: npt.NDArray[np.float32] = network.get_layer("embedding").get_weights()[0]
    return learned / np.float32(CALM)


def fit_network(
    network: Any,
    epochs: list[Corpus],
    validation: Corpus,
    *,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    averaged: float,
    seed: int,
) -> dict[str, list[float]]:
    """Train on one corpus an epoch, all of equally many rows.

    Judged and kept is a running mean of the weights, which overfits later than any of
    them (Izmailov et al., "Averaging weights leads to wider optima", 2018), at the end
    of the last epoch: the validation reviews have no sentence turned round, and ask for
    an early one.
    """
    steps = -(-len(epochs[0]) // batch_size)
    network.compile(
        optimizer=build_adamw(
            learning_rate, weight_decay, len(epochs), steps, averaged
        ),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
        jit_compile=False,  # XLA has no BlockLSTM
    )

    def stream() -> Iterator[Any]:
        random = np.random.default_rng(seed)
        for corpus in itertools.cycle(epochs):
            yield from _for_readers(
                iterate_batches(corpus, batch_size, MULTIPLE, random)
            )

    def judge() -> Iterator[Any]:
        yield from _for_readers(
            iterate_batches(validation, _VALIDATION_BATCH, MULTIPLE, None)
        )

    batches = -(-len(validation) // _VALIDATION_BATCH)
    judged = _as_dataset(judge).apply(tf.data.experimental.assert_cardinality(batches))
    given = _as_dataset(stream), judged
    return fit_best(network, *given, len(epochs), steps, keep_last=True)


def _for_readers(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches; a label for each reader, who all learn to answer alone."""
    for ids, labels, weights in batches:
        yield ids, np.repeat(labels, len(SPANS), axis=1), weights


def _as_dataset(generator: Any) -> Any:
    form = (
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, len(SPANS)], tf.float32),
        tf.TensorSpec([None], tf.float32),
    )
    return tf.data.Dataset.from_generator(generator, output_signature=form).prefetch(4)
