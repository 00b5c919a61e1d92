"""The sentiment model as it is served: text to a calibrated probability, one graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core.export import Function
from training.models.sentiment.familiarity import Familiarity
from training.models.sentiment.linear import Linear
from training.models.sentiment.lstm import MULTIPLE, word_vectors_of
from training.models.sentiment.ngram_table import look_up, pack_weights
from training.models.sentiment.text import (
    PADDING,
    Vocabulary,
    hash_ngrams,
    pad,
    truncate,
)

NGRAM_WORDS = 3
OUTPUTS = ("probability", "tokens", "unknown_tokens", "known_words", "familiarity")
_USUAL_TOKENS = 100.0  # the blend's terms in length are about 0 here
_FEW_TOKENS = 30.0  # below, it has terms of its own


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
    """Both branches and their blend, with most weights in two bytes each.

    Args:
        vocabulary: of all branches.
        network: trained; see `lstm.build_network`.
        linear: the n-gram branch.
        reach: what the LSTMs read.
        familiarity: see `familiarity.Familiarity`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        network: Any,
        linear: Linear,
        reach: Reach,
        familiarity: Familiarity,
    ):
        self.vocabulary = vocabulary
        self._reach = reach
        self._body = network.get_layer("body")
        vectors = word_vectors_of(network).astype(np.float16)
        self._vectors = tf.Variable(vectors, trainable=False)
        self._familiarity = familiarity
        self.blend = np.array([1.0, 1.0] + [0.0] * 7)
        self.take_ngrams(linear)

    def take_ngrams(self, linear: Linear) -> None:
        """Exchange the n-gram branch."""
        table, self._most = pack_weights(linear)
        self._ngrams = tf.Variable(table, trainable=False)
        self._bias = linear.bias

    def read_branches(self, ids: Any) -> tuple[Any, Any]:
        """Give each branch's log-odds, (rows,) float32, of (rows, None) ragged ids."""
        return self._read_ngrams(ids), self._read_steps(ids)

    def mix(self, ngrams: Any, steps: Any, lengths: Any) -> Any:
        """Blend the branches' log-odds; how much each is worth depends on length."""
        features = describe_rows(ngrams, steps, lengths)
        return tf.linalg.matvec(features, tf.constant(self.blend, tf.float32))

    def answer(self, text: Any) -> dict[str, Any]:
        """`classify`, and the log-odds of each branch beside it."""
        ids = self.vocabulary.read(text)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        ngrams, steps = self.read_branches(ids)
        probability = tf.sigmoid(self.mix(ngrams, steps, lengths))
        counted = self._familiarity.measure(ids)
        return counted | {
            "probability": probability,
            "tokens": lengths,
            "ngrams": ngrams,
            "lstm": steps,
        }

    def classify(self, text: Any) -> dict[str, Any]:
        """Give what is served, (rows,) each, of (rows,) string; see `OUTPUTS`."""
        answer = self.answer(text)
        return {name: answer[name] for name in OUTPUTS}

    def count_known(self, ids: Any) -> dict[str, Any]:
        """See `Familiarity.measure`."""
        return self._familiarity.measure(ids)

    def as_function(self, sample: Sequence[bytes]) -> Function:
        """The signature, with texts to compare the written model by."""
        text = TensorSpec(name="text", dtype="string", shape=(None,))
        return Function(self.classify, (text,), {"text": as_strings(sample)})

    def _read_ngrams(self, ids: Any) -> Any:
        rows, keys = hash_ngrams(ids, NGRAM_WORDS)
        weights = look_up(self._ngrams, self._most, keys)
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
        logits = self._body([vectors, padded != PADDING], training=False)
        return tf.reduce_mean(logits, axis=1)


def describe_rows(ngrams: Any, steps: Any, lengths: Any) -> Any:
    """The blend's inputs, (rows, 9): both branches and 1, these times length.

    And times how much shorter than `_FEW_TOKENS` a text is: there the LSTMs may be
    worth much more than the n-grams without a say in what a review gets.
    """
    one = tf.ones_like(ngrams)
    count = tf.cast(lengths, tf.float32) + 1
    longer = tf.math.log(count / _USUAL_TOKENS)
    shorter = tf.math.log(tf.maximum(_FEW_TOKENS / count, 1.0))
    terms = [ngrams, steps, one]
    scales = [one, longer, shorter]
    return tf.stack([term * scale for scale in scales for term in terms], axis=1)


def as_strings(texts: Sequence[bytes]) -> npt.NDArray[np.object_]:
    """(rows,) object array of bytes, as the service passes strings."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
