"""The recurrent branch: word vectors, a convolution, a bidirectional LSTM, pooling.

Johnson and Zhang, "Supervised and semi-supervised text categorization using LSTM for
region embeddings", 2016, showed that pooling over all steps, not the last state, is
what makes an LSTM good at long reviews. The convolution reads three words at a time and
hands on every second step, which halves what the LSTM costs.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.core.fitting import build_adamw, fit_best
from training.models.sentiment.corpus import Corpus, iterate_batches
from training.models.sentiment.text import PADDING, UNKNOWN

STRIDE = 2  # words to a step of the LSTM
MULTIPLE = 32  # widths are multiples of it
CALM = 5.0  # words learn so much more slowly than the rest, lest rare ones overfit
_VALIDATION_BATCH = 128
_LEAST = -1e4  # below any activation: what padding gives to a maximum

ops, layers = keras.ops, keras.layers


class WordDropout(keras.layers.Layer):  # type: ignore[misc]
    """Makes words unknown at random while training, so that none is relied on."""

    def __init__(self, rate: float, seed: int, **options: Any):
        super().__init__(**options)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """(rows, width) int32 to the same with some ids made `UNKNOWN`."""
        if not training:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seeds)
        return ops.where((drawn < self.rate) & (ids != PADDING), UNKNOWN, ids)


def build_body(width: int, filters: int, units: int, dropout: float) -> Any:
    """Build what comes after the word vectors.

    Args:
        width: of a word vector.
        filters: of the convolution.
        units: of the LSTM in each direction.
        dropout: share of vector channels, and of pooled features, dropped.

    Returns:
        Keras model: vectors (rows, steps, width) float32 and which of them are words
        (rows, steps) bool, steps a multiple of `STRIDE`, to logits (rows, 1).
    """
    vectors = keras.Input((None, width), name="vectors")
    words = keras.Input((None,), dtype="bool", name="words")
    real = ops.cast(words, "float32")[:, :, None]
    x = layers.SpatialDropout1D(dropout, name="vectors_dropout")(vectors) * real
    x = layers.Conv1D(filters, 3, padding="same", activation="relu", name="phrases")(x)
    x = layers.MaxPooling1D(STRIDE, name="pairs")(x * real)
    phrases = layers.GlobalMaxPooling1D(name="phrases_max")(x)
    x = layers.Dropout(dropout / 2, name="phrases_dropout")(x)
    steps = words[:, ::STRIDE]
    lstm = layers.LSTM(units, return_sequences=True, use_cudnn=False)
    x = layers.Bidirectional(lstm, name="lstm")(x, mask=steps)
    real = ops.cast(steps, "float32")[:, :, None]
    mean = ops.sum(x * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
    most = ops.max(x * real + (1 - real) * _LEAST, axis=1)
    most = ops.maximum(most, -1.0)  # an empty text has none; no LSTM goes below -1
    x = layers.Concatenate(name="pooled")([most, mean, phrases])
    x = layers.Dropout(dropout, name="pooled_dropout")(x)
    return keras.Model([vectors, words], layers.Dense(1, name="logit")(x), name="body")


def build_network(
    word_vectors: npt.NDArray[np.float32], body: Any, word_dropout: float, seed: int
) -> Any:
    """Build what is trained: ids (rows, steps) int32 to logits (rows, 1).

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
    seed: int,
) -> dict[str, list[float]]:
    """Train on one corpus an epoch, all of equally many rows; keep the best epoch."""
    steps = -(-len(epochs[0]) // batch_size)
    network.compile(
        optimizer=build_adamw(learning_rate, weight_decay, len(epochs), steps),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    )

    def stream() -> Iterator[Any]:
        random = np.random.default_rng(seed)
        for corpus in itertools.cycle(epochs):
            yield from iterate_batches(corpus, batch_size, MULTIPLE, random)

    def judge() -> Iterator[Any]:
        yield from iterate_batches(validation, _VALIDATION_BATCH, MULTIPLE, None)

    batches = -(-len(validation) // _VALIDATION_BATCH)
    judged = _as_dataset(judge).apply(tf.data.experimental.assert_cardinality(batches))
    return fit_best(network, _as_dataset(stream), judged, len(epochs), steps)


def _as_dataset(generator: Any) -> Any:
    form = (
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, 1], tf.float32),
        tf.TensorSpec([None], tf.float32),
    )
    return tf.data.Dataset.from_generator(generator, output_signature=form).prefetch(4)
