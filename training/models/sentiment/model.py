"""The sentiment model as it is served: text to a calibrated probability, one graph."""

from collections.abc import Mapping, Sequence
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
from training.models.sentiment.phrases import Phrases, find_strongest, pack_tables
from training.models.sentiment.text import (
    PADDING,
    Vocabulary,
    hash_ngrams,
    pad,
    truncate,
)

NGRAM_WORDS = 3
BRANCHES = ("ngrams", "lstm", "phrases")
OUTPUTS = ("probability", "tokens", "unknown_tokens", "known_words", "familiarity")
_USUAL_TOKENS = 100.0  # the blend's terms in length are about 0 here
_FEW_TOKENS = 30.0  # below, it has terms of its own


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a long text a branch reads; that of the n-grams reads all.

    Attributes:
        head: tokens of the beginning.
        tail: tokens of the end; with `head` a multiple of `MULTIPLE`.
    """

    head: int
    tail: int


PHRASES_REACH = Reach(
    256, 512
)  # so much is in memory at a time, in each text of a batch


class SentimentModel:
    """Three branches and their blend, with most weights in a byte or two each.

    Args:
        vocabulary: of all branches.
        network: trained; see `lstm.build_network`.
        linear: the n-gram branch.
        phrases: the branch of phrases.
        reach: what the LSTM and the branch of phrases read.
        familiarity: see `familiarity.Familiarity`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        network: Any,
        linear: Linear,
        phrases: Phrases,
        reach: Reach,
        familiarity: Familiarity,
    ):
        self.vocabulary = vocabulary
        self._reach = reach
        self._body = network.get_layer("body")
        vectors = word_vectors_of(network).astype(np.float16)
        self._vectors = tf.Variable(vectors, trainable=False)
        self._familiarity = familiarity
        self.blend = np.array([1.0] * len(BRANCHES) + [0.0] * (2 * len(BRANCHES) + 3))
        self.take(linear, phrases)

    def take(self, linear: Linear, phrases: Phrases) -> None:
        """Exchange these branches for others, fitted on more."""
        table, self._most = pack_weights(linear)
        self._ngrams = tf.Variable(table, trainable=False)
        self._bias = linear.bias
        tables, self._steps = pack_tables(phrases)
        self._phrases = tf.Variable(tables, trainable=False)
        self._read_out = phrases

    def read_branches(self, ids: Any) -> dict[str, Any]:
        """Give each branch's log-odds, (rows,) float32, of (rows, None) ragged ids."""
        reach = self._reach
        cut = truncate(ids, reach.head, reach.tail)
        padded = pad(cut, MULTIPLE, reach.head + reach.tail)
        return {
            "ngrams": self._read_ngrams(ids),
            "lstm": self._read_steps(padded),
            "phrases": self._read_phrases(padded),
        }

    def mix(self, branches: Mapping[str, Any], lengths: Any) -> Any:
        """Blend the branches' log-odds; how much each is worth depends on length."""
        features = describe_rows(branches, lengths)
        return tf.linalg.matvec(features, tf.constant(self.blend, tf.float32))

    def answer(self, text: Any) -> dict[str, Any]:
        """`classify`, and the log-odds of each branch beside it."""
        ids = self.vocabulary.read(text)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        branches = self.read_branches(ids)
        probability = tf.sigmoid(self.mix(branches, lengths))
        counted = self._familiarity.measure(ids)
        return counted | branches | {"probability": probability, "tokens": lengths}

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

    def _read_steps(self, padded: Any) -> Any:
        vectors = tf.cast(tf.gather(self._vectors, padded), tf.float32)
        logits = self._body([vectors, padded != PADDING], training=False)
        return tf.reduce_mean(logits, axis=1)

    def _read_phrases(self, padded: Any) -> Any:
        phrases = self._read_out
        steps = tf.cast(find_strongest(self._phrases, padded), tf.float32)
        active = tf.nn.relu(steps * self._steps + phrases.biases)
        return tf.linalg.matvec(active, phrases.output) + phrases.bias


def describe_rows(branches: Mapping[str, Any], lengths: Any) -> Any:
    """The blend's inputs, (rows, terms): all branches and 1, these times length.

    And times how much shorter than `_FEW_TOKENS` a text is: there the LSTM may be
    worth much more than the others without a say in what a review gets.
    """
    logits = [branches[name] for name in BRANCHES]
    one = tf.ones_like(logits[0])
    count = tf.cast(lengths, tf.float32) + 1
    longer = tf.math.log(count / _USUAL_TOKENS)
    shorter = tf.math.log(tf.maximum(_FEW_TOKENS / count, 1.0))
    terms = [*logits, one]
    scales = [one, longer, shorter]
    return tf.stack([term * scale for scale in scales for term in terms], axis=1)


def as_strings(texts: Sequence[bytes]) -> npt.NDArray[np.object_]:
    """(rows,) object array of bytes, as the service passes strings."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
