"""Tokenised reviews, the cut by films, pieces of reviews, and batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.sentiment.text import PADDING, truncate

Integers = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows of tokens and what is said of each row.

    Attributes:
        rows: one (tokens,) int32 array of ids each.
        labels: (rows,) int64, 1 = positive.
        weights: (rows,) float32, how much each row counts.
    """

    rows: list[Tokens]
    labels: Integers
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, indices: Integers) -> "Corpus":
        """The rows at `indices`, in that order."""
        picked = [self.rows[index] for index in indices]
        return Corpus(picked, self.labels[indices], self.weights[indices])

    def join(self, other: "Corpus") -> "Corpus":
        """These rows, then those of `other`."""
        return Corpus(
            self.rows + other.rows,
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.weights, other.weights]),
        )


def mark_blocks(labels: Integers, share: int, length: int) -> npt.NDArray[np.bool_]:
    """Mark every `share`-th block of `length` neighbours within each label.

    Reviews of one film are neighbours. A random choice of single rows would leave
    most films of the chosen on the other side too, and read about two points too well.

    Returns:
        (rows,) bool.
    """
    marked = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        (rows,) = np.nonzero(labels == label)
        marked[rows] = np.arange(len(rows)) // length % share == share // 2
    return marked


def truncate_rows(corpus: Corpus, head: int, tail: int) -> Corpus:
    """Cut the middle out of longer rows, in the graph that serves."""
    rows = as_rows(truncate(as_ragged(corpus.rows), head, tail))
    return Corpus(rows, corpus.labels, corpus.weights)


def cut_windows(
    corpus: Corpus, lengths: tuple[int, ...], random: np.random.Generator
) -> Corpus:
    """Cut one window out of each row, as long as one of `lengths` if the row is.

    Another one in each epoch: so a network reads less of what it could learn by heart.
    """
    rows = []
    for row in corpus.rows:
        length = int(random.choice(lengths))
        start = int(random.integers(0, max(0, len(row) - length) + 1))
        rows.append(row[start : start + length])
    return Corpus(rows, corpus.labels, corpus.weights)


def as_ragged(rows: list[Tokens]) -> Any:
    """Give (rows, None) ragged int64."""
    flat = tf.constant(np.concatenate(rows), tf.int64)
    return tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in rows])


def as_rows(ids: Any) -> list[Tokens]:
    """Give one (tokens,) int32 array for each row of (rows, None) ragged ids."""
    flat = ids.flat_values.numpy().astype(np.int32)
    return np.split(flat, ids.row_starts().numpy()[1:])


def cut_pieces(
    corpus: Corpus,
    stops: Integers,
    sentences: int,
    weight: float,
    random: np.random.Generator,
) -> Corpus:
    """Cut one short piece out of each row: some neighbouring sentences of it.

    Every other piece is of the first or the last sentences, where opinions stand.

    Args:
        corpus: whole rows.
        stops: ids of tokens that end a sentence.
        sentences: the most that a piece may have; at least 1.
        weight: of each piece; its label, the review's, is right less often.
        random: decides where.
    """
    rows = []
    for row in corpus.rows:
        (ends,) = np.nonzero(np.isin(row[:-1], stops))
        starts = np.concatenate([[0], ends + 1])
        bounds = np.concatenate([starts, [len(row)]])
        count = min(int(random.integers(1, sentences + 1)), len(starts))
        last = len(starts) - count
        place = int(random.choice([0, last, *random.integers(0, last + 1, 2)]))
        rows.append(row[bounds[place] : bounds[place + count]])
    return Corpus(rows, corpus.labels, np.full(len(rows), weight, np.float32))


def iterate_batches(
    corpus: Corpus, size: int, multiple: int, random: np.random.Generator | None
) -> Iterator[tuple[Tokens, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Give batches of rows of about equal length, so that little is padding.

    Args:
        corpus: at least one row.
        size: rows in a batch; the last may have fewer.
        multiple: widths are multiples of it.
        random: of the order; None gives rows by length.

    Yields:
        ids (size, width) int32, labels (size, 1) float32, weights (size,) float32.
    """
    lengths = np.array([len(row) for row in corpus.rows], np.float64)
    if random is not None:
        lengths *= random.uniform(0.85, 1.15, len(lengths))  # other company each time
    order = np.argsort(lengths, kind="stable")
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if random is not None:
        random.shuffle(batches)
    for batch in batches:
        ids = pad_rows([corpus.rows[row] for row in batch], multiple)
        labels = corpus.labels[batch].astype(np.float32)[:, None]
        yield ids, labels, corpus.weights[batch]


def pad_rows(rows: list[Tokens], multiple: int) -> Tokens:
    """Give (rows, width) int32, the width a multiple of `multiple`."""
    longest = max(1, *(len(row) for row in rows))
    ids = np.full((len(rows), -(-longest // multiple) * multiple), PADDING, np.int32)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = tokens
    return ids
