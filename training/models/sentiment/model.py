"""The sentiment model as it is served: text to a calibrated probability, one graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core.export import Function
from training.models.sentiment.linear import Linear
from training.models.sentiment.lstm import MULTIPLE, word_vectors_of
from training.models.sentiment.text import (
    PADDING,
    UNKNOWN,
    Vocabulary,
    hash_ngrams,
    pad,
    truncate,
)

NGRAM_WORDS = 3
_USUAL_TOKENS = 100.0  # the blend's terms in length are about 0 here


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a long text the LSTM reads; the n-gram branch reads all.

    Attributes:
        head: tokens of the beginning.
        tail: tokens of the end; with `head` a multiple of 32.
    """

    head: int = 96
    tail: int = 288


class SentimentModel:
    """Both branches and their blend, with weights stored in half precision.

    Args:
        vocabulary: of all branches.
        network: trained; see `sentiment_lstm.build_network`.
        linear: the n-gram branch.
        reach: what the LSTM reads.
    """

    def __init__(
        self, vocabulary: Vocabulary, network: Any, linear: Linear, reach: Reach
    ):
        self.vocabulary = vocabulary
        self._reach = reach
        self._body = network.get_layer("body")
        vectors = word_vectors_of(network).astype(np.float16)
        self._vectors = tf.Variable(vectors, trainable=False)
        self._ngrams = tf.Variable(linear.weights.astype(np.float16), trainable=False)
        self._bias = linear.bias
        self.blend = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])

    def read_branches(self, ids: Any) -> tuple[Any, Any]:
        """Give each branch's log-odds, (rows,) float32, of (rows, None) ragged ids."""
        return self._read_ngrams(ids), self._read_steps(ids)

    def mix(self, ngrams: Any, steps: Any, lengths: Any) -> Any:
        """Blend the branches' log-odds; how much each is worth depends on length."""
        features = describe_rows(ngrams, steps, lengths)
        return tf.linalg.matvec(features, tf.constant(self.blend, tf.float32))

    def classify(self, text: Any) -> dict[str, Any]:
        """Give (rows,) probability, tokens and unknown_tokens of (rows,) string."""
        ids = self.vocabulary.read(text)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        unknown = ids.with_flat_values(tf.cast(ids.flat_values == UNKNOWN, tf.int32))
        logits = self.mix(*self.read_branches(ids), lengths)
        return {
            "probability": tf.sigmoid(logits),
            "tokens": lengths,
            "unknown_tokens": tf.reduce_sum(unknown, axis=1),
        }

    def as_function(self, sample: Sequence[bytes]) -> Function:
        """The signature, with texts to compare the written model by."""
        text = TensorSpec(name="text", dtype="string", shape=(None,))
        return Function(self.classify, (text,), {"text": as_strings(sample)})

    def _read_ngrams(self, ids: Any) -> Any:
        rows, buckets = hash_ngrams(ids, NGRAM_WORDS)
        weights = tf.cast(tf.gather(self._ngrams, buckets), tf.float32)
        ones, count = tf.ones_like(weights), ids.nrows()
        found = tf.math.unsorted_segment_sum(ones, rows, count)
        sums = tf.math.unsorted_segment_sum(weights, rows, count)
        return sums * tf.math.rsqrt(tf.maximum(found, 1.0)) + self._bias

    def _read_steps(self, ids: Any) -> Any:
        reach = self._reach
        padded = pad(
            truncate(ids, reach.head, reach.tail), MULTIPLE, reach.head + reach.tail
        )
        vectors = tf.cast(tf.gather(self._vectors, padded), tf.float32)
        return self._body([vectors, padded != PADDING], training=False)[:, 0]


def describe_rows(ngrams: Any, steps: Any, lengths: Any) -> Any:
    """The blend's inputs, (rows, 6): both branches and 1, and these times length."""
    one = tf.ones_like(ngrams)
    longer = tf.math.log((tf.cast(lengths, tf.float32) + 1) / _USUAL_TOKENS)
    terms = [ngrams, steps, one]
    return tf.stack([*terms, *(term * longer for term in terms)], axis=1)


def as_strings(texts: Sequence[bytes]) -> npt.NDArray[np.object_]:
    """(rows,) object array of bytes, as the service passes strings."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
