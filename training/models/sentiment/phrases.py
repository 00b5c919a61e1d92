"""The branch of phrases: the strongest run of three words, by each of many filters.

Johnson and Zhang, "Effective use of word order for text categorization with
convolutional neural networks", 2015: a convolution over words themselves, not over
their vectors. Each filter has a weight of its own for every frequent word at each place
of a run; of a text it says how much the run that it likes best has of them.

What one text changes is only the weights of that run's words, so it is trained a text
at a time, by NumPy, some two hundred times faster than by gradients of whole tables.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment.corpus import Corpus, Tokens
from training.models.sentiment.text import FIRST_WORD

log = logging.getLogger(__name__)

PLACES = 3  # words in a run
NO_WORD = 0  # a row of zeros: whatever is no frequent word says nothing
_STEPS = 42  # of int8 in a weight, so that the sum of three is one too
_START = 0.01  # standard deviation of the weights
_KEPT = 0.5  # of the filters, while training
_LATE, _SLOWER = 0.8, 0.1  # of the whole training; then so much slower

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Phrases:
    """log-odds = bias + Σ output · max(0, strongest run + biases) over the filters.

    Attributes:
        tables: (PLACES, words, filters), of each word at each place of a run; the
            first `FIRST_WORD` rows are zeros.
        biases: (filters,).
        output: (filters,).
        bias: What an empty text scores, but for the biases.
    """

    tables: Floats
    biases: Floats
    output: Floats
    bias: float

    def score(self, row: Tokens) -> float:
        """The log-odds of (tokens,) ids."""
        _, _, strongest = _find_strongest(self.tables, row)
        return float(np.maximum(strongest + self.biases, 0) @ self.output) + self.bias


def fit_phrases(
    corpus: Corpus,
    *,
    words: int,
    filters: int,
    epochs: int,
    learning_rate: float,
    decay: float,
    seed: int,
) -> Phrases:
    """Fit by gradients of one text at a time.

    Args:
        corpus: Whole texts.
        words: Ids from here on are no word: the vocabulary is sorted by frequency.
        filters: Half of them are dropped for each text.
        epochs: Passes over the corpus.
        learning_rate: Of the first four fifths; then a tenth of it.
        decay: L2 penalty.
        seed: Of the first weights, the order and what is dropped.
    """
    random = np.random.default_rng(seed)
    tables = random.normal(0, _START, (PLACES, words, filters)).astype(np.float32)
    tables[:, :FIRST_WORD] = 0
    biases, output = np.zeros((2, filters), np.float32)
    output += random.normal(0, _START, filters)
    bias, scale = 0.0, 1.0  # of the tables: shrinking every weight is one product
    number, total = 0, epochs * len(corpus)
    for epoch in range(epochs):
        loss = 0.0
        for row in random.permutation(len(corpus)):
            rate = learning_rate * (1.0 if number < _LATE * total else _SLOWER)
            rate *= corpus.weights[row]
            number += 1
            ids, places, strongest = _find_strongest(tables, corpus.rows[row])
            kept = random.random(filters, dtype=np.float32) < _KEPT
            active = np.maximum(strongest * scale + biases, 0) * kept
            sign = 2 * int(corpus.labels[row]) - 1
            margin = sign * (float(active @ output) + bias)
            loss += np.logaddexp(0, -margin)
            slope = -sign * np.exp(-np.logaddexp(0, margin))
            (moved,) = np.nonzero(active)
            slopes = rate * slope * output[moved]
            for place in range(PLACES):
                word = ids[places[moved] + place]
                tables[place][word, moved] -= (word != NO_WORD) * slopes / scale
            biases[moved] -= slopes
            output -= rate * (slope * active + decay * output)
            bias -= rate * slope
            scale *= 1 - rate * decay
        tables *= scale
        scale = 1.0
        log.info("Phrases, epoch %d: loss %.4f", epoch + 1, loss / len(corpus))
    return Phrases(tables, biases, output * np.float32(_KEPT), bias)


def _find_strongest(tables: Floats, row: Tokens) -> tuple[Tokens, Any, Floats]:
    """Which run each filter likes best.

    One without any word is among them, as it is where a text is padded.

    Returns:
        The ids that runs are made of, and (filters,) each: where among them the run
        begins, and what the filter says of it.
    """
    frequent = (row >= FIRST_WORD) & (row < tables.shape[1])
    ids = np.pad(np.where(frequent, row, NO_WORD), (PLACES - 1, PLACES))
    runs = len(ids) - PLACES + 1
    sums = tables[0][ids[:runs]]
    for place in range(1, PLACES):
        sums += tables[place][ids[place : place + runs]]
    places = sums.argmax(axis=0)
    return ids, places, sums[places, np.arange(sums.shape[1])]


def pack_tables(phrases: Phrases) -> tuple[npt.NDArray[np.int8], Floats]:
    """Round the weights, each filter's to steps of its own.

    Returns:
        (PLACES, words, filters) int8, of which any three add up to one, and (filters,)
        what a step is worth.
    """
    most = np.abs(phrases.tables).max(axis=(0, 1))
    steps = np.maximum(most, np.float32(1e-6)) / _STEPS
    return np.round(phrases.tables / steps).astype(np.int8), steps


def find_strongest(tables: Any, ids: Any) -> Any:
    """The strongest run of each text, by each filter.

    Args:
        tables: Of `pack_tables`.
        ids: (rows, width) int64, padded behind each row.

    Returns:
        (rows, filters) int8, in steps; 0 at least, which a run without a word has.
    """
    words = tf.shape(tables, out_type=ids.dtype)[1]
    frequent = tf.where((ids >= FIRST_WORD) & (ids < words), ids, NO_WORD)
    ids = tf.pad(frequent, [[0, 0], [PLACES - 1, PLACES - 1]])
    runs = tf.shape(ids)[1] - PLACES + 1
    sums = tf.gather(tables[0], ids[:, :runs])
    for place in range(1, PLACES):
        sums += tf.gather(tables[place], ids[:, place : place + runs])
    return tf.maximum(tf.reduce_max(sums, axis=1), tf.constant(0, tf.int8))
