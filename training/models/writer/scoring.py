"""Bits a symbol on held-out reviews, each read from its beginning.

Whole reviews are dealt to streams, the longest first and each to the shortest stream,
so that a batch of all streams has little that is empty.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.writer import contexts
from training.models.writer.corpus import Corpus
from training.models.writer.network import Network

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Score = Callable[[Any, Any, Any], Any]

STREAMS = 128
_NOBODY = -1


def score_reviews(score: Score, corpus: Corpus, streams: int = STREAMS) -> Floats:
    """(reviews,) float64: the sum of the bits of each review's symbols.

    Args:
        score: takes symbols, targets and moods, int32 (steps, rows), and gives the
            targets' bits, as `WriterGraph.score` does.
        corpus: to be read.
        streams: rows of a batch, at most.
    """
    owners, places = deal(corpus.lengths, min(streams, len(corpus)))
    targets = np.where(owners < 0, 0, corpus.symbols[places]).astype(np.int32)
    symbols = np.vstack([np.zeros_like(targets[:1]), targets[:-1]])
    moods = corpus.moods[np.maximum(owners, 0)].astype(np.int32)
    bits = np.asarray(score(symbols, targets, moods), np.float64)
    real = owners >= 0
    sums = np.bincount(owners[real], bits[real], minlength=len(corpus))
    return sums.astype(np.float64)


def score_in_floats(network: Network, steps: int = 64) -> Score:
    """What `WriterGraph.score` does, by the network as it was trained."""
    read = tf.function(partial(network.read, dtype=tf.float32), autograph=False)

    def score(symbols: Any, targets: Any, moods: Any) -> Any:
        state, bits = network.begin(symbols.shape[1]), []
        padding = ((0, -len(symbols) % steps), (0, 0))
        shown, wanted, mood = (
            np.pad(each, padding) for each in (symbols, targets, moods)
        )
        buckets = contexts.find_buckets(contexts.begin(shown))
        for start in range(0, len(shown), steps):
            part = slice(start, start + steps)
            given = map(tf.constant, (shown[part], buckets[part], mood[part]))
            logits, state = read(*given, state)
            lost = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted[part], logits)
            bits.append(lost.numpy() / math.log(2))
        return np.concatenate(bits)[: len(symbols)]

    return score


def deal(lengths: Integers, streams: int) -> tuple[Integers, Integers]:
    """Deal reviews to streams.

    Args:
        lengths: (reviews,) symbols of each, in their order in one row.
        streams: that there shall be.

    Returns:
        (steps, streams) the review that each place is of, -1 = of none, and the place
        of its symbol in the row of all reviews.
    """
    filled = np.zeros(streams, np.int64)
    parts: list[list[int]] = [[] for _ in range(streams)]
    for review in np.argsort(-lengths, kind="stable"):
        stream = int(filled.argmin())
        parts[stream].append(int(review))
        filled[stream] += lengths[review]
    starts = np.cumsum(lengths) - lengths
    owners = np.full((filled.max(), streams), _NOBODY, np.int64)
    places = np.zeros_like(owners)
    for stream, reviews in enumerate(parts):
        begin = 0
        for review in reviews:
            end = begin + lengths[review]
            owners[begin:end, stream] = review
            places[begin:end, stream] = np.arange(lengths[review]) + starts[review]
            begin = end
    return owners, places
