"""Streams of reviews, side by side, that the network reads piece by piece.

The reviews of a pass, shuffled, stand in one long row that is cut into as many streams
as a batch has rows. A batch is the next piece of every stream, so that the network's
state at the end of one batch is that at the beginning of the next:

    stream 0:  the film was fine.⏎i liked │ every minute of it.⏎bad, b │ ad …
    stream 1:  … it never ends.⏎not for m │ e.⏎a gem of a film, and on │ e …
                       batch 0                     batch 1
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.models.writer import contexts
from training.models.writer.alphabet import STOP, SYMBOLS
from training.models.writer.corpus import Corpus

Integers = npt.NDArray[np.int32]

_STOP = SYMBOLS.index(STOP)


@dataclass(frozen=True, slots=True)
class Batch:
    """The next piece of every stream.

    Attributes:
        symbols: (steps, rows) int32, what the network is shown.
        buckets: (steps, rows, lengths) int32, of the runs that they end.
        targets: (steps, rows) int32, the symbol after each.
        moods: (steps, rows) int32, of the review that the target is of.
    """

    symbols: Integers
    buckets: Integers
    targets: Integers
    moods: Integers


def stream_batches(
    corpus: Corpus, rows: int, steps: int, random: np.random.Generator
) -> Iterator[Batch]:
    """Give batches without end, the reviews in another order in each pass.

    Raises:
        ValueError: The reviews are not enough for one batch.
    """
    if len(corpus.symbols) < rows * steps:
        raise ValueError(
            f"expected at least {rows * steps} characters for a batch of {rows} x "
            f"{steps}, received {len(corpus.symbols)}"
        )
    while True:
        yield from iterate_batches(corpus, rows, steps, random)


def iterate_batches(
    corpus: Corpus, rows: int, steps: int, random: np.random.Generator
) -> Iterator[Batch]:
    """Give the batches of one pass over all reviews, in a random order of reviews.

    A stream may begin in the middle of a review. What is left over at the end, less
    than a batch, is dropped.
    """
    ordered = corpus.select(random.permutation(len(corpus)))
    targets = ordered.symbols.astype(np.int32)
    symbols = np.concatenate([np.array([_STOP], np.int32), targets[:-1]])
    moods = np.repeat(ordered.moods, ordered.lengths).astype(np.int32)
    count = len(targets) // (rows * steps)
    streams = [
        each[: count * rows * steps].reshape(rows, count * steps).T
        for each in (symbols, targets, moods)
    ]
    known = contexts.begin(streams[0])
    for start in range(0, count * steps, steps):
        part = slice(start, start + steps)
        buckets = contexts.find_buckets(known[start : start + contexts.MEMORY + steps])
        shown, wanted, mood = (np.ascontiguousarray(each[part]) for each in streams)
        yield Batch(shown, buckets, wanted, mood)
